//! What a product may choose.

use ota_download::Backoff;
use ota_verify::Verifier;

/// The key of a cloud that signs what it offers (Linkkit `digestsign`): RSA PKCS#1 v1.5.
#[derive(Clone, Copy)]
pub struct CloudKey<'k>(pub &'k dyn Verifier);

impl core::fmt::Debug for CloudKey<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_tuple("CloudKey").field(&self.0.key_id()).finish()
    }
}

/// How long to wait for what. All in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timing {
    /// For a source to open.
    pub open_ms: u32,
    /// For the next bytes of an open source.
    pub read_ms: u32,
    /// For a report to be acknowledged. No more than half of the two above counts: a source that is to be opened waits for
    /// a report under way, while one that is read does not.
    pub send_ms: u32,
    /// Between two questions whether a reset is welcome.
    pub reset_ask_ms: u32,
    /// Between two looks at the health gates.
    pub gate_check_ms: u32,
    /// At least this long between two percent reports.
    pub report_every_ms: u32,
    /// The first request of a job is delayed by a random time up to this: spreads a fleet. 0 for none.
    pub hold_off_ms: u32,
}

impl Timing {
    /// Thirty seconds for each answer, two between questions to the application, no hold-off.
    pub const DEFAULT: Self = Self {
        open_ms: 30_000,
        read_ms: 30_000,
        send_ms: 15_000,
        reset_ask_ms: 2_000,
        gate_check_ms: 200,
        report_every_ms: 1_000,
        hold_off_ms: 0,
    };

    /// With a report that takes its whole time, there must be time left for the source.
    pub(crate) fn bounded(self) -> Self {
        Self { send_ms: self.send_ms.min(self.open_ms / 2).min(self.read_ms / 2), ..self }
    }
}

impl Default for Timing {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// Rules and waits of one product.
#[derive(Debug, Clone)]
pub struct Policy<'k> {
    /// Whether a signed image without a package (and so without a manifest) is taken.
    pub bare_image: bool,
    /// When set, a bare image is only taken from an offer whose SHA-256 checksum this key signed.
    pub cloud_key: Option<CloudKey<'k>>,
    /// How long to wait for what.
    pub timing: Timing,
    /// Waits and tries after a fault of the source; tries are given back by every stored sector.
    pub retry: Backoff,
    /// How often a job may start again from 0 (object changed or damaged, no ranges). Not given back, but by a reset;
    /// damage counts at most once per job whatever happens.
    pub restarts: u8,
    /// Waits between tries to send a report; its tries do not run out, the wait stays at the cap.
    pub report_retry: Backoff,
}

impl Policy<'_> {
    /// Packages only, no cloud key, the waits of [`Timing::DEFAULT`].
    pub const fn new() -> Self {
        Self {
            bare_image: false,
            cloud_key: None,
            timing: Timing::DEFAULT,
            retry: Backoff::new(1_000, 300_000, 12),
            restarts: 5,
            report_retry: Backoff::new(1_000, 60_000, 6),
        }
    }
}

impl Default for Policy<'_> {
    fn default() -> Self {
        Self::new()
    }
}
