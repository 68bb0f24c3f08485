//! What is to be said, in which order, and when to try again. Pure, like the machine beside it.

use ota_download::Backoff;
use ota_hal::{Entropy, Millis};

/// One thing to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Item {
    /// The version of the firmware (0) or of the n-th further component.
    Version(u8),
    /// The outcome in the outbox.
    Outbox,
    /// The answer to an offer that was not taken.
    Reply,
    /// How far the download is.
    Progress(u8),
    /// Is there an update?
    Query,
}

/// Decides what to say next. Outcomes go first: a cloud that is told a version while it still takes the job for running
/// offers the same image again, and the device would try what it has just rolled back. Then versions, at each connect;
/// then the rest.
#[derive(Debug, Clone)]
pub struct Reporter {
    connected: bool,
    trial: bool,
    version: Option<u8>,
    outbox: bool,
    reply: bool,
    progress: Option<u8>,
    query: bool,
    last_percent: Option<u8>,
    next_progress: Millis,
    report_every_ms: u32,
    wait_until: Millis,
    retry: Backoff,
    failures: u8,
    acknowledged: bool,
}

/// Percent between two reports.
const PERCENT_STEP: u8 = 5;
/// Failed sends in a row after which the link is taken for dead.
const FAILURES_MAX: u8 = 3;

impl Reporter {
    /// Nothing to say, not connected.
    pub const fn new(retry: Backoff, report_every_ms: u32) -> Self {
        Self {
            connected: false,
            trial: false,
            version: None,
            outbox: false,
            reply: false,
            progress: None,
            query: false,
            last_percent: None,
            next_progress: Millis(0),
            report_every_ms,
            wait_until: Millis(0),
            retry,
            failures: 0,
            acknowledged: false,
        }
    }

    /// The link is up. Everything unacknowledged is said again. False when it was up already.
    pub const fn connect(&mut self) -> bool {
        if self.connected {
            return false;
        }
        self.connected = true;
        self.version = Some(0);
        self.failures = 0;
        true
    }
    /// The link is down.
    pub const fn disconnect(&mut self) {
        self.connected = false;
    }
    /// While an image is on trial its version is held back: it may be rolled back yet. Afterwards it is due.
    pub const fn hold_version(&mut self, trial: bool) {
        if self.trial && !trial {
            self.version = Some(0);
        }
        self.trial = trial;
    }
    /// Versions are to be said again.
    pub const fn version_due(&mut self) {
        self.version = Some(0);
    }
    /// An outcome waits in the outbox, or none does.
    pub const fn outbox_due(&mut self, due: bool) {
        self.outbox = due;
    }
    /// An answer to an offer waits.
    pub const fn reply_due(&mut self) {
        self.reply = true;
    }
    /// The other side is to be asked for an update.
    pub const fn query_due(&mut self) {
        self.query = true;
    }
    /// A new job begins, or an old one is over: what was reported of its progress is forgotten.
    pub const fn forget_progress(&mut self) {
        self.progress = None;
        self.last_percent = None;
    }
    /// The download is so far; due when it moved enough.
    pub fn progress(&mut self, percent: u8) {
        let due = match self.last_percent {
            None => true,
            Some(last) => percent < last || percent - last >= PERCENT_STEP || (percent == 100 && last != 100),
        };
        if due {
            self.repeat_progress(percent);
        }
    }
    /// The progress is due whatever was said before.
    pub const fn repeat_progress(&mut self, percent: u8) {
        self.progress = Some(percent);
        self.last_percent = Some(percent);
    }
    /// Whether any report was acknowledged since the start.
    pub const fn was_acknowledged(&self) -> bool {
        self.acknowledged
    }
    /// Whether sending failed so often in a row that the link should be built anew.
    pub const fn link_is_dead(&self) -> bool {
        self.failures >= FAILURES_MAX
    }

    /// What to say now, if anything.
    pub fn next(&self, now: Millis) -> Option<Item> {
        if !self.connected || now < self.wait_until {
            return None;
        }
        if self.outbox {
            return Some(Item::Outbox);
        }
        match self.version {
            Some(n) if !self.trial => return Some(Item::Version(n)),
            _ => {}
        }
        if self.reply {
            return Some(Item::Reply);
        }
        match self.progress {
            Some(percent) if now >= self.next_progress || percent == 100 => return Some(Item::Progress(percent)),
            _ => {}
        }
        self.query.then_some(Item::Query)
    }

    /// When something can be said that cannot be said now.
    pub fn next_at(&self, now: Millis) -> Option<Millis> {
        if !self.connected {
            return None;
        }
        let version = self.version.is_some() && !self.trial;
        let waiting = version || self.outbox || self.reply || self.query || self.progress.is_some();
        let at = match (version || self.outbox || self.reply || self.query, self.progress) {
            (false, Some(_)) => self.wait_until.max(self.next_progress),
            _ => self.wait_until,
        };
        (waiting && at > now).then_some(at)
    }

    /// The item was acknowledged.
    pub fn sent(&mut self, item: Item, now: Millis) {
        self.failures = 0;
        self.acknowledged = true;
        self.retry.on_progress();
        self.strike(item, now);
    }

