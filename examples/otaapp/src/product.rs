//! The product's policy: what it says to offers, and when it believes itself.

use crate::ignored::Ignored;
use crate::outcome::Outcome;
use ota_hal::Watchdog;
use ota_service::{App, Decision, Gate, Health, Notice};
use ota_transport::Offer;

/// A defect built into this image on purpose, to see the update machinery deal with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// None: a good image.
    None,
    /// The self-test fails.
    Gate,
    /// The program hangs soon after its start.
    Hang,
    /// The program crashes soon after its start.
    Crash,
}

impl Fault {
    /// The fault chosen when this image was built, by `OTAAPP_FAULT` = `none`, `gate`, `hang` or `crash`.
    ///
    /// # Panics
    /// While compiling, for any other text.
    pub const BUILT_IN: Self = match option_env!("OTAAPP_FAULT") {
        None => Self::None,
        Some(text) => match text.as_bytes() {
            b"" | b"none" => Self::None,
            b"gate" => Self::Gate,
            b"hang" => Self::Hang,
            b"crash" => Self::Crash,
            _ => panic!("OTAAPP_FAULT is none, gate, hang or crash"),
        },
    };
}

/// Version of this image: `OTAAPP_VERSION` when it was built, else that of the crate.
pub const VERSION: &str = match option_env!("OTAAPP_VERSION") {
    Some(version) => version,
    None => env!("CARGO_PKG_VERSION"),
};

const PERCENT_STEP: u8 = 5;
const SELF_TEST: usize = 0;
const GATES: [Gate; 2] = [Gate::app("self-test", 10_000), Gate::acknowledged("cloud", 30_000)];

/// The sample product: takes every offer but the version it runs, unless its user asked it to wait.
#[derive(Debug)]
pub struct Product<N, W> {
    notices: N,
    watchdog: W,
    fault: Fault,
    defer_ms: Option<u32>,
    /// The self-test takes a few looks, as one that talks to sensors would.
    looks_left: u8,
    percent_told: Option<u8>,
    last: Outcome,
    ignored: Ignored,
}

impl<N: FnMut(Notice<'_>), W: Watchdog> Product<N, W> {
    /// A product that tells `notices` what happens, and feeds `watchdog` while nothing else of it runs.
    pub const fn new(fault: Fault, watchdog: W, notices: N) -> Self {
        let (last, ignored) = (Outcome::None, Ignored::NONE);
        Self { notices, watchdog, fault, defer_ms: None, looks_left: 3, percent_told: None, last, ignored }
    }

    /// How the last update ended.
    pub const fn last_outcome(&self) -> Outcome {
        self.last
    }

    /// The offers that were not looked at.
    pub const fn ignored(&self) -> Ignored {
        self.ignored
    }

    /// Puts the next offer off for so long.
    pub const fn defer_next(&mut self, ms: u32) {
        self.defer_ms = Some(ms);
    }
}

impl<N: FnMut(Notice<'_>), W: Watchdog> App for Product<N, W> {
    fn decide(&mut self, offer: &Offer<'_>) -> Decision {
        if let Some(ms) = self.defer_ms.take() {
            return Decision::Defer { ms };
        }
        if offer.component.module.is_empty() && offer.version == VERSION {
            return Decision::Reject("this version runs already");
        }
        Decision::Accept
    }

    fn notice(&mut self, notice: Notice<'_>) {
        self.last.note(&notice);
        self.ignored.note(&notice);
        if let Notice::Downloading { percent } = notice {
            // It comes with every sector; people want to see the numbers change.
            let shown = percent / PERCENT_STEP * PERCENT_STEP;
            if self.percent_told.replace(shown) == Some(shown) {
                return;
            }
        }
        (self.notices)(notice);
    }

    fn working(&mut self) {
        self.watchdog.feed();
    }

    fn gates(&self) -> &[Gate] {
        &GATES
    }

    fn check(&mut self, gate: usize) -> Health {
        if gate != SELF_TEST || self.fault == Fault::Gate {
            return Health::Fail;
        }
        self.looks_left = self.looks_left.saturating_sub(1);
        if self.looks_left == 0 { Health::Pass } else { Health::Pending }
    }

    fn version(&self) -> &str {
        VERSION
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ota_hal::reset::NoWatchdog;
    use ota_transport::{Component, Locator};

    fn offer(version: &str) -> Offer<'_> {
        Offer {
            component: Component::default(),
            version,
            size: None,
            locator: Locator::Url("http://h/f"),
            checksum: None,
            cloud_signature: &[],
            delta: false,
        }
    }

    #[test]
    fn an_offer_is_taken_put_off_once_or_refused_when_it_changes_nothing() {
        let mut product = Product::new(Fault::None, NoWatchdog, |_: Notice<'_>| {});
        assert_eq!(product.decide(&offer("9.9.9")), Decision::Accept);
        assert_eq!(product.decide(&offer(VERSION)), Decision::Reject("this version runs already"));
        product.defer_next(5);
        assert_eq!(product.decide(&offer("9.9.9")), Decision::Defer { ms: 5 });
        assert_eq!(product.decide(&offer("9.9.9")), Decision::Accept);
    }

    #[test]
    fn progress_is_told_when_its_number_changes_and_not_with_every_sector() {
        let mut told = std::vec::Vec::new();
        let mut product = Product::new(Fault::None, NoWatchdog, |notice: Notice<'_>| {
            if let Notice::Downloading { percent } = notice {
                told.push(percent);
            }
        });
        for percent in (0..=100).flat_map(|percent| [percent; 30]) {
            product.notice(Notice::Downloading { percent });
        }
        assert!(told.len() == 21 && told.is_sorted_by(|a, b| a < b), "{told:?}");
    }

    #[test]
    fn the_self_test_passes_after_a_while_and_fails_at_once_when_built_to() {
        let mut good = Product::new(Fault::None, NoWatchdog, |_: Notice<'_>| {});
        assert_eq!([good.check(0), good.check(0), good.check(0)], [Health::Pending, Health::Pending, Health::Pass]);
        let mut bad = Product::new(Fault::Gate, NoWatchdog, |_: Notice<'_>| {});
        assert_eq!(bad.check(0), Health::Fail);
        assert_eq!(good.gates()[SELF_TEST].name, "self-test");
    }
}
