//! The product: what it accepts, when it is well, and what it says.

use board::uart::Uart;
use board::watchdog::Dog;
use common::text::Line;
use ota_hal::Watchdog;
use ota_service::{App, Decision, Gate, Health, Notice};
use ota_transport::Offer;

/// As the offers name it.
pub(crate) const VERSION: &str = env!("OTAAPP_VERSION");
/// What is wrong with this build, for demonstrations: `none`, `gate`, `hang` or `crash`.
pub(crate) const FAULT: &str = env!("OTAAPP_FAULT");

const GATES: [Gate; 2] = [Gate::app("self-test", 5_000), Gate::acknowledged("peer", 20_000)];

/// Whether this build has the fault `name`.
pub(crate) const fn has(name: &str) -> bool {
    let (a, b) = (FAULT.as_bytes(), name.as_bytes());
    let mut n = 0;
    while n < a.len() && n < b.len() && a[n] == b[n] {
        n += 1;
    }
    n == a.len() && n == b.len()
}

/// The application.
#[derive(Debug)]
pub(crate) struct Product {
    pub(crate) watchdog: Dog,
    pub(crate) uart: Uart,
}

impl App for Product {
    fn decide(&mut self, _: &Offer<'_>) -> Decision {
        Decision::Accept
    }
    fn notice(&mut self, notice: Notice<'_>) {
        let text = match notice {
            Notice::Accepted => "accepted",
            Notice::Restarted => "restarted",
            Notice::Verifying => "verifying",
            Notice::Staged => "staged",
            Notice::Trial => "on trial",
            Notice::Confirmed => "confirmed",
            Notice::Failed { text, .. } => {
                self.uart.write("ota: failed: ");
                text
            }
            Notice::Waiting { reason, .. } => {
                self.uart.write("ota: waiting: ");
                reason
            }
            _ => return,
        };
        let lead = if matches!(notice, Notice::Failed { .. } | Notice::Waiting { .. }) { "" } else { "ota: " };
        self.uart.write_all(&[lead, text, "\n"]);
    }
    fn working(&mut self) {
        self.watchdog.feed();
    }
    fn gates(&self) -> &[Gate] {
        &GATES
    }
    fn check(&mut self, _: usize) -> Health {
        if const { has("gate") } { Health::Fail } else { Health::Pass }
    }
    fn version(&self) -> &str {
        VERSION
    }
}
