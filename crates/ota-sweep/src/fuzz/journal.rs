//! The journal on flash with any content, and then in use.

use super::signed;
use ota_boot::Record;
use ota_hal::{Journal, JournalError, Kind, Partition, Region};
use ota_testkit::{Rng, SimFlash};

const SECTOR: usize = 256;
const LEN: usize = 2 * SECTOR;
type Part = SimFlash<4, 0xFF, SECTOR>;
type Known<'f> = Journal<&'f mut Part>;
type State = [Option<Vec<u8>>; Kind::COUNT];

/// The flash that holds the first [`LEN`] bytes of `data`.
fn part(data: &[u8]) -> Part {
    let mut flash = Part::new(LEN as u32);
    flash.preload(&data[..data.len().min(LEN)]);
    flash
}

fn mount(flash: &mut Part) -> Known<'_> {
    Journal::mount(Region::new(flash, Partition::new(0, LEN as u32))).expect("any content can be mounted")
}

fn state(journal: &mut Known<'_>) -> State {
    Kind::ALL.map(|kind| journal.read(kind, &mut [0; LEN]).expect("what is found can be read").map(<[u8]>::to_vec))
}

/// The first bytes are the flash, the others say what is done with it or befalls it, two bytes a step.
pub(super) fn body(data: &[u8]) {
    let mut flash = part(data);
    let mut model = state(&mut mount(&mut flash));
    assert_eq!(flash.ops(), 0, "mounting and reading must not write");
    for step in data.get(LEN..).unwrap_or_default().chunks_exact(2).take(64) {
        let (kind, len) = (Kind::ALL[usize::from(step[0]) % Kind::COUNT], usize::from(step[1]));
        if step[0] >> 6 == 1 {
            // A bit flips. Whatever that costs, what is left is a map again.
            flash.decay((usize::from(step[0] & 1) << 8 | len) as u32, 1 << (step[0] >> 1 & 7));
            model = state(&mut mount(&mut flash));
            continue;
        }
        let payload = Rng::new(len as u64).bytes(len);
        let before = flash.ops();
        let mut journal = mount(&mut flash);
        let (outcome, after) = match step[0] >> 6 {
            0 => (journal.remove(kind), None),
            _ => (journal.append(kind, &payload), Some(payload)),
        };
        match outcome {
            Ok(()) => model[kind as usize] = after,
            Err(JournalError::TooLarge) => assert!(after.is_some(), "a removal is too large"),
            Err(other) => panic!("{other:?} without a fault of the flash"),
        }
        assert_eq!(state(&mut journal), model, "the journal is no map");
        assert_eq!(state(&mut mount(&mut flash)), model, "the next mount finds something else");
        assert!(flash.ops() - before < 100, "a step takes too many operations");
    }
    assert_eq!(flash.violation(), None);
}

/// Journals as they are after some use, and steps.
pub(super) fn seeds() -> Vec<Vec<u8>> {
    let steps = [0x81, 20, 0x82, 0, 0x43, 1, 0x83, 130, 0x01, 0, 0xC4, 60, 0x40, 56, 0x80, 56, 0x81, 90];
    let used = |times: u8| {
        let mut flash = part(&[]);
        let mut journal = mount(&mut flash);
        for n in 0..times {
            let record = Record { floor: n.into(), ..Record::FACTORY }.encode();
            journal.append(Kind::ALL[usize::from(n) % 3], &record[..56 - usize::from(n % 7)]).unwrap();
        }
        [flash.cells(), &steps[..]].concat()
    };
    let other = [&signed::images()[0][..], &steps[..]].concat();
    [0, 1, 3, 4, 7, 20].map(used).into_iter().chain([other]).collect()
}
