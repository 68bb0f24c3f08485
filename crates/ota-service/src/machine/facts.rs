//! The vocabulary of the machine: states, facts that come in, wishes and effects that come out.

use super::Verdict;
use ota_boot::RollbackReason;
use ota_download::Failure;
use ota_hal::Millis;

/// What is being fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Part {
    /// The first bytes: head and envelope of a package, or the magic of a bare image.
    Envelope,
    /// The bytes for the target.
    Payload,
}

/// Where the update stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Nothing under way.
    Idle,
    /// The application is to decide on the offer.
    Deciding,
    /// The application wants to be asked again.
    Deferred {
        /// Then.
        until: Millis,
    },
    /// The source is being opened.
    Opening {
        /// For which bytes.
        part: Part,
        /// A fault when it takes longer.
        until: Millis,
    },
    /// Bytes are being read.
    Receiving {
        /// Which.
        part: Part,
        /// A fault when none come before.
        until: Millis,
    },
    /// Waiting after a fault.
    BackingOff {
        /// What is fetched next.
        part: Part,
        /// The next try.
        until: Millis,
    },
    /// All bytes are stored and are to be read back and proven.
    Verifying,
    /// Proven and staged; the application is asked whether a reset is welcome.
    Staged {
        /// The next question.
        ask_at: Millis,
    },
    /// The device is to restart into the staged image.
    Resetting,
    /// This image is on trial.
    Trial {
        /// The next look at the gates.
        check_at: Millis,
        /// How often the accept may still fail to be stored.
        stores_left: u8,
    },
    /// The trial was given up; the device is to restart.
    RollingBack,
}

/// What was found at start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// No job.
    Nothing,
    /// An offer that was deferred.
    Deferred,
    /// A job without a verified envelope.
    Accepted,
    /// A job whose payload is not complete.
    Partial,
    /// A job whose payload is complete but not staged.
    Complete,
    /// A staged image that the loader did not try.
    Staged,
    /// This image is on trial.
    Trial,
}

/// A fact.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// The agent was started. Only as the first event.
    Start(Found),
    /// An offer came in; `known` when it is the one being worked on.
    Offer {
        /// Same version and digest (or locator) as the job.
        known: bool,
    },
    /// The application took the offer.
    Accept,
    /// The application wants to be asked again.
    Defer {
        /// After so many milliseconds.
        ms: u32,
    },
    /// The source is open at the place asked for.
    Opened,
    /// Bytes came in.
    Moved,
    /// A further sector is safe on flash.
    Stored,
    /// The envelope was verified and a payload chosen (or the object is an allowed bare image).
    EnvelopeAccepted,
    /// The last byte of the payload is on flash.
    Complete,
    /// The source failed.
    Fault(Failure),
    /// Source and connection were closed.
    Closed,
    /// The job cannot succeed: refused by the application, not to be believed, or flash failed.
    Refused,
    /// What came or was stored is not what was promised; fetching it again may help.
    Damaged,
    /// The image was read back, proven and staged.
    Proven,
    /// The component was installed and needs no reset.
    Applied,
    /// The application's answer whether a reset is welcome.
    ResetWelcome(bool),
    /// What the gates say.
    Gates(Verdict),
    /// The accept was stored.
    Confirmed,
    /// The accept could not be stored.
    NotStored,
    /// Somebody gives the image on trial up.
    GiveUp(RollbackReason),
    /// Somebody calls the job off.
    Cancel,
    /// The staged image was withdrawn.
    Withdrawn,
    /// Time passed.
    Tick,
}

/// What is to be done at once, and once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Effect {
    /// Nothing.
    None,
    /// Answer the offer: another update is under way.
    Busy,
    /// Report the progress again.
    Repeat,
    /// A fault will be retried after this wait.
    Waiting {
        /// Milliseconds.
        ms: u32,
    },
    /// Forget the bytes fetched so far; the job begins again.
    Restart,
    /// The job is over: report why, forget it, make sure the target holds nothing that looks complete.
    End(Why),
    /// Withdraw the staged image, then say [`Event::Withdrawn`].
    Withdraw,
    /// Accept this image, then say [`Event::Confirmed`] or [`Event::NotStored`].
    Confirm,
    /// Store that this image is given up, with this reason.
    RollBack(RollbackReason),
}

/// Why a job is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// The caller of [`Event::Refused`] or [`Event::Damaged`] knows.
    Refused,
    /// The source says that trying again cannot help.
    Permanent,
    /// All tries were used without a single further sector.
    TriesUsedUp,
    /// The object changed, or could not be continued, too often.
    RestartsUsedUp,
    /// It was called off.
    Cancelled,
    /// It is installed.
    Applied,
}

/// What the state wishes for, for as long as it lasts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Wish {
    /// Nothing; until then, if given.
    Wait(Option<Millis>),
    /// Ask the application about the offer.
    Decide,
    /// Open the source.
    Open {
        /// For which bytes.
        part: Part,
        /// Numbers the openings.
        ticket: u32,
        /// The deadline.
        until: Millis,
    },
    /// Read from the source.
    Read {
        /// The deadline.
        until: Millis,
    },
    /// Close the source.
    Close,
    /// Read back, prove and stage.
    Verify,
    /// Ask the application whether a reset is welcome.
    AskReset,
    /// Look at the gates.
    CheckGates,
    /// Restart the device.
    Reset,
}
