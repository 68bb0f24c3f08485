//! The application: answers that may be anything.

use crate::{Chip, anything, bytes_at, register};
use core::task::Poll;
use ota_hal::{Clock, Millis, Timer};
use ota_service::{App, Decision, Gate, Health};
use ota_transport::Offer;

/// A text of unknown length and content.
#[inline(never)]
pub fn text(n: usize) -> &'static str {
    core::str::from_utf8(bytes_at(0x2100_9000, register(n) as usize)).unwrap_or_default()
}
/// Something to wait for.
pub async fn ready() {
    core::future::poll_fn(|_| if register(31) != 0 { Poll::Ready(()) } else { Poll::Pending }).await;
}

impl Timer for Chip {
    async fn wait_until(&self, at: Millis) {
        core::future::poll_fn(|_| if self.now() >= at { Poll::Ready(()) } else { Poll::Pending }).await;
    }
}

/// The application.
pub struct Product;

const GATES: [Gate; 2] = [Gate::app("sensor", 10_000), Gate::acknowledged("cloud", 60_000)];

#[inline(never)]
fn decide(_: &Offer<'_>) -> Decision {
    anything(10)
}
#[inline(never)]
fn check(gate: usize) -> Health {
    match register(11 + gate) {
        0 => Health::Pass,
        1 => Health::Fail,
        _ => Health::Pending,
    }
}
impl App for Product {
    fn decide(&mut self, offer: &Offer<'_>) -> Decision {
        decide(offer)
    }
    fn gates(&self) -> &[Gate] {
        &GATES
    }
    fn check(&mut self, gate: usize) -> Health {
        check(gate)
    }
    fn ready_to_reset(&mut self) -> bool {
        register(13) != 0
    }
    fn version(&self) -> &str {
        text(14)
    }
}
