//! The course of a push: connect, listen, offer, wait; and the same again when the connection breaks.

use super::endpoint::Endpoint;
use super::link::{Broken, Link, Seen, Verdict};
use super::report::{Outcomes, State};
use super::show::Show;
use super::topics;
use crate::linkkit::{self, Announcement, DeviceName, Up};
use crate::output::Output;
use anyhow::{Result, bail};
use serde_json::Value;
use std::collections::{HashMap, VecDeque};
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout_at};

/// How long the broker may go without acknowledging anything, as long as there is something to acknowledge.
const STALL: Duration = Duration::from_secs(15);
/// Pause before connecting anew.
const RECONNECT: Duration = Duration::from_millis(500);
/// Messages sent and not yet acknowledged. Less than any broker's Receive Maximum that we know of (mosquitto: 20).
const WINDOW: usize = 16;
/// Answers to devices that wait for their turn. A device whose answer is dropped asks again.
const REPLIES_MAX: usize = 256;

/// What is to be done.
pub(super) struct Job<'a> {
    /// The offer; `None` takes retained offers back.
    pub(super) update: Option<&'a Announcement>,
    pub(super) devices: &'a [DeviceName],
    /// Wait for the outcome, at most so long.
    pub(super) wait_s: Option<u64>,
    pub(super) retain: bool,
}

/// Connects, listens, offers, and waits. With a time to wait, nothing takes longer than that.
pub(super) async fn run(endpoint: &Endpoint, job: &Job<'_>, output: Output) -> Result<Outcomes> {
    let deadline = job.wait_s.map(|seconds| Instant::now() + Duration::from_secs(seconds));
    let mut push = Push::new(Link::new(endpoint), job, output);
    while !push.is_over() {
        push.send();
        let until = push.until(deadline);
        match timeout_at(until, push.link.next()).await {
            Ok(Ok(seen)) => push.take(seen)?,
            Ok(Err(Broken::Refused(why))) => bail!("{endpoint}: {why}"),
            Ok(Err(Broken::Lost(why))) if push.was_connected => {
                push.on_lost(why);
                let _ = timeout_at(until, sleep(RECONNECT)).await;
            }
            Ok(Err(Broken::Lost(why))) => bail!("the broker {endpoint} does not answer: {why}"),
            Err(_) if !push.was_connected => bail!("the broker {endpoint} does not answer"),
            // Out of time: the outcomes say who was not reached or did not answer.
            Err(_) if deadline.is_some_and(|at| at <= Instant::now()) => break,
            Err(_) => return Err(push.stalled(endpoint)),
        }
    }
    push.show.end();
    Ok(push.outcomes)
}

/// A message of ours.
#[derive(Clone)]
enum What {
    /// To the device at this place in the list.
    Offer(usize),
    /// To the device at this place, which asked with this id.
    Reply(usize, Value),
}

/// A push under way.
struct Push<'a> {
    job: &'a Job<'a>,
    link: Link,
    outcomes: Outcomes,
    show: Show,
    was_connected: bool,
    connected: bool,
    /// Filters of each subscription to be made; the first one is under way when `asked`.
    filters: VecDeque<Vec<String>>,
    asked: bool,
    /// Devices to be told.
    offers: VecDeque<usize>,
    replies: VecDeque<(usize, Value)>,
    /// Given to the link, not sent yet.
    queued: VecDeque<What>,
    /// Sent, not acknowledged yet, by packet id.
    flying: HashMap<u16, What>,
    /// Devices whose offer the broker has taken or refused.
    told: usize,
    /// When the broker last acknowledged something.
    moved: Instant,
    trouble: Option<String>,
}

impl<'a> Push<'a> {
    fn new(link: Link, job: &'a Job<'a>, output: Output) -> Self {
        Self {
            job,
            link,
            outcomes: Outcomes::new(job.devices, job.update, job.wait_s.is_some()),
            show: Show::new(job.devices, job.wait_s.is_some(), output),
            was_connected: false,
            connected: false,
            filters: VecDeque::new(),
            asked: false,
            offers: (0..job.devices.len()).collect(),
            replies: VecDeque::new(),
            queued: VecDeque::new(),
            flying: HashMap::new(),
            told: 0,
            moved: Instant::now(),
            trouble: None,
        }
    }

    fn all_told(&self) -> bool {
        self.told >= self.job.devices.len()
    }

    fn is_over(&self) -> bool {
        if self.job.wait_s.is_some() { self.outcomes.all_over() } else { self.all_told() }
    }

    fn until(&self, deadline: Option<Instant>) -> Instant {
        let stall = self.moved + STALL;
        match deadline {
            Some(at) if self.all_told() => at,
            Some(at) => at.min(stall),
            None => stall,
        }
    }

