//! The registry at work: locked, kept on disk, connected to broker and page.

use super::cloud::{Cloud, NoRoom, Reaction, Send};
use super::events::Events;
use super::store::{Link, Store};
use crate::files::{self, Access};
use crate::linkkit::{self, DeviceName};
use anyhow::Result;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::sync::{Notify, broadcast, mpsc};

/// A topic and what to say there.
pub(super) type Message = (String, String);

/// What became of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Taken {
    /// It was understood.
    Good,
    /// It was told as bad.
    Bad,
    /// It was not looked at: too many devices are known already.
    TooManyDevices,
    /// It was not looked at: too many modules of this device are known already.
    TooManyModules,
    /// No device sends anything there.
    Unknown,
}

/// Devices whose offers changed, before who listens is told to look at all.
const CHANGES: usize = 256;

/// Shared by the broker link and the HTTP handlers.
#[derive(Clone)]
pub(super) struct Session(Arc<Inner>);

struct Inner {
    cloud: Mutex<Cloud>,
    state: PathBuf,
    events: Events,
    store: Store,
    outbox: mpsc::UnboundedSender<Message>,
    inbox_of_link: Mutex<Option<mpsc::UnboundedReceiver<Message>>>,
    dirty: Notify,
    next_id: AtomicU32,
    changed: broadcast::Sender<DeviceName>,
}

impl Session {
    /// Starts keeping `cloud` in the file `state`.
    pub(super) fn new(cloud: Cloud, state: PathBuf, events: Events, store: Store) -> Self {
        let (outbox, receiver) = mpsc::unbounded_channel();
        let session = Self(Arc::new(Inner {
            cloud: Mutex::new(cloud),
            state,
            events,
            store,
            outbox,
            inbox_of_link: Mutex::new(Some(receiver)),
            dirty: Notify::new(),
            next_id: AtomicU32::new(1),
            changed: broadcast::channel(CHANGES).0,
        }));
        tokio::spawn(session.clone().keep_saved());
        tokio::spawn(session.clone().tick());
        session
    }

