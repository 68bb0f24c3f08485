//! What the agent wishes of its driver, and the calls a driver makes.

use ota_download::{Failure, Opened, Request};
use ota_hal::Millis;
use ota_transport::{Event, Offer, Report};

/// The one thing to do next. Whatever it is, stop and poll again at `until`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Step {
    /// Send [`Drive::report`], reading the source meanwhile as [`Drive::reading`] says, then call [`Drive::on_sent`], or [`Drive::on_unsendable`] when there is none.
    Send {
        /// Give up then.
        until: Millis,
    },
    /// Open the source with [`Drive::request`], then call [`Drive::on_opened`].
    Open {
        /// Tells one opening from the next: an opening under way goes on while the ticket is the same.
        ticket: u32,
        /// Give up then.
        until: Millis,
    },
    /// Read from the source, then call [`Drive::on_data`].
    Read {
        /// Give up then.
        until: Millis,
    },
    /// Close the source, then call [`Drive::on_closed`].
    Close,
    /// Nothing to do but to listen.
    Wait {
        /// Poll then.
        until: Millis,
    },
    /// Restart the device.
    Reset,
}

/// A fault of a source, as the agent judges it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fault {
    /// What it means for the job.
    pub failure: Failure,
    /// A short text for the report.
    pub text: &'static str,
}

/// The agent as a driver sees it: all synchronous, facts in, one wish out. [`crate::Agent`] implements it.
///
/// Use [`crate::run()`] or [`crate::run_blocking`]; write a driver of your own over this only for a link that neither fits.
pub trait Drive {
    /// Does all that can be done without a link and says what the link is to do. Call after each `on_*`.
    fn poll(&mut self, now: Millis) -> Step;

    /// What to open, in `buf`. `None` when nothing is to be opened any more, or `buf` is too small for the locator
    /// (the job then ends with a report).
    fn request<'b>(&mut self, buf: &'b mut [u8]) -> Option<Request<'b>>;
    /// What to send, in `buf`. `None` when there is nothing, or `buf` is too small for it: then call
    /// [`Drive::on_unsendable`].
    fn report<'b>(&mut self, buf: &'b mut [u8]) -> Option<Report<'b>>;
    /// Until when the source is to be read while a report is being sent, so that a slow link does not hold the download
    /// up; call [`Drive::on_data`] as ever. `None`: there is nothing to read.
    fn reading(&self, now: Millis) -> Option<Millis>;

    /// The messaging link is up (again).
    fn on_connected(&mut self, now: Millis);
    /// The messaging link is down.
    fn on_disconnected(&mut self);
    /// A message came in.
    fn on_message(&mut self, event: &Event<'_>, now: Millis);
    /// An offer came in that names what the source can never open: instead of [`Drive::on_message`].
    fn on_unservable(&mut self, offer: &Offer<'_>, why: &'static str, now: Millis);
    /// The report was acknowledged, or was not.
    fn on_sent(&mut self, acknowledged: bool, now: Millis);
    /// The other side answered and did not take the report; it wants to be left alone for so long. The report is sent again
    /// afterwards; that is no failure of the link.
    fn on_put_off(&mut self, after_ms: u32, now: Millis);
    /// The report can never be sent: its texts cannot be written, or a buffer is too small for it. It is struck off, so
    /// that it does not keep the others back; that counts neither as a failure of the link nor as an acknowledgement.
    fn on_unsendable(&mut self, now: Millis);
    /// The source was opened, or was not.
    fn on_opened(&mut self, result: Result<&Opened, Fault>, now: Millis);
    /// Bytes came in (none: the end of the body), or reading failed.
    fn on_data(&mut self, result: Result<&[u8], Fault>, now: Millis);
    /// The source is closed.
    fn on_closed(&mut self);
    /// The application or its operator calls off the job.
    fn cancel(&mut self, now: Millis);
    /// Whether the messaging link failed so often in a row that it should be built anew.
    fn link_is_dead(&self) -> bool;
}
