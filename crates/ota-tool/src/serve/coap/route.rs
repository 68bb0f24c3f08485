//! What a request means.

use super::observers::Asker;
use super::peers::{Missing, REPORT_MAX};
use super::reply::{JSON, OCTETS, Reply, part};
use super::{Request, Server};
use crate::linkkit::DeviceName;
use crate::serve::session::{Session, Taken};
use crate::serve::store::Store;
use coap_lite::ResponseType;
use ota_coap::{Block, Code, Message, observe, option};
use serde_json::Value;
use std::io::{Read, Seek, SeekFrom};
use tokio::time::Instant;

/// Most bytes of an offer that is an answer. A message of 1,152 bytes has room for them beside its header (RFC 7252 §4.6), and
/// so has a device's buffer of 1,280 bytes (`ota_transport::coap::SCRATCH`), beside the longest request of our driver.
const ANSWER_MAX: usize = 960;

impl Server {
    /// Does what the request says.
    pub(super) fn answer(&mut self, request: &Request<'_>) -> Reply {
        let path: Vec<&str> = request.path.iter().map(String::as_str).collect();
        let Some(asked) = block(&request.message, option::BLOCK2) else { return Reply::code(ResponseType::BadRequest) };
        let accept = request.message.uint(option::ACCEPT);
        let takes = |format| accept.is_none_or(|accept| accept == format);
        match (request.message.code, &path[..]) {
            (Code::GET, ["files", name @ ..]) if takes(OCTETS) => {
                tokio::task::block_in_place(|| file(&self.shared.store, &name.join("/"), asked))
            }
            (Code::GET, ["ota", "offer", product, device]) if takes(JSON) => match DeviceName::new(product, device) {
                Ok(name) => self.offers(request, &name, asked),
                Err(_) => Reply::code(ResponseType::NotFound),
            },
            (Code::GET, ["topic", "ota", "device", "download", product, device]) if takes(OCTETS) => {
                self.download(product, device, asked)
            }
            (Code::GET, ["files", ..] | ["ota", "offer", _, _] | ["topic", "ota", "device", "download", _, _]) => {
                Reply::code(ResponseType::NotAcceptable)
            }
            (Code::POST, ["ota" | "topic", ..]) => self.posted(request, &path),
            (_, ["files" | "topic", ..]) | (_, ["ota", "offer" | "version" | "progress" | "query" | "tag", _, _]) => {
                Reply::code(ResponseType::MethodNotAllowed)
            }
            _ => Reply::code(ResponseType::NotFound),
        }
    }

    /// A part of the file that is pending for a Linkkit device: the oldest of them fetch by their name, not by a URL.
    fn download(&self, product: &str, device: &str, asked: Option<Block>) -> Reply {
        let name = DeviceName::new(product, device).ok();
        match name.and_then(|name| self.shared.session.file_for(&name)) {
            Some(name) => tokio::task::block_in_place(|| file(&self.shared.store, &name, asked)),
            None => Reply::code(ResponseType::NotFound),
        }
    }

    /// The offers of a device, which begins to observe them, ends that, or only looks.
    fn offers(&mut self, request: &Request<'_>, name: &DeviceName, asked: Option<Block>) -> Reply {
        let mut reply = offers(self.shared.session.offered(name).unwrap_or_default(), asked);
        // A further block of what was told is no registration (RFC 7959 §2.6).
        let first = asked.is_none_or(|block| block.number == 0);
        match request.message.uint(option::OBSERVE) {
            Some(observe::REGISTER) if first && reply.code == ResponseType::Content => {
                let (peer, token) = (request.peer, request.message.token);
                reply.quiet = self.observers.is(name, peer, token);
                let asker = Asker { peer, token, szx: asked.map(|block| block.szx) };
                reply.observe = self.observers.register(name, asker, &reply, Instant::now());
            }
            Some(observe::DEREGISTER) => self.observers.deregister(name, request.peer, request.message.token),
            _ => {}
        }
        reply
    }

