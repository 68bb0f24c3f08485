//! The cloud over CoAP: files by blocks, the offers of a device as a resource to observe, reports by POST.
//!
//! What comes in is read by `ota-coap`, whose block options have all of their 20 bits; what goes out is written by `coap-lite`.
//! Nothing is kept of a peer but its last answers, a report on its way in blocks, and its observation.
//!
//! # Source
//! RFC 7252, RFC 7641, RFC 7959; `docs/formats.md` for the resources.

mod inbox;
mod observers;
mod peers;
mod reply;
mod route;

use super::Shared;
use super::events::Events;
use crate::linkkit::DeviceName;
use coap_lite::{MessageType, ResponseType};
use observers::{Ids, Observers};
use ota_coap::{Code, Kind, Message, Reply as Rejection, option};
use peers::{Again, Peers};
use reply::Reply;
use serde_json::json;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::UdpSocket;
use tokio::sync::broadcast::{Receiver, error::RecvError};
use tokio::time::{Duration, Instant, sleep_until};

/// Longest time between looks at who does not observe any more.
const LOOK: Duration = Duration::from_secs(600);

/// Critical options of requests that are understood.
const KNOWN: [u16; 9] = [
    option::URI_HOST,
    option::URI_PORT,
    option::URI_PATH,
    option::URI_QUERY,
    option::ACCEPT,
    option::BLOCK2,
    option::BLOCK1,
    PROXY[0],
    PROXY[1],
];

/// Proxy-Uri and Proxy-Scheme: understood, and refused.
const PROXY: [u16; 2] = [35, 39];

/// A request, taken apart.
struct Request<'m> {
    peer: SocketAddr,
    path: Vec<String>,
    message: Message<'m>,
}

/// Serves until the process ends.
pub(super) fn start(socket: UdpSocket, shared: Arc<Shared>) {
    let changes = shared.session.changes();
    let server = Server {
        socket: Arc::new(socket),
        shared,
        peers: Peers::default(),
        observers: Observers::default(),
        ids: Ids(rand::random()),
    };
    tokio::spawn(server.run(changes));
}

struct Server {
    socket: Arc<UdpSocket>,
    shared: Arc<Shared>,
    peers: Peers,
    observers: Observers,
    ids: Ids,
}

impl Server {
    async fn run(mut self, mut changes: Receiver<DeviceName>) {
        let mut datagram = vec![0; inbox::DATAGRAM_MAX];
        loop {
            let alarm = self.observers.next_at().unwrap_or_else(|| Instant::now() + LOOK);
            let socket = Arc::clone(&self.socket);
            tokio::select! {
                (len, peer) = inbox::next(&*socket, &mut datagram) => {
                    self.on_datagram(peer, datagram.get(..len).unwrap_or_default());
                }
                changed = changes.recv() => match changed {
                    Ok(name) => self.tell(&name),
                    Err(RecvError::Lagged(_)) => self.observers.names().iter().for_each(|name| self.tell(name)),
                    Err(RecvError::Closed) => return,
                },
                () = sleep_until(alarm) => {
                    for (peer, bytes) in self.observers.due(&mut self.ids, Instant::now()) {
                        self.send(peer, bytes, None);
                    }
                }
            }
        }
    }

