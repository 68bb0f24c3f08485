//! Time and chance of a Linux process.

use ota_hal::{Clock, Entropy, Millis, Timer};
use std::hash::{BuildHasher, RandomState};
use std::time::Duration;
use tokio::time::Instant;

// minimq counts its keep-alive with embassy's clock; this links the driver that reads it from the system.
use embassy_time as _;

/// Milliseconds since the start.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Uptime(Instant);

impl Uptime {
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }
}

impl Clock for Uptime {
    fn now(&self) -> Millis {
        Millis(u64::try_from(self.0.elapsed().as_millis()).unwrap_or(u64::MAX))
    }
}

impl Timer for Uptime {
    async fn wait_until(&self, at: Millis) {
        // The far end of time would overflow tokio's clock.
        const YEAR: u64 = 365 * 24 * 3_600_000;
        let wait = at.since(self.now()).min(YEAR);
        tokio::time::sleep(Duration::from_millis(wait)).await;
    }
}

/// Numbers from the keys that the standard library draws for its hash tables.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Chance;

impl Entropy for Chance {
    fn next_u32(&mut self) -> u32 {
        let [a, b, c, d, ..] = RandomState::new().hash_one(0).to_le_bytes();
        u32::from_le_bytes([a, b, c, d])
    }
}
