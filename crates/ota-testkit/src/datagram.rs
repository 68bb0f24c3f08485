//! A way for datagrams from one end of a program to the other, with faults and a time that passes.

use crate::Rng;
use ota_hal::Millis;

/// What happens to datagrams. The default is a perfect way that takes no time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DatagramFaults {
    /// So many of a hundred are lost.
    pub lose_percent: u32,
    /// One in so many comes twice, each copy with a delay of its own; 0 for none.
    pub repeat_one_in: u32,
    /// One in so many has a random bit flipped; 0 for none. UDP's checksum hides this; a hostile peer does not.
    pub corrupt_one_in: u32,
    /// Shortest time under way.
    pub delay_min_ms: u32,
    /// Longest time under way; datagrams overtake each other when it is above the shortest.
    pub delay_max_ms: u32,
}

/// Datagrams under way in one direction.
///
/// # Examples
/// ```
/// use ota_hal::Millis;
/// use ota_testkit::{DatagramFaults, Datagrams, Rng};
///
/// let faults = DatagramFaults { delay_min_ms: 30, delay_max_ms: 30, ..DatagramFaults::default() };
/// let mut way = Datagrams::new(faults, Rng::new(7));
/// way.send(Millis(100), b"hello");
/// assert_eq!((way.next_at(), way.receive(Millis(129))), (Some(Millis(130)), None));
/// assert_eq!(way.receive(Millis(130)).as_deref(), Some(&b"hello"[..]));
/// ```
#[derive(Debug, Clone)]
pub struct Datagrams {
    faults: DatagramFaults,
    rng: Rng,
    under_way: Vec<(Millis, Vec<u8>)>,
}

impl Datagrams {
    /// A way with nothing on it.
    #[must_use]
    pub const fn new(faults: DatagramFaults, rng: Rng) -> Self {
        Self { faults, rng, under_way: Vec::new() }
    }
    /// Sets what happens to datagrams that are sent from now on.
    pub const fn set_faults(&mut self, faults: DatagramFaults) {
        self.faults = faults;
    }
    /// Sends a datagram.
    pub fn send(&mut self, now: Millis, datagram: &[u8]) {
        let copies = if self.rng.one_in(self.faults.repeat_one_in) { 2 } else { 1 };
        for _ in 0..copies {
            if self.rng.below(100) < self.faults.lose_percent {
                continue;
            }
            let mut datagram = datagram.to_vec();
            if !datagram.is_empty() && self.rng.one_in(self.faults.corrupt_one_in) {
                let at = self.rng.below(datagram.len() as u32) as usize;
                datagram[at] ^= 1 << self.rng.below(8);
            }
            let spread = self.faults.delay_max_ms.saturating_sub(self.faults.delay_min_ms);
            let delay = self.faults.delay_min_ms + self.rng.below(spread.saturating_add(1));
            self.under_way.push((now.after(delay), datagram));
        }
    }
    /// When the next datagram arrives.
    #[must_use]
    pub fn next_at(&self) -> Option<Millis> {
        self.under_way.iter().map(|(at, _)| *at).min()
    }
    /// The next datagram that has arrived.
    pub fn receive(&mut self, now: Millis) -> Option<Vec<u8>> {
        let next = self.under_way.iter().enumerate().filter(|(_, (at, _))| *at <= now).min_by_key(|(_, (at, _))| *at);
        let (index, _) = next?;
        Some(self.under_way.remove(index).1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arrived(faults: DatagramFaults) -> Vec<Vec<u8>> {
        let mut way = Datagrams::new(faults, Rng::new(3));
        (0..200_u8).for_each(|n| way.send(Millis(u64::from(n)), &[n]));
        core::iter::from_fn(|| way.receive(Millis(10_000))).collect()
    }

    #[test]
    fn faults_happen_as_often_as_told() {
        let none = DatagramFaults::default();
        assert_eq!(arrived(none), (0..200).map(|n| vec![n]).collect::<Vec<_>>());
        assert!((70..130).contains(&arrived(DatagramFaults { lose_percent: 50, ..none }).len()));
        assert_eq!(arrived(DatagramFaults { lose_percent: 100, ..none }), Vec::<Vec<u8>>::new());
        assert_eq!(arrived(DatagramFaults { repeat_one_in: 1, ..none }).len(), 400);
        let mut late = arrived(DatagramFaults { delay_max_ms: 50, ..none });
        assert_ne!(late, arrived(none));
        late.sort();
        assert_eq!(late, arrived(none));
        assert_ne!(arrived(DatagramFaults { corrupt_one_in: 9, ..none }), arrived(none));
    }
}