    /// Hands the link what may go out now: subscriptions one by one, then messages, a bounded number at once.
    fn send(&mut self) {
        if !self.connected || self.asked {
            return;
        }
        if let Some(filters) = self.filters.front() {
            self.asked = self.link.subscribe(filters);
            return;
        }
        while self.queued.len() + self.flying.len() < WINDOW {
            let reply = self.replies.pop_front().map(|(at, id)| What::Reply(at, id));
            let Some(what) = reply.or_else(|| self.offers.pop_front().map(What::Offer)) else { return };
            if self.publish(&what) {
                self.queued.push_back(what);
            }
        }
    }

    fn publish(&self, what: &What) -> bool {
        let (What::Offer(at) | What::Reply(at, _)) = what;
        let Some(device) = self.job.devices.get(*at) else { return false };
        match (what, self.job.update) {
            // Removes what is retained (MQTT 5 §3.3.1.3).
            (_, None) => self.link.publish(&device.upgrade_topic(), String::new(), true),
            (What::Offer(at), Some(update)) => {
                let id = u32::try_from(*at).unwrap_or_default().wrapping_add(1);
                self.link.publish(&device.upgrade_topic(), update.upgrade(id), self.job.retain)
            }
            (What::Reply(_, id), Some(update)) => {
                self.link.publish(&device.reply_topic(), linkkit::reply(id, Some(update)), false)
            }
        }
    }

    fn take(&mut self, seen: Seen) -> Result<()> {
        match seen {
            Seen::Connected => self.on_connected(),
            Seen::Subscribed(refusals) if self.connected => self.on_subscribed(&refusals)?,
            Seen::Sent(id) if self.connected => {
                if let Some(what) = self.queued.pop_front() {
                    self.flying.insert(id, what);
                }
            }
            Seen::Published(id, verdict) if self.connected => self.on_published(id, verdict),
            Seen::Message(topic, payload) => self.on_message(&topic, &payload),
            _ => {}
        }
        Ok(())
    }

    /// A clean session needs its subscriptions (again). Listening comes first, or a fast device's report is missed.
    fn on_connected(&mut self) {
        (self.connected, self.was_connected, self.asked) = (true, true, false);
        self.moved = Instant::now();
        if self.job.wait_s.is_some() {
            self.filters = topics::batches(self.job.devices).into();
        }
    }

    fn on_subscribed(&mut self, refusals: &[Option<String>]) -> Result<()> {
        self.asked = false;
        self.moved = Instant::now();
        let filters = self.filters.pop_front().unwrap_or_default();
        let refused = filters.iter().zip(refusals).find_map(|(filter, why)| Some((filter, why.as_ref()?)));
        match refused {
            None => Ok(()),
            Some((filter, code)) => bail!(
                "the broker does not let this user read {filter} ({code}), so no outcome would be seen: allow it \
                 there, or push without --wait"
            ),
        }
    }

    fn on_published(&mut self, id: u16, verdict: Verdict) {
        self.moved = Instant::now();
        let Some(What::Offer(at)) = self.flying.remove(&id) else { return };
        self.told += 1;
        let device = self.job.devices.get(at);
        let state = match (verdict, device) {
            (Verdict::Refused(code), Some(device)) => {
                State::Refused(format!("{code}: allow this user to write {}", device.upgrade_topic()))
            }
            (verdict, _) => State::Offered { heard: self.job.retain || verdict != Verdict::NobodyListens },
        };
        if let Some(state) = self.outcomes.on_told(at, state) {
            self.show.tell(at, device, state);
        }
    }

    fn on_message(&mut self, topic: &str, payload: &[u8]) {
        let Some((name, up)) = linkkit::parse(topic, payload) else { return };
        let Some(at) = self.outcomes.place(&name) else { return };
        if let Up::Query { id, module } = &up {
            let asks_for_it = self.job.update.is_some_and(|update| update.module == *module);
            if asks_for_it && self.outcomes.is_open(at) && self.replies.len() < REPLIES_MAX {
                self.replies.push_back((at, id.clone()));
            }
        } else if let Some(state) = self.outcomes.on_report(at, &up) {
            self.show.tell(at, self.job.devices.get(at), state);
        }
    }

    /// What was not acknowledged is offered again; a device that asked asks again.
    fn on_lost(&mut self, why: String) {
        self.connected = false;
        self.trouble = Some(why);
        let under_way = self.queued.drain(..).chain(self.flying.drain().map(|(_, what)| what));
        let mut again: Vec<usize> =
            under_way.filter_map(|what| if let What::Offer(at) = what { Some(at) } else { None }).collect();
        again.sort_unstable();
        again.into_iter().rev().for_each(|at| self.offers.push_front(at));
        self.replies.clear();
    }

    fn stalled(&self, endpoint: &Endpoint) -> anyhow::Error {
        let (told, all) = (self.told, self.job.devices.len());
        let text = format!(
            "the broker {endpoint} acknowledges nothing any more; {told} of {all} devices were told. A broker of MQTT \
             3.1.1 cannot say why it refuses: try --protocol 5, and check what this user may write"
        );
        match &self.trouble {
            Some(why) => anyhow::anyhow!("{text} (last: {why})"),
            None => anyhow::anyhow!(text),
        }
    }
}
