//! Who observes whose offers. Pure: times come in, datagrams go out.

use super::reply::Reply;
use crate::linkkit::DeviceName;
use coap_lite::{MessageType, Packet};
use ota_coap::{Block, Szx};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use tokio::time::{Duration, Instant};

/// Devices whose observations are kept.
const DEVICES_MAX: usize = 10_000;
/// Observations of one device's offers: by itself, and by what it was before it was started anew.
const EACH_MAX: usize = 4;
/// An observation that was not renewed for so long is over.
const LIFETIME: Duration = Duration::from_secs(3_600);
/// How often a notification is sent again until somebody confirms it.
const RETRANSMIT_MAX: u32 = 4;
/// Shortest wait for that.
const ACK_TIMEOUT: Duration = Duration::from_millis(2_500);
/// Numbers have 24 bits.
const NUMBERS: u32 = 1 << 24;

/// The observations.
#[derive(Default)]
pub(super) struct Observers {
    /// Of each device those that were renewed last, the last one at the end.
    known: BTreeMap<DeviceName, Vec<Observer>>,
    /// The last number, whoever got it: who is forgotten and comes back still sees higher ones.
    number: u32,
}

/// One endpoint that observes, under its token (RFC 7641 §4.1). A registration of the same endpoint under another token takes
/// its place: a device observes once, and one that was started anew has forgotten the old token.
struct Observer {
    peer: SocketAddr,
    token: Vec<u8>,
    /// Size of the blocks in which it asked.
    szx: Option<Szx>,
    renewed: Instant,
    /// What the observer has, or is being told.
    etag: Option<[u8; 8]>,
    pending: Option<Pending>,
}

/// A notification that was not confirmed yet.
struct Pending {
    id: u16,
    bytes: Vec<u8>,
    at: Instant,
    wait: Duration,
    left: u32,
    /// What there is by now, if that is another state than the one told.
    newer: Option<Reply>,
}

/// Message ids, none of which comes again soon.
pub(super) struct Ids(pub(super) u16);

impl Ids {
    /// The next one.
    pub(super) fn take(&mut self) -> u16 {
        self.0 = self.0.wrapping_add(1);
        self.0
    }
}

/// A datagram, and to whom it goes.
pub(super) type Sent = (SocketAddr, Vec<u8>);

/// Who asks.
#[derive(Clone, Copy)]
pub(super) struct Asker<'a> {
    pub(super) peer: SocketAddr,
    pub(super) token: &'a [u8],
    /// Size of the blocks in which it asks.
    pub(super) szx: Option<Szx>,
}

impl Observers {
    /// Registers, or renews. The number for the response; `None` when there are too many.
    pub(super) fn register(&mut self, name: &DeviceName, asker: Asker<'_>, reply: &Reply, now: Instant) -> Option<u32> {
        if self.known.len() >= DEVICES_MAX && !self.known.contains_key(name) {
            self.retain(|known| known.is_alive(now));
            if self.known.len() >= DEVICES_MAX {
                return None;
            }
        }
        let Asker { peer, token, szx } = asker;
        let all = self.known.entry(name.clone()).or_default();
        all.retain(|known| known.peer != peer);
        if all.len() >= EACH_MAX {
            all.remove(0);
        }
        all.push(Observer { peer, token: token.to_vec(), szx, renewed: now, etag: reply.etag, pending: None });
        Some(next(&mut self.number))
    }

    /// Whether this is who observes: a registration that is renewed.
    pub(super) fn is(&self, name: &DeviceName, peer: SocketAddr, token: &[u8]) -> bool {
        let mut all = self.known.get(name).into_iter().flatten();
        all.any(|known| known.peer == peer && known.token == token)
    }

    /// Ends the observation of this peer under this token (RFC 7641 §4.1).
    pub(super) fn deregister(&mut self, name: &DeviceName, peer: SocketAddr, token: &[u8]) {
        if let Some(all) = self.known.get_mut(name) {
            all.retain(|known| known.peer != peer || known.token != token);
            if all.is_empty() {
                self.known.remove(name);
            }
        }
    }

    /// Whether somebody observes this device's offers.
    pub(super) fn holds(&self, name: &DeviceName) -> bool {
        self.known.contains_key(name)
    }

    /// All that are observed.
    pub(super) fn names(&self) -> Vec<DeviceName> {
        self.known.keys().cloned().collect()
    }