    /// A report, or a block of one.
    fn posted(&mut self, request: &Request<'_>, path: &[&str]) -> Reply {
        let message = &request.message;
        if message.uint(option::CONTENT_FORMAT).is_some_and(|format| format != JSON) {
            return Reply::code(ResponseType::UnsupportedContentFormat);
        }
        // The original of the Linkkit clients wants octets of whatever it asks for.
        let accept = message.uint(option::ACCEPT).unwrap_or(JSON);
        if asks(path) && !matches!(accept, JSON | OCTETS) {
            return Reply::code(ResponseType::NotAcceptable);
        }
        let Some(block1) = block(message, option::BLOCK1) else { return Reply::code(ResponseType::BadRequest) };
        let body = match block1 {
            None if message.payload.len() > REPORT_MAX => return Reply::too_large(REPORT_MAX),
            None => message.payload.to_vec(),
            // All but the last are full (RFC 7959 §2.2).
            Some(block) if block.more && message.payload.len() != block.szx.bytes() as usize => {
                return Reply::code(ResponseType::BadRequest);
            }
            Some(block) => {
                let place = (block.offset() as usize, block.more);
                match self.peers.assemble(request.peer, &request.path, place, message.payload) {
                    Ok(Some(body)) => body,
                    Ok(None) => return Reply { block1, ..Reply::code(ResponseType::Continue) },
                    Err(Missing::Block) => return Reply::code(ResponseType::RequestEntityIncomplete),
                    Err(Missing::Room) => return Reply::too_large(REPORT_MAX),
                }
            }
        };
        let reply = self.take(path, &body);
        let format = reply.format.map(|_| accept);
        Reply { block1, format, ..reply }
    }

    fn take(&self, path: &[&str], body: &[u8]) -> Reply {
        let session = &self.shared.session;
        let topic = match path {
            ["ota", "version", product, device] | ["topic", "ota", "device", "request", product, device] => {
                format!("/ota/device/inform/{product}/{device}")
            }
            ["ota", "progress", product, device] => format!("/ota/device/progress/{product}/{device}"),
            ["ota", "tag", product, device] => format!("/sys/{product}/{device}/thing/deviceinfo/update"),
            ["ota", "query", product, device] => return query(session, product, device),
            ["topic", rest @ ..] => format!("/{}", rest.join("/")),
            _ => return Reply::code(ResponseType::NotFound),
        };
        let asks = asks(path);
        // Who does not say a version (an image on trial) only asks.
        let only_asks =
            asks && serde_json::from_slice::<Value>(body).is_ok_and(|text| text["params"]["version"].is_null());
        if !only_asks {
            match session.take(&topic, body) {
                Taken::Unknown => return Reply::code(ResponseType::NotFound),
                // Modules are never forgotten: the same report has no better chance later.
                Taken::Bad | Taken::TooManyModules => return Reply::code(ResponseType::BadRequest),
                Taken::TooManyDevices => return Reply::busy(),
                Taken::Good => {}
            }
        }
        match path {
            [.., product, device] if asks => pending(session, product, device),
            _ => Reply::code(ResponseType::Changed),
        }
    }
}

/// What is pending shall be offered once more.
fn query(session: &Session, product: &str, device: &str) -> Reply {
    match DeviceName::new(product, device) {
        Ok(name) => {
            session.offer_again(&name);
            Reply::code(ResponseType::Changed)
        }
        Err(_) => Reply::code(ResponseType::NotFound),
    }
}

/// What is pending, in one message, in answer to a Linkkit device.
fn pending(session: &Session, product: &str, device: &str) -> Reply {
    let name = DeviceName::new(product, device).ok();
    Reply::whole(name.and_then(|name| session.answer(&name, ANSWER_MAX)).unwrap_or_default())
}

/// A part of the offers of a device.
pub(super) fn offers(body: String, asked: Option<Block>) -> Reply {
    Reply::document(body.into_bytes(), asked).unwrap_or_else(|refused| refused)
}

/// A part of a served file.
fn file(store: &Store, name: &str, asked: Option<Block>) -> Reply {
    let Ok((mut file, described)) = store.file(name) else { return Reply::code(ResponseType::NotFound) };
    let (range, block) = match part(asked, described.size) {
        Ok(part) => part,
        Err(refused) => return refused,
    };
    let mut bytes = vec![0; usize::try_from(range.end - range.start).unwrap_or_default()];
    let read = file.seek(SeekFrom::Start(range.start)).and_then(|_| file.read_exact(&mut bytes));
    match (read, described.sha256.first_chunk()) {
        (Ok(()), Some(etag)) => Reply::file(bytes, block, described.size, *etag),
        // It shrank under us.
        _ => Reply::code(ResponseType::ServiceUnavailable),
    }
}

/// Whether the answer to this report is the offer.
fn asks(path: &[&str]) -> bool {
    matches!(path, ["topic", "ota", "device", "request", _, _])
}

/// A block option, if there is one; `None` when it has the reserved size, which is a bad request (RFC 7959 §2.2).
fn block(message: &Message<'_>, which: u16) -> Option<Option<Block>> {
    match message.option(which) {
        Some(value) => Block::decode(value).map(Some),
        None => Some(None),
    }
}