    /// What the link has to send; can be taken once.
    pub(super) fn take_outbox(&self) -> Option<mpsc::UnboundedReceiver<Message>> {
        self.0.inbox_of_link.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// The devices as the page shows them.
    pub(super) fn snapshot(&self) -> Value {
        self.cloud().snapshot()
    }

    /// Every known device.
    pub(super) fn names(&self) -> Vec<DeviceName> {
        self.cloud().names()
    }

    /// Offers a file of the store to a device.
    pub(super) fn offer(&self, name: &DeviceName, module: &str, file: &str, version: &str) -> Result<()> {
        let reaction = self.cloud().offer(name, module, file, version)?;
        self.follow(reaction);
        self.changed(name);
        Ok(())
    }

    /// Takes a message of a device, whatever it came over.
    pub(super) fn take(&self, topic: &str, payload: &[u8]) -> Taken {
        let Some((name, up)) = linkkit::parse(topic, payload) else { return Taken::Unknown };
        let reaction = self.cloud().on_message(&name, &up, now());
        match reaction {
            Ok(reaction) => self.follow(reaction),
            Err(no_room) => {
                self.complain(&name, &format!("a message was not taken: {no_room}"));
                return match no_room {
                    NoRoom::Devices => Taken::TooManyDevices,
                    NoRoom::Modules => Taken::TooManyModules,
                };
            }
        }
        self.changed(&name);
        if matches!(up, linkkit::Up::Bad(_)) { Taken::Bad } else { Taken::Good }
    }

    /// Devices whose offers may have changed, from now on.
    pub(super) fn changes(&self) -> broadcast::Receiver<DeviceName> {
        self.0.changed.subscribe()
    }

    /// The upgrade message that a device which looks is to see: what it was not told of.
    pub(super) fn offered(&self, name: &DeviceName) -> Option<String> {
        let (_, number, update) = self.shown(name, false)?;
        Some(update.upgrade(number))
    }

    /// The upgrade message that is an answer to a device which asks, of no more than `most` bytes. A longer one names the file
    /// by the device's own resource; one that is too long even so stays here, and people are told.
    pub(super) fn answer(&self, name: &DeviceName, most: usize) -> Option<String> {
        let (module, number, update) = self.shown(name, true)?;
        let (whole, url) = (update.upgrade(number), self.0.store.download_url(name));
        if whole.len() <= most {
            return Some(whole);
        }
        let short = linkkit::Announcement { url, ..update }.upgrade(number);
        if short.len() > most {
            let len = short.len();
            self.complain(
                name,
                &format!("an offer of {len} bytes is not told: an answer over CoAP has at most {most}"),
            );
            return None;
        }
        self.cloud().tell_by_name(name, &module);
        Some(short)
    }

    /// The served file that a device fetches by its own name, also while it is at work.
    pub(super) fn file_for(&self, name: &DeviceName) -> Option<String> {
        Some(self.cloud().by_name(name)?.file.clone())
    }

    /// What a device is to see, of `all` that is pending or of what it was not told: module, number, and what to say.
    fn shown(&self, name: &DeviceName, all: bool) -> Option<(String, u32, linkkit::Announcement)> {
        let (module, number) = self.cloud().offered(name, all).map(|(module, number)| (module.to_owned(), number))?;
        let update = self.announcement(name, &module, Link::Coap)?;
        Some((module, number, update))
    }

    /// What is pending for a device is offered once more.
    pub(super) fn offer_again(&self, name: &DeviceName) {
        self.cloud().offer_again(name);
        self.changed(name);
    }

    fn complain(&self, name: &DeviceName, reason: &str) {
        self.0.events.emit(json!({ "event": "error", "device": name.to_string(), "reason": reason }));
    }

    fn changed(&self, name: &DeviceName) {
        // Nobody listens when no CoAP is spoken.
        let _ = self.0.changed.send(name.clone());
    }

    fn cloud(&self) -> MutexGuard<'_, Cloud> {
        // A panic elsewhere left the registry as it was between two statements: still better than no cloud.
        self.0.cloud.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn follow(&self, reaction: Reaction) {
        for event in reaction.events {
            self.0.events.emit(event);
        }
        for send in reaction.sends {
            self.send(send);
        }
        self.0.dirty.notify_one();
    }

    fn send(&self, send: Send) {
        let (topic, payload) = match send {
            Send::Push(name, module) => match self.announcement(&name, &module, Link::Mqtt) {
                Some(update) => (name.upgrade_topic(), update.upgrade(self.0.next_id.fetch_add(1, Ordering::Relaxed))),
                None => return,
            },
            Send::Reply(name, id, module) => {
                (name.reply_topic(), linkkit::reply(&id, self.announcement(&name, &module, Link::Mqtt).as_ref()))
            }
        };
        // The link is gone only when the process ends.
        let _ = self.0.outbox.send((topic, payload));
    }

    fn announcement(&self, name: &DeviceName, module: &str, link: Link) -> Option<linkkit::Announcement> {
        let offer = self.cloud().pending(name, module).cloned()?;
        // Hashing a large file the first time takes a while; other tasks move on meanwhile.
        match tokio::task::block_in_place(|| self.0.store.announce(module, &offer.file, &offer.version, link)) {
            Ok(update) => Some(update),
            Err(e) => {
                self.complain(name, &format!("{e:#}"));
                None
            }
        }
    }

    /// Writes the state soon after it changed, not at every message.
    async fn keep_saved(self) {
        loop {
            self.0.dirty.notified().await;
            let bytes = serde_json::to_vec(&*self.cloud());
            let path = self.0.state.clone();
            let written = tokio::task::spawn_blocking(move || files::write(&path, &bytes?, Access::Public)).await;
            if let Ok(Err(e)) = written {
                self.0.events.emit(json!({ "event": "error", "reason": format!("{e:#}") }));
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    async fn tick(self) {
        loop {
            tokio::time::sleep(Duration::from_secs(1)).await;
            let sends = self.cloud().on_tick(now());
            for send in sends {
                if let Send::Push(name, _) = &send {
                    self.changed(name);
                }
                self.send(send);
            }
        }
    }
}

fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