    /// Notifications with what `reply` makes of a wish for blocks, to those who do not have that already. Who has one to
    /// confirm is told when it did, or when that would be sent again: one at a time is on its way (RFC 7641 §4.5.1).
    pub(super) fn news(
        &mut self,
        name: &DeviceName,
        reply: impl Fn(Option<Block>) -> Reply,
        ids: &mut Ids,
        now: Instant,
    ) -> Vec<Sent> {
        let Self { known, number } = self;
        let all = known.get_mut(name).into_iter().flatten();
        let out = all.filter(|known| known.is_alive(now)).filter_map(|known| {
            let reply = reply(known.szx.map(|szx| Block { number: 0, more: false, szx }));
            let newer = (known.etag != reply.etag).then_some(reply);
            match &mut known.pending {
                Some(pending) => {
                    pending.newer = newer;
                    None
                }
                None => known.tell(newer?, next(number), ids.take(), now),
            }
        });
        out.collect()
    }

    /// The observer has it: what there is by now, if that is something else, is told.
    pub(super) fn on_acknowledged(&mut self, peer: SocketAddr, id: u16, ids: &mut Ids, now: Instant) -> Option<Sent> {
        let Self { known, number } = self;
        let mut all = known.values_mut().flatten().filter(|known| known.peer == peer);
        all.find_map(|known| {
            let newer = known.pending.take_if(|pending| pending.id == id)?.newer?;
            known.tell(newer, next(number), ids.take(), now)
        })
    }

    /// Nobody there observes any more.
    pub(super) fn on_reset(&mut self, peer: SocketAddr, id: u16) {
        self.retain(|known| known.peer != peer || known.pending.as_ref().is_none_or(|pending| pending.id != id));
    }

    /// When something is to be sent again.
    pub(super) fn next_at(&self) -> Option<Instant> {
        self.known.values().flatten().filter_map(|known| Some(known.pending.as_ref()?.at)).min()
    }

    /// What is to be sent again, or what there is by now in its place (RFC 7641 §4.5.2). Who never confirms, or does not renew,
    /// is taken for gone.
    pub(super) fn due(&mut self, ids: &mut Ids, now: Instant) -> Vec<Sent> {
        let (mut out, mut number) = (Vec::new(), self.number);
        self.retain(|known| {
            let alive = known.is_alive(now);
            let Some(pending) = known.pending.as_mut().filter(|pending| alive && pending.at <= now) else {
                return alive;
            };
            if pending.left == 0 {
                return false;
            }
            pending.left -= 1;
            pending.at = now + pending.wait;
            pending.wait *= 2;
            if let Some(newer) = pending.newer.take() {
                known.replace(newer, next(&mut number), ids.take());
            }
            out.extend(known.pending.as_ref().map(|pending| (known.peer, pending.bytes.clone())));
            true
        });
        self.number = number;
        out
    }

    fn retain(&mut self, mut stays: impl FnMut(&mut Observer) -> bool) {
        self.known.retain(|_, all| {
            all.retain_mut(&mut stays);
            !all.is_empty()
        });
    }
}

impl Observer {
    fn is_alive(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.renewed) < LIFETIME
    }

    /// The datagram of a notification, which waits for its confirmation from now on.
    fn tell(&mut self, reply: Reply, number: u32, id: u16, now: Instant) -> Option<Sent> {
        let bytes = self.notification(reply, number, id)?;
        let (at, wait) = (now + ACK_TIMEOUT, ACK_TIMEOUT * 2);
        self.pending = Some(Pending { id, bytes: bytes.clone(), at, wait, left: RETRANSMIT_MAX, newer: None });
        Some((self.peer, bytes))
    }

    /// Puts a notification in the place of the one that waits, with what is left of its tries.
    fn replace(&mut self, reply: Reply, number: u32, id: u16) {
        let bytes = self.notification(reply, number, id);
        if let (Some(bytes), Some(pending)) = (bytes, &mut self.pending) {
            (pending.id, pending.bytes) = (id, bytes);
        }
    }

    fn notification(&mut self, reply: Reply, number: u32, id: u16) -> Option<Vec<u8>> {
        self.etag = reply.etag;
        let mut packet: Packet = Reply { observe: Some(number), ..reply }.packet();
        packet.set_token(self.token.clone());
        packet.header.set_type(MessageType::Confirmable);
        packet.header.message_id = id;
        packet.to_bytes_unlimited().ok()
    }
}

/// The number of the next notification.
fn next(number: &mut u32) -> u32 {
    *number = (*number + 1) % NUMBERS;
    *number
}

#[cfg(test)]
mod tests;