    /// The item is not to be said any more: it was acknowledged, or it can never be sent.
    pub fn strike(&mut self, item: Item, now: Millis) {
        match item {
            Item::Version(n) => self.version = n.checked_add(1),
            Item::Outbox => {}
            Item::Reply => self.reply = false,
            Item::Progress(percent) => {
                // The download may have gone on while this was on its way.
                self.progress = self.progress.filter(|now| *now != percent);
                self.next_progress = now.after(self.report_every_ms);
            }
            Item::Query => self.query = false,
        }
    }

    /// There is no such item (the list of components ended).
    pub const fn skip(&mut self, item: Item) {
        match item {
            Item::Version(_) => self.version = None,
            Item::Outbox => self.outbox = false,
            Item::Reply => self.reply = false,
            Item::Progress(_) => self.progress = None,
            Item::Query => self.query = false,
        }
    }

    /// The item was not acknowledged: it is sent again after a jittered wait.
    pub fn not_sent(&mut self, now: Millis, entropy: &mut impl Entropy) {
        self.failures = self.failures.saturating_add(1);
        self.wait(now, 0, entropy);
    }

    /// The other side is there and takes nothing for so long: all items wait, and the link is not to blame.
    pub fn put_off(&mut self, now: Millis, after_ms: u32, entropy: &mut impl Entropy) {
        self.failures = 0;
        self.wait(now, after_ms, entropy);
    }

    fn wait(&mut self, now: Millis, after_ms: u32, entropy: &mut impl Entropy) {
        let ms = self.retry.next_wait_ms(entropy, 0).unwrap_or_else(|| {
            // The bound on the tries is for jobs; a report is tried until it arrives, at the cap.
            let cap = self.retry.cap_ms();
            ota_download::jitter_ms(entropy.next_u32(), cap)
        });
        self.wait_until = now.after(after_ms).after(ms);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Max;
    impl Entropy for Max {
        fn next_u32(&mut self) -> u32 {
            u32::MAX
        }
    }
    const T: Millis = Millis(1_000);

    fn reporter() -> Reporter {
        Reporter::new(Backoff::new(100, 400, 2), 1_000)
    }

    #[test]
    fn outcomes_first_then_versions_then_progress() {
        let mut r = reporter();
        r.outbox_due(true);
        r.progress(10);
        r.query_due();
        assert_eq!((r.next(T), r.next_at(T)), (None, None), "not connected");
        assert!(r.connect());
        let mut said = std::vec::Vec::new();
        while let Some(item) = r.next(T) {
            said.push(item);
            match item {
                Item::Version(1) | Item::Outbox => r.skip(item),
                _ => r.sent(item, T),
            }
        }
        assert_eq!(said, [Item::Outbox, Item::Version(0), Item::Version(1), Item::Progress(10), Item::Query]);
        assert!(!r.connect(), "still connected: nothing is said again");
        assert_eq!(r.next(T), None);
        r.disconnect();
        assert!(r.connect());
        assert_eq!(r.next(T), Some(Item::Version(0)));
    }

    #[test]
    fn failures_wait_longer_and_longer_up_to_the_cap_and_kill_the_link() {
        let mut r = reporter();
        r.connect();
        let mut now = T;
        for (n, wait) in [100, 200, 400, 400].into_iter().enumerate() {
            assert_eq!(r.link_is_dead(), n >= 3);
            r.not_sent(now, &mut Max);
            assert_eq!(r.next(now), None);
            assert_eq!(r.next_at(now), Some(now.after(wait)));
            now = now.after(wait);
            assert_eq!(r.next(now), Some(Item::Version(0)), "and it is still due");
        }
        r.sent(Item::Version(0), now);
        assert!(!r.link_is_dead());
    }

    #[test]
    fn a_server_that_asks_for_time_gets_it_and_is_not_taken_for_dead() {
        let mut r = reporter();
        r.connect();
        for _ in 0..5 {
            r.put_off(T, 60_000, &mut Max);
            assert!(!r.link_is_dead());
            assert_eq!(r.next(T.after(60_000)), None);
        }
        assert_eq!(
            r.next_at(T),
            Some(T.after(60_400)),
            "what it asked for, and a random part that all of a fleet differ in"
        );
        assert_eq!(r.next(T.after(60_400)), Some(Item::Version(0)));
    }

    #[test]
    fn progress_is_rate_limited_but_the_end_is_not() {
        let mut r = reporter();
        r.connect();
        r.skip(Item::Version(0));
        r.progress(1);
        r.sent(r.next(T).unwrap(), T);
        r.progress(5);
        assert_eq!((r.next(T), r.next_at(T)), (None, None), "less than a step");
        r.progress(6);
        assert_eq!((r.next(T), r.next_at(T)), (None, Some(T.after(1_000))));
        r.progress(11);
        assert_eq!(r.next(T.after(1_000)), Some(Item::Progress(11)));
        r.progress(100);
        assert_eq!(r.next(T), Some(Item::Progress(100)));
        r.sent(Item::Progress(100), T);
        r.progress(100);
        assert_eq!(r.next(T.after(9_999)), None, "said once");
    }

    #[test]
    fn the_version_of_an_image_on_trial_is_held_back() {
        let mut r = reporter();
        r.hold_version(true);
        r.connect();
        r.progress(100);
        assert_eq!(r.next(T), Some(Item::Progress(100)));
        assert!(!r.was_acknowledged());
        r.sent(Item::Progress(100), T);
        assert!(r.was_acknowledged());
        assert_eq!((r.next(T), r.next_at(T)), (None, None));
        r.hold_version(false);
        assert_eq!(r.next(T), Some(Item::Version(0)));
    }
}
