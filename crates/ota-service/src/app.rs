//! What the application is asked and told.

use ota_transport::{Component, FailStage, Offer};

/// The application's answer to an offer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Fetch and install it.
    Accept,
    /// Not now: ask again after this many milliseconds. The offer is kept across resets; the wait then starts anew.
    Defer {
        /// Milliseconds until the application is asked again.
        ms: u32,
    },
    /// Never: the other side is told why.
    Reject(&'static str),
}

/// What a health gate says at this moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Health {
    /// Not known yet; ask again.
    Pending,
    /// Passed. The gate is not asked again during this trial.
    Pass,
    /// Failed: the trial ends and the device rolls back.
    Fail,
}

/// Who judges a gate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Check {
    /// [`App::check`].
    App,
    /// The agent: the other side acknowledged a report of the image on trial.
    Acknowledged,
}

/// One condition that an image on trial must meet before it is accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gate {
    /// Short name, shown in the rollback report; at most [`GATE_NAME_MAX`] bytes are.
    pub name: &'static str,
    /// Milliseconds from the agent's first poll until the gate counts as failed.
    pub timeout_ms: u32,
    /// Who judges it.
    pub check: Check,
}

impl Gate {
    /// A gate judged by [`App::check`].
    pub const fn app(name: &'static str, timeout_ms: u32) -> Self {
        Self { name, timeout_ms, check: Check::App }
    }
    /// The built-in gate "the cloud is reached".
    pub const fn acknowledged(name: &'static str, timeout_ms: u32) -> Self {
        Self { name, timeout_ms, check: Check::Acknowledged }
    }
}

/// Most bytes of a gate's name that are kept for the report.
pub const GATE_NAME_MAX: usize = 24;
/// Most gates that are looked at; further ones would not be checked, so [`crate::Agent`] counts them as failed.
pub const GATES_MAX: usize = 32;

/// What the application is told, for a display or a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Notice<'a> {
    /// An offer was accepted.
    Accepted,
    /// The offer waits for a later decision.
    Deferred,
    /// So much of the payload is stored.
    Downloading {
        /// 0 to 100.
        percent: u8,
    },
    /// A fault of the link; the next try follows after the wait.
    Waiting {
        /// Milliseconds.
        ms: u32,
        /// What went wrong.
        reason: &'static str,
    },
    /// The object changed or arrived damaged, or the other side cannot continue it: the job starts again.
    Restarted,
    /// All bytes are stored; they are being read back. Can take seconds.
    Verifying,
    /// The image is proven and will be tried at the next reset.
    Staged,
    /// This image runs on trial.
    Trial,
    /// This image was accepted.
    Confirmed,
    /// A component that needs no reset was installed.
    Applied,
    /// An offer was not looked at: it came during the update of another one, what it names can never be opened, or it was a
    /// message that is none. During an update of the same component the other side is only told how far that is: an error
    /// would be taken for the end of it.
    Ignored {
        /// Why.
        text: &'static str,
        /// Of which field, if that is why.
        detail: &'static str,
    },
    /// The update ended without a new version.
    Failed {
        /// At which step.
        stage: FailStage,
        /// Why.
        text: &'a str,
    },
}

/// The product's policy. All calls come from [`crate::Drive::poll`] and the `on_*` calls, never concurrently.
pub trait App {
    /// An update is offered (or was deferred earlier): battery, time of day, the user's consent are judged here.
    fn decide(&mut self, offer: &Offer<'_>) -> Decision;

    /// Told at each step.
    fn notice(&mut self, notice: Notice<'_>) {
        let _ = notice;
    }

    /// The slot is being read back: called for every few hundred bytes, and nothing else of the application runs
    /// meanwhile. Feed the watchdog here. After the last call follows the check of one signature, which takes from
    /// some milliseconds to about a second: the watchdog's period must be longer.
    fn working(&mut self) {}

    /// The conditions an image on trial must meet. Without any, an image is accepted as soon as the agent runs.
    fn gates(&self) -> &[Gate];

    /// The state of the gate at this index of [`App::gates`].
    fn check(&mut self, gate: usize) -> Health;

    /// Whether a reset is welcome now. Asked again after [`crate::Timing::reset_ask_ms`]; the update waits for ever.
    fn ready_to_reset(&mut self) -> bool {
        true
    }

    /// The running firmware's version text, as the offers name it.
    fn version(&self) -> &str;

    /// Version of the `n`-th further component (module or sub-device), from 0; `None` ends the list.
    fn component(&self, n: u8) -> Option<(Component<'_>, &str)> {
        let _ = n;
        None
    }
}

impl<A: App + ?Sized> App for &mut A {
    fn decide(&mut self, offer: &Offer<'_>) -> Decision {
        (**self).decide(offer)
    }
    fn notice(&mut self, notice: Notice<'_>) {
        (**self).notice(notice);
    }
    fn working(&mut self) {
        (**self).working();
    }
    fn gates(&self) -> &[Gate] {
        (**self).gates()
    }
    fn check(&mut self, gate: usize) -> Health {
        (**self).check(gate)
    }
    fn ready_to_reset(&mut self) -> bool {
        (**self).ready_to_reset()
    }
    fn version(&self) -> &str {
        (**self).version()
    }
    fn component(&self, n: u8) -> Option<(Component<'_>, &str)> {
        (**self).component(n)
    }
}
