//! Numbers that differ between devices and between starts. The emulated part has no source of true randomness; for
//! jitter, ports, message ids and CoAP tokens these serve, on a network that is trusted; for keys they would not. A
//! product needs a real generator: who guesses a token can answer in the server's place.

use core::sync::atomic::{AtomicU32, Ordering};
use ota_hal::Entropy;

static STATE: AtomicU32 = AtomicU32::new(0x9E37_79B9);

/// The numbers. Copies draw from the same sequence.
#[derive(Debug, Clone, Copy)]
pub struct Chance(());

impl Chance {
    /// Mixes in what tells this device and this start from others.
    pub fn seeded(facts: &[u32]) -> Self {
        for fact in facts {
            STATE.store(scramble(STATE.load(Ordering::Relaxed) ^ fact), Ordering::Relaxed);
        }
        Self(())
    }
    /// 64 bits at once.
    pub fn next_u64(&mut self) -> u64 {
        u64::from(self.next_u32()) << 32 | u64::from(self.next_u32())
    }
}

impl Entropy for Chance {
    fn next_u32(&mut self) -> u32 {
        let state = STATE.load(Ordering::Relaxed).wrapping_add(0x9E37_79B9);
        STATE.store(state, Ordering::Relaxed);
        // When things happen depends on people and networks.
        scramble(state ^ crate::stopwatch::counts())
    }
}

/// A bijection that spreads each bit over all.
///
/// # Source
/// The finaliser of MurmurHash3, 32 bits (Austin Appleby, public domain).
const fn scramble(mut x: u32) -> u32 {
    x ^= x >> 16;
    x = x.wrapping_mul(0x85EB_CA6B);
    x ^= x >> 13;
    x = x.wrapping_mul(0xC2B2_AE35);
    x ^ x >> 16
}
