//! What a request means.

use super::observers::Asker;
use super::peers::{Missing, REPORT_MAX};
use super::reply::{Reply, part};
use super::{Request, Server};
use crate::linkkit::DeviceName;
use crate::serve::session::{Session, Taken};
use crate::serve::store::Store;
use coap_lite::{CoapOption, Packet, RequestType, ResponseType};
use ota_coap::{Block, observe, option};
use serde_json::Value;
use std::io::{Read, Seek, SeekFrom};
use tokio::time::Instant;

impl Server {
    /// Does what the request says.
    pub(super) fn answer(&mut self, request: &Request) -> Reply {
        let path: Vec<&str> = request.path.iter().map(String::as_str).collect();
        let Ok(asked) = block(&request.packet, CoapOption::Block2) else { return Reply::code(ResponseType::BadOption) };
        match (request.method, &path[..]) {
            (RequestType::Get, ["files", name @ ..]) => {
                tokio::task::block_in_place(|| file(&self.shared.store, &name.join("/"), asked))
            }
            (RequestType::Get, ["ota", "offer", product, device]) => match DeviceName::new(product, device) {
                Ok(name) => self.offers(request, &name, asked),
                Err(_) => Reply::code(ResponseType::NotFound),
            },
            (RequestType::Get, ["topic", "ota", "device", "download", product, device]) => {
                self.download(product, device, asked)
            }
            (RequestType::Post, ["ota" | "topic", ..]) => self.posted(request, &path),
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
    fn offers(&mut self, request: &Request, name: &DeviceName, asked: Option<Block>) -> Reply {
        let mut reply = offers(self.shared.session.offered(name, false).unwrap_or_default(), asked);
        let wish = request.packet.get_option(CoapOption::Observe).and_then(|values| option::uint(values.front()?));
        match wish {
            Some(observe::REGISTER) if reply.code == ResponseType::Content => {
                let (peer, token) = (request.peer, request.packet.get_token());
                reply.quiet = self.observers.is(name, peer, token);
                let asker = Asker { peer, token, szx: asked.map(|block| block.szx) };
                reply.observe = self.observers.register(name, asker, &reply, Instant::now());
            }
            Some(observe::DEREGISTER) => self.observers.deregister(name, request.peer),
            _ => {}
        }
        reply
    }

    /// A report, or a block of one.
    fn posted(&mut self, request: &Request, path: &[&str]) -> Reply {
        let Ok(block1) = block(&request.packet, CoapOption::Block1) else {
            return Reply::code(ResponseType::BadOption);
        };
        let body = match block1 {
            None if request.packet.payload.len() > REPORT_MAX => return Reply::too_large(REPORT_MAX),
            None => request.packet.payload.clone(),
            Some(block) => {
                let place = (block.offset() as usize, block.more);
                match self.peers.assemble(request.peer, &request.path, place, &request.packet.payload) {
                    Ok(Some(body)) => body,
                    Ok(None) => return Reply { block1, ..Reply::code(ResponseType::Continue) },
                    Err(Missing::Block) => return Reply::code(ResponseType::RequestEntityIncomplete),
                    Err(Missing::Room) => return Reply::too_large(REPORT_MAX),
                }
            }
        };
        Reply { block1, ..self.take(path, &body) }
    }

    fn take(&self, path: &[&str], body: &[u8]) -> Reply {
        let session = &self.shared.session;
        let (topic, asks) = match path {
            ["ota", "version", product, device] => (format!("/ota/device/inform/{product}/{device}"), false),
            ["ota", "progress", product, device] => (format!("/ota/device/progress/{product}/{device}"), false),
            ["ota", "tag", product, device] => (format!("/sys/{product}/{device}/thing/deviceinfo/update"), false),
            ["ota", "query", product, device] => return query(session, product, device),
            ["topic", "ota", "device", "request", product, device] => {
                (format!("/ota/device/inform/{product}/{device}"), true)
            }
            ["topic", rest @ ..] => (format!("/{}", rest.join("/")), false),
            _ => return Reply::code(ResponseType::NotFound),
        };
        // Who does not say a version (an image on trial) only asks.
        let only_asks =
            asks && serde_json::from_slice::<Value>(body).is_ok_and(|text| text["params"]["version"].is_null());
        if !only_asks {
            match session.take(&topic, body) {
                Taken::Unknown => return Reply::code(ResponseType::NotFound),
                Taken::Bad => return Reply::code(ResponseType::BadRequest),
                Taken::Full => return Reply::busy(),
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

/// All that is pending, in one message, in answer to a Linkkit device.
fn pending(session: &Session, product: &str, device: &str) -> Reply {
    let name = DeviceName::new(product, device).ok();
    let body = name.and_then(|name| session.offered(&name, true)).unwrap_or_default();
    Reply { body: body.into_bytes(), ..Reply::code(ResponseType::Content) }
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

/// A block option; an error when it cannot be one.
fn block(packet: &Packet, which: CoapOption) -> Result<Option<Block>, ()> {
    let value = packet.get_option(which).and_then(|values| values.front());
    value.map(|value| Block::decode(value).ok_or(())).transpose()
}