    fn on_datagram(&mut self, peer: SocketAddr, datagram: &[u8]) {
        let seen = match Message::decode(datagram) {
            Ok(seen) => seen,
            Err(malformed) => return self.send_empty(peer, malformed.reply.datagram()),
        };
        match seen.kind {
            Kind::Acknowledgement => return self.on_acknowledged(peer, seen.id),
            Kind::Reset => return self.observers.on_reset(peer, seen.id),
            Kind::Confirmable | Kind::NonConfirmable if !seen.code.is_request() => {
                return self.send_empty(peer, seen.rejection().datagram());
            }
            Kind::Confirmable | Kind::NonConfirmable => {}
        }
        match self.peers.again(peer, seen.id, Instant::now()) {
            Again::No => {}
            Again::Waits => return,
            Again::Answered(bytes) => return self.send(peer, bytes, None),
        }
        let request = Request { peer, path: path(&seen), message: seen };
        let reply = match (seen.unrecognized(&KNOWN), seen.bad_option()) {
            (None, _) if seen.options().any(|(number, _)| PROXY.contains(&number)) => {
                Reply::code(ResponseType::ProxyingNotSupported)
            }
            (None, _) => self.answer(&request),
            (Some(_), Rejection::BadOption(_)) => Reply::code(ResponseType::BadOption),
            (Some(_), rejection) => return self.send_empty(peer, rejection.datagram()),
        };
        self.respond(&request, &reply);
    }

    fn respond(&mut self, request: &Request<'_>, reply: &Reply) {
        let Message { kind, id, token, .. } = request.message;
        let mut packet = reply.packet();
        packet.set_token(token.to_vec());
        let confirmable = kind == Kind::Confirmable;
        packet.header.set_type(if confirmable { MessageType::Acknowledgement } else { MessageType::NonConfirmable });
        packet.header.message_id = if confirmable { id } else { self.ids.take() };
        let Ok(bytes) = packet.to_bytes_unlimited() else { return };
        let paced = self.peers.pace(request.peer, reply.paced, self.shared.rate_kib_per_s, Instant::now());
        // Too many: as if the request had been lost.
        let Ok(at) = paced else { return };
        tell_people(&self.shared.events, request, reply);
        self.peers.remember(request.peer, id, bytes.clone(), at.unwrap_or_else(Instant::now));
        self.send(request.peer, bytes, at);
    }

    /// Tells who observes a device's offers that they are others now.
    fn tell(&mut self, name: &DeviceName) {
        if !self.observers.holds(name) {
            return;
        }
        let body = self.shared.session.offered(name).unwrap_or_default();
        let reply = |asked| route::offers(body.clone(), asked);
        for (peer, bytes) in self.observers.news(name, reply, &mut self.ids, Instant::now()) {
            self.send(peer, bytes, None);
        }
    }

    /// Who has a notification is told what there is by now.
    fn on_acknowledged(&mut self, peer: SocketAddr, id: u16) {
        if let Some((peer, bytes)) = self.observers.on_acknowledged(peer, id, &mut self.ids, Instant::now()) {
            self.send(peer, bytes, None);
        }
    }

    fn send_empty(&self, peer: SocketAddr, datagram: Option<[u8; 4]>) {
        if let Some(datagram) = datagram {
            self.send(peer, datagram.to_vec(), None);
        }
    }

    /// Sends, at once or later. A datagram that the network does not take is lost, like any other.
    fn send(&self, peer: SocketAddr, bytes: Vec<u8>, at: Option<Instant>) {
        let socket = Arc::clone(&self.socket);
        tokio::spawn(async move {
            if let Some(at) = at {
                sleep_until(at).await;
            }
            let _ = socket.send_to(&bytes, peer).await;
        });
    }
}

/// The segments of the path; one that is no text has no resource.
fn path(seen: &Message<'_>) -> Vec<String> {
    let parts = seen.options().filter(|(number, _)| *number == option::URI_PATH);
    parts.map(|(_, part)| String::from_utf8_lossy(part).into_owned()).collect()
}

/// One event for a report, and two for a file: its beginning and its end.
fn tell_people(events: &Events, request: &Request<'_>, reply: &Reply) {
    if !reply.is_told() {
        return;
    }
    let [class, detail] = reply.digits();
    events.emit(json!({
        "event": "coap",
        "method": if request.message.code == Code::GET { "GET" } else { "POST" },
        "path": format!("/{}", request.path.join("/")),
        "code": format!("{class}.{detail:02}"),
        "from": reply.offset(),
        "bytes": reply.body.len(),
    }));
}
