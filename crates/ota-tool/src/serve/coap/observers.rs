//! Who observes whose offers. Pure: times come in, datagrams go out.

use super::reply::Reply;
use crate::linkkit::DeviceName;
use coap_lite::{MessageType, Packet};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use tokio::time::{Duration, Instant};

/// Observations that are kept; one of each device.
const OBSERVERS_MAX: usize = 10_000;
/// How often a notification is sent again until somebody confirms it.
const RETRANSMIT_MAX: u32 = 4;
/// Shortest wait for that.
const ACK_TIMEOUT: Duration = Duration::from_millis(2_500);
/// Numbers have 24 bits.
const NUMBERS: u32 = 1 << 24;

/// The observations.
#[derive(Default)]
pub(super) struct Observers(BTreeMap<DeviceName, Observer>);

struct Observer {
    peer: SocketAddr,
    token: Vec<u8>,
    number: u32,
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

impl Observers {
    /// Registers; the same device again takes the place of its earlier registration. The number for the response; `None`
    /// when there are too many.
    pub(super) fn register(&mut self, name: &DeviceName, peer: SocketAddr, token: &[u8], reply: &Reply) -> Option<u32> {
        if self.0.len() >= OBSERVERS_MAX && !self.0.contains_key(name) {
            return None;
        }
        let number = self.0.get(name).map_or(1, |known| (known.number + 1) % NUMBERS);
        let observer = Observer { peer, token: token.to_vec(), number, etag: reply.etag, pending: None };
        self.0.insert(name.clone(), observer);
        Some(number)
    }

    /// Whether this is who observes: a registration that is renewed.
    pub(super) fn is(&self, name: &DeviceName, peer: SocketAddr, token: &[u8]) -> bool {
        self.0.get(name).is_some_and(|known| known.peer == peer && known.token == token)
    }

    /// Ends an observation; of this peer only.
    pub(super) fn deregister(&mut self, name: &DeviceName, peer: SocketAddr) {
        if self.0.get(name).is_some_and(|known| known.peer == peer) {
            self.0.remove(name);
        }
    }

    /// Whether somebody observes this device's offers.
    pub(super) fn holds(&self, name: &DeviceName) -> bool {
        self.0.contains_key(name)
    }

    /// All that are observed.
    pub(super) fn names(&self) -> Vec<DeviceName> {
        self.0.keys().cloned().collect()
    }

    /// A notification with `reply`, unless the observer has that already. One that waits for its confirmation is
    /// replaced (RFC 7641 §4.5.2).
    pub(super) fn news(
        &mut self,
        name: &DeviceName,
        reply: &Reply,
        id: u16,
        now: Instant,
    ) -> Option<(SocketAddr, Vec<u8>)> {
        let observer = self.0.get_mut(name).filter(|known| known.etag != reply.etag)?;
        observer.number = (observer.number + 1) % NUMBERS;
        observer.etag = reply.etag;
        let mut packet: Packet = Reply { observe: Some(observer.number), ..reply.clone() }.packet();
        packet.set_token(observer.token.clone());
        packet.header.set_type(MessageType::Confirmable);
        packet.header.message_id = id;
        let bytes = packet.to_bytes_unlimited().ok()?;
        let (at, wait) = (now + ACK_TIMEOUT, ACK_TIMEOUT * 2);
        observer.pending = Some(Pending { id, bytes: bytes.clone(), at, wait, left: RETRANSMIT_MAX });
        Some((observer.peer, bytes))
    }

    /// The observer has it.
    pub(super) fn on_acknowledged(&mut self, peer: SocketAddr, id: u16) {
        for known in self.0.values_mut().filter(|known| known.peer == peer) {
            known.pending.take_if(|pending| pending.id == id);
        }
    }

    /// Nobody there observes any more.
    pub(super) fn on_reset(&mut self, peer: SocketAddr, id: u16) {
        self.0.retain(|_, known| known.peer != peer || known.pending.as_ref().is_none_or(|pending| pending.id != id));
    }

    /// When something is to be sent again.
    pub(super) fn next_at(&self) -> Option<Instant> {
        self.0.values().filter_map(|known| Some(known.pending.as_ref()?.at)).min()
    }

    /// What is to be sent again. Who never confirms is taken for gone.
    pub(super) fn due(&mut self, now: Instant) -> Vec<(SocketAddr, Vec<u8>)> {
        let mut out = Vec::new();
        self.0.retain(|_, known| {
            let Some(pending) = known.pending.as_mut().filter(|pending| pending.at <= now) else { return true };
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

    #[test]
    fn news_are_sent_until_confirmed_and_the_same_is_no_news() {
        let (mut observers, now) = (Observers::default(), Instant::now());
        assert_eq!(observers.news(&name("a"), &reply("x"), 1, now), None, "nobody observes");
        assert_eq!(observers.register(&name("a"), peer(1), b"tok", &reply("x")), Some(1));
        assert_eq!(observers.news(&name("a"), &reply("x"), 1, now), None);
        let (to, bytes) = observers.news(&name("a"), &reply("y"), 2, now).unwrap();
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
    fn who_resets_or_never_confirms_is_gone_and_a_restart_takes_its_own_place() {
        let (mut observers, now) = (Observers::default(), Instant::now());
        observers.register(&name("a"), peer(1), b"1", &reply("x"));
        assert_eq!(observers.register(&name("a"), peer(2), b"2", &reply("x")), Some(2), "from another port");
        let mut sent = u32::from(observers.news(&name("a"), &reply("y"), 5, now).is_some_and(|(to, _)| to == peer(2)));
        while let Some(at) = observers.next_at() {
            sent += observers.due(at).len() as u32;
        }
        assert_eq!((sent, observers.holds(&name("a"))), (1 + RETRANSMIT_MAX, false));
        observers.register(&name("b"), peer(3), b"3", &reply("x"));
        observers.news(&name("b"), &reply("y"), 6, now);
        observers.on_reset(peer(3), 6);
        assert!(!observers.holds(&name("b")));
        observers.register(&name("b"), peer(3), b"3", &reply("x"));
        observers.deregister(&name("b"), peer(4));
        assert!(observers.holds(&name("b")));
        observers.deregister(&name("b"), peer(3));
        assert!(!observers.holds(&name("b")));
    }
}
