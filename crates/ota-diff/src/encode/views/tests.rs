//! The index against a search that looks everywhere.

use super::*;

/// Bytes of few values, so that much is alike; of all values where `spread` is 256.
fn noise(len: usize, mut dice: u32, spread: u32) -> Vec<u8> {
    let mut next = || {
        dice = dice.wrapping_mul(0x2C92_77B5).wrapping_add(0xAC56_4B05);
        ((dice >> 12) % spread) as u8
    };
    std::iter::repeat_with(&mut next).take(len).collect()
}

/// The longest match and the places that have it.
fn everywhere(text: &[u8], wanted: &[u8]) -> (usize, Vec<usize>) {
    let len = (0..text.len()).map(|at| common(&text[at..], wanted)).max().unwrap_or(0);
    (len, (0..text.len()).filter(|at| common(&text[*at..], wanted) == len).collect())
}

#[test]
fn the_longest_match_is_found_and_the_nearest_of_few() {
    for (spread, len) in [(2, 700), (4, 700), (40, 3000), (256, 3000), (256, 2), (256, 0)] {
        let text = noise(len, spread, spread);
        let index = Index::new(&text);
        let mut others = noise(200, 77, spread);
        others.extend_from_slice(&text[text.len() / 3..text.len() / 2]);
        for at in 0..others.len() {
            let (len, places) = everywhere(&text, &others[at..]);
            let near = (at * 13 % text.len().max(1)) as i64;
            let found = index.longest(&others[at..], near);
            if len < MATCH_MIN {
                assert_eq!(found, (0, 0), "{spread} {at}");
                continue;
            }
            assert_eq!(found.1, len, "{spread} {at}");
            let nearest = places.iter().map(|place| (*place as i64 - near).abs()).min();
            assert!(places.contains(&found.0), "{spread} {at}");
            if places.len() < NEIGHBOURS {
                assert_eq!(Some((found.0 as i64 - near).abs()), nearest, "{spread} {at}");
            }
        }
    }
}

#[test]
fn reach_is_as_far_as_it_holds() {
    for most in 0..40 {
        for end in 0..40 {
            assert_eq!(reach(most, |step| step <= end), end.min(most), "{end} of {most}");
        }
    }
}

#[test]
fn equal_bytes_are_counted_from_both_ends() {
    for len in 0..30 {
        let text = noise(30, 5, 256);
        let mut other = text.clone();
        other[len] ^= 1;
        assert_eq!((common(&text, &other), common_end(&text, &other)), (len, 29 - len));
        assert_eq!(common(&text[..len], &other), len);
    }
}
