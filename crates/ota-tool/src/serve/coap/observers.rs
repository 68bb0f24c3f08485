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

/// One endpoint that observes (RFC 7641 §4.1); it takes the place of its earlier registration whatever its token.
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
}

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
        Some(self.next_number())
    }

    /// Whether this is who observes: a registration that is renewed.
    pub(super) fn is(&self, name: &DeviceName, peer: SocketAddr, token: &[u8]) -> bool {
        let mut all = self.known.get(name).into_iter().flatten();
        all.any(|known| known.peer == peer && known.token == token)
    }

    /// Ends an observation; of this peer only.
    pub(super) fn deregister(&mut self, name: &DeviceName, peer: SocketAddr) {
        if let Some(all) = self.known.get_mut(name) {
            all.retain(|known| known.peer != peer);
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

    /// Notifications with what `reply` makes of a wish for blocks, to those who do not have that already. One that waits
    /// for its confirmation is replaced (RFC 7641 §4.5.2). All have the message id `id`: each goes to another peer.
    pub(super) fn news(
        &mut self,
        name: &DeviceName,
        reply: impl Fn(Option<Block>) -> Reply,
        id: u16,
        now: Instant,
    ) -> Vec<(SocketAddr, Vec<u8>)> {
        let mut number = self.number;
        let all = self.known.get_mut(name).into_iter().flatten();
        let out = all.filter(|known| known.is_alive(now)).filter_map(|known| {
            let reply = reply(known.szx.map(|szx| Block { number: 0, more: false, szx }));
            if known.etag == reply.etag {
                return None;
            }
            number = (number + 1) % NUMBERS;
            known.tell(&Reply { observe: Some(number), ..reply }, id, now)
        });
        let out = out.collect();
        self.number = number;
        out
    }

    /// The observer has it.
    pub(super) fn on_acknowledged(&mut self, peer: SocketAddr, id: u16) {
        for known in self.known.values_mut().flatten().filter(|known| known.peer == peer) {
            known.pending.take_if(|pending| pending.id == id);
        }
    }

    /// Nobody there observes any more.
    pub(super) fn on_reset(&mut self, peer: SocketAddr, id: u16) {
        self.retain(|known| known.peer != peer || known.pending.as_ref().is_none_or(|pending| pending.id != id));
    }

    /// When something is to be sent again.
    pub(super) fn next_at(&self) -> Option<Instant> {
        self.known.values().flatten().filter_map(|known| Some(known.pending.as_ref()?.at)).min()
    }

    /// What is to be sent again. Who never confirms, or does not renew, is taken for gone.
    pub(super) fn due(&mut self, now: Instant) -> Vec<(SocketAddr, Vec<u8>)> {
        let mut out = Vec::new();
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
            out.push((known.peer, pending.bytes.clone()));
            true
        });
        out
    }

    fn next_number(&mut self) -> u32 {
        self.number = (self.number + 1) % NUMBERS;
        self.number
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
    fn tell(&mut self, reply: &Reply, id: u16, now: Instant) -> Option<(SocketAddr, Vec<u8>)> {
        self.etag = reply.etag;
        let mut packet: Packet = reply.packet();
        packet.set_token(self.token.clone());
        packet.header.set_type(MessageType::Confirmable);
        packet.header.message_id = id;
        let bytes = packet.to_bytes_unlimited().ok()?;
        let (at, wait) = (now + ACK_TIMEOUT, ACK_TIMEOUT * 2);
        self.pending = Some(Pending { id, bytes: bytes.clone(), at, wait, left: RETRANSMIT_MAX });
        Some((self.peer, bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(device: &str) -> DeviceName {
        DeviceName::new("pk", device).unwrap()
    }
    fn reply(text: &str) -> Reply {
        Reply::document(text.as_bytes().to_vec(), None).unwrap()
    }
    fn peer(port: u16) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], port))
    }
    fn asker(port: u16, token: &[u8]) -> Asker<'_> {
        Asker { peer: peer(port), token, szx: None }
    }
    fn whom(sent: &[(SocketAddr, Vec<u8>)]) -> Vec<u16> {
        sent.iter().map(|(to, _)| to.port()).collect()
    }

    #[test]
    fn news_are_sent_until_confirmed_and_the_same_is_no_news() {
        let (mut observers, now) = (Observers::default(), Instant::now());
        assert_eq!(observers.news(&name("a"), |_| reply("x"), 1, now), [], "nobody observes");
        assert_eq!(observers.register(&name("a"), asker(1, b"tok"), &reply("x"), now), Some(1));
        assert_eq!(observers.news(&name("a"), |_| reply("x"), 1, now), []);
        let (to, bytes) = observers.news(&name("a"), |_| reply("y"), 2, now).remove(0);
        let packet = Packet::from_bytes(&bytes).unwrap();
        assert_eq!((to, packet.get_token(), &packet.payload[..]), (peer(1), &b"tok"[..], &b"y"[..]));
        assert_eq!((packet.get_observe_value(), packet.header.message_id), (Some(Ok(2)), 2));
        assert_eq!(observers.due(now), []);
        assert_eq!(observers.due(observers.next_at().unwrap()), [(peer(1), bytes)]);
        observers.on_acknowledged(peer(9), 2);
        assert!(observers.next_at().is_some(), "another peer's word does not count");
        observers.on_acknowledged(peer(1), 2);
        assert!(observers.next_at().is_none() && observers.holds(&name("a")));
    }

    #[test]
    fn who_resets_or_never_confirms_is_gone() {
        let (mut observers, now) = (Observers::default(), Instant::now());
        observers.register(&name("a"), asker(2, b"2"), &reply("x"), now);
        let mut sent = observers.news(&name("a"), |_| reply("y"), 5, now).len() as u32;
        while let Some(at) = observers.next_at() {
            sent += observers.due(at).len() as u32;
        }
        assert_eq!((sent, observers.holds(&name("a"))), (1 + RETRANSMIT_MAX, false));
        observers.register(&name("b"), asker(3, b"3"), &reply("x"), now);
        observers.news(&name("b"), |_| reply("y"), 6, now);
        observers.on_reset(peer(3), 6);
        assert!(!observers.holds(&name("b")));
        observers.register(&name("b"), asker(3, b"3"), &reply("x"), now);
        observers.deregister(&name("b"), peer(4));
        assert!(observers.holds(&name("b")));
        observers.deregister(&name("b"), peer(3));
        assert!(!observers.holds(&name("b")));
    }

    #[test]
    fn another_endpoint_takes_nobody_s_place_until_there_are_too_many() {
        let (mut observers, now) = (Observers::default(), Instant::now());
        for port in 1..=EACH_MAX as u16 {
            observers.register(&name("a"), asker(port, b"t"), &reply("x"), now);
        }
        observers.register(&name("a"), asker(1, b"u"), &reply("x"), now);
        assert_eq!(whom(&observers.news(&name("a"), |_| reply("y"), 1, now)), [2, 3, 4, 1]);
        assert!(observers.is(&name("a"), peer(1), b"u") && !observers.is(&name("a"), peer(1), b"t"));
        observers.register(&name("a"), asker(9, b"t"), &reply("y"), now);
        assert_eq!(whom(&observers.news(&name("a"), |_| reply("z"), 2, now)), [3, 4, 1, 9], "the oldest is gone");
    }

    #[test]
    fn an_observation_that_is_not_renewed_ends() {
        let (mut observers, now) = (Observers::default(), Instant::now());
        for n in 0..DEVICES_MAX {
            observers.register(&name(&n.to_string()), asker(1, b"t"), &reply("x"), now);
        }
        let later = now + LIFETIME / 2;
        assert_eq!(observers.register(&name("new"), asker(2, b"t"), &reply("x"), later), None);
        assert!(observers.register(&name("7"), asker(1, b"t"), &reply("x"), later).is_some(), "it is renewed");
        let end = now + LIFETIME;
        assert_eq!(observers.news(&name("8"), |_| reply("y"), 1, end), []);
        assert!(observers.register(&name("new"), asker(2, b"t"), &reply("x"), end).is_some());
        assert_eq!(observers.names(), [name("7"), name("new")]);
        assert_eq!((observers.due(later + LIFETIME), observers.names()), (vec![], vec![name("new")]));
    }
}
