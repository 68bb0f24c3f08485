//! What an agent keeps in memory, whatever its parts are.

use super::Status;
use crate::job::{Job, MODULE_MAX};
use crate::machine::{Item, Judge, Machine, Reporter, State, Wish};
use crate::outbox::Outbox;
use crate::{Policy, Step};
use heapless::String;
use ota_hal::Millis;
use ota_transport::FailStage;

/// See the module.
#[derive(Debug)]
pub(super) struct Core {
    pub(super) machine: Machine,
    pub(super) reporter: Reporter,
    pub(super) judge: Judge,
    pub(super) started: bool,
    /// The moment of the call that is being served, so that it is not handed from function to function.
    pub(super) now: Millis,
    pub(super) job: Option<Job>,
    pub(super) outbox: Outbox,
    /// Bytes of the envelope that have arrived.
    pub(super) filled: usize,
    /// Bytes that come before the ones wanted, from a source that cannot start in the middle.
    pub(super) skip: u32,
    /// Payload bytes the target took since it was prepared; `None` when it must be prepared first.
    pub(super) taken: Option<u32>,
    /// The last stored checkpoint.
    pub(super) durable: u32,
    /// The opening that the driver was told of, and the one that was broken off for a report.
    pub(super) issued: u32,
    pub(super) broken_off: u32,
    /// The last fault of the source, and the last reason to refuse.
    pub(super) fault: &'static str,
    pub(super) refusal: (FailStage, &'static str),
    pub(super) spoilt: Option<Spoilt>,
    /// The stored locator, as a hash, and whether it changed since the opening that was issued last.
    pub(super) locator: u64,
    pub(super) renewed: bool,
    pub(super) reply: Option<Reply>,
    pub(super) sending: Option<Item>,
}

/// An offer whose envelope was refused. The same one gets the same answer for a while, without a fetch or a flash write.
#[derive(Debug)]
pub(super) struct Spoilt {
    pub(super) id: u64,
    pub(super) until: Millis,
    pub(super) why: (FailStage, &'static str),
}

/// An answer to an offer that was not taken.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) device: u8,
    pub(super) module: String<MODULE_MAX>,
    pub(super) stage: FailStage,
    pub(super) text: [&'static str; 2],
}

/// With nothing to wait for, the agent is polled this often all the same.
const IDLE_MS: u32 = 3_600_000;

impl Core {
    pub(super) fn new(policy: &Policy<'_>) -> Self {
        Self {
            machine: Machine::new(policy.timing, policy.retry.clone(), policy.restarts),
            reporter: Reporter::new(policy.report_retry.clone(), policy.timing.report_every_ms),
            judge: Judge::default(),
            started: false,
            now: Millis(0),
            job: None,
            outbox: Outbox::new(),
            filled: 0,
            skip: 0,
            taken: None,
            durable: 0,
            issued: 0,
            broken_off: 0,
            fault: "",
            refusal: (FailStage::Upgrade, ""),
            spoilt: None,
            locator: 0,
            renewed: false,
            reply: None,
            sending: None,
        }
    }

    /// 0 to 100; without a job 0, after the download 100.
    pub(super) fn percent(&self) -> u8 {
        match self.machine.state() {
            State::Verifying | State::Staged { .. } | State::Resetting | State::Trial { .. } | State::RollingBack => {
                100
            }
            _ => match &self.job {
                Some(job) => percent(self.taken.unwrap_or(self.durable), job.payload.plan.length),
                None => 0,
            },
        }
    }

    /// Whether reports wait for the end of an opening. A silent server must not hold an answer back, and answers must not
    /// keep a slow one from being opened: one under way is broken off once, and one to come keeps the time it needs.
    pub(super) fn keeps_opening(&self, wish: Wish, send_until: Millis) -> bool {
        matches!(wish, Wish::Open { ticket, until, .. }
            if until <= send_until || (ticket == self.issued && ticket == self.broken_off))
    }

    /// A report is sent: the driver drops an opening under way.
    pub(super) fn break_off(&mut self, wish: Wish) {
        if let Wish::Open { ticket, .. } = wish
            && ticket == self.issued
        {
            self.broken_off = core::mem::replace(&mut self.issued, 0);
        }
    }

    pub(super) const fn status(&self, percent: u8) -> Status {
        match self.machine.state() {
            State::Idle => Status::Idle,
            State::Deciding | State::Deferred { .. } => Status::Deferred,
            State::Opening { .. } | State::Receiving { .. } => Status::Downloading { percent },
            State::BackingOff { .. } => Status::Waiting,
            State::Verifying => Status::Verifying,
            State::Staged { .. } | State::Resetting => Status::Staged,
            State::Trial { .. } => Status::Trial,
            State::RollingBack => Status::RollingBack,
        }
    }

    /// What the link is to do, when nothing is to be done first.
    pub(super) fn wait(&self, until: Option<Millis>, now: Millis) -> Step {
        let idle = now.after(IDLE_MS);
        let report = self.reporter.next_at(now).unwrap_or(idle);
        Step::Wait { until: until.unwrap_or(idle).min(report).min(idle) }
    }
}

pub(super) fn percent(part: u32, whole: u32) -> u8 {
    if whole == 0 {
        return 0;
    }
    // 32 bits only: large sizes lose their low bits first.
    let shift = if whole >= 1 << 25 { 8 } else { 0 };
    ((part.min(whole) >> shift) * 100 / (whole >> shift)) as u8
}

#[cfg(test)]
mod tests {
    use super::percent;

    #[test]
    fn percent_of_any_size() {
        for (part, whole, wanted) in [
            (0, 0, 0),
            (0, 7, 0),
            (7, 7, 100),
            (6, 7, 85),
            (u32::MAX, u32::MAX, 100),
            (u32::MAX / 2, u32::MAX, 49),
            ((1 << 25) - 1, 1 << 25, 99),
            (9, 7, 100),
            (u32::MAX, 7, 100),
        ] {
            assert_eq!(percent(part, whole), wanted, "{part} of {whole}");
        }
    }
}
