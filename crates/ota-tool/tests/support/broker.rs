//! A broker that behaves as badly as a test wants, over real sockets, in MQTT 3.1.1 and 5.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What it does.
#[derive(Clone, Copy, Default)]
pub(crate) struct Habits {
    /// Answer to every filter in place of a granted QoS.
    pub(crate) refuse_filters: Option<u8>,
    /// Answer to every message (MQTT 5).
    pub(crate) refuse_messages: Option<u8>,
    /// Closes the first connection after so many messages, unacknowledged.
    pub(crate) break_after: Option<usize>,
    /// Goes away for good after so many messages.
    pub(crate) die_after: Option<usize>,
    /// Acknowledges only when nothing more comes.
    pub(crate) lazy: bool,
}

/// A message it got: topic, payload, whether to be retained.
pub(crate) type Message = (String, Vec<u8>, bool);

/// The broker. It ends with the test process.
pub(crate) struct Broker {
    pub(crate) port: u16,
    pub(crate) messages: Arc<Mutex<Vec<Message>>>,
    /// Most messages that waited for their acknowledgement.
    pub(crate) most_open: Arc<AtomicUsize>,
}

impl Broker {
    pub(crate) fn start(habits: Habits) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let broker = Self { port, messages: Arc::default(), most_open: Arc::default() };
        let (messages, most_open) = (Arc::clone(&broker.messages), Arc::clone(&broker.most_open));
        std::thread::spawn(move || {
            for (nth, stream) in listener.incoming().enumerate() {
                let client = Client { stream: stream.unwrap(), v5: false, open: Vec::new(), nth, habits };
                // A client that goes away ends its own connection only.
                if client.serve(&messages, &most_open).is_none_or(|goes_on| !goes_on) && habits.die_after.is_some() {
                    return;
                }
            }
        });
        broker
    }

    pub(crate) fn messages(&self) -> Vec<Message> {
        self.messages.lock().unwrap().clone()
    }
}

struct Client {
    stream: TcpStream,
    v5: bool,
    /// Ids of messages that were not acknowledged yet.
    open: Vec<[u8; 2]>,
    nth: usize,
    habits: Habits,
}

impl Client {
    /// Until the connection ends; false when the broker is to end too.
    fn serve(mut self, messages: &Mutex<Vec<Message>>, most_open: &AtomicUsize) -> Option<bool> {
        self.stream.set_nodelay(true).unwrap();
        loop {
            let Some((kind, body)) = self.packet() else { return Some(true) };
            match kind >> 4 {
                1 => {
                    self.v5 = body[6] == 5;
                    self.say(if self.v5 { &[0x20, 3, 0, 0, 0] } else { &[0x20, 2, 0, 0] })?;
                }
                3 => {
                    let (id, message) = self.message(kind, &body);
                    messages.lock().unwrap().push(message);
                    let count = messages.lock().unwrap().len();
                    if self.habits.break_after == Some(count) && self.nth == 0 {
                        return Some(true);
                    }
                    self.open.push(id);
                    most_open.fetch_max(self.open.len(), Ordering::Relaxed);
                    if !self.habits.lazy {
                        self.acknowledge()?;
                    }
                    if self.habits.die_after == Some(count) {
                        return Some(false);
                    }
                }
                8 => self.subscribed(&body)?,
                12 => self.say(&[0xD0, 0])?,
                _ => {}
            }
        }
    }

    fn packet(&mut self) -> Option<(u8, Vec<u8>)> {
        let mut byte = [0];
        if self.habits.lazy && !self.open.is_empty() {
            self.stream.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
        }
        if self.stream.read_exact(&mut byte).is_err() {
            if self.open.is_empty() {
                return None;
            }
            self.stream.set_read_timeout(None).unwrap();
            self.acknowledge()?;
            return self.packet();
        }
        self.stream.set_read_timeout(None).unwrap();
        let kind = byte[0];
        let (mut len, mut shift) = (0_usize, 0);
        loop {
            self.stream.read_exact(&mut byte).ok()?;
            len |= usize::from(byte[0] & 0x7F) << shift;
            shift += 7;
            if byte[0] & 0x80 == 0 {
                break;
            }
        }
        let mut body = vec![0; len];
        self.stream.read_exact(&mut body).ok()?;
        Some((kind, body))
    }

    fn message(&self, kind: u8, body: &[u8]) -> ([u8; 2], Message) {
        assert_eq!(kind & 0x06, 0x02, "QoS 1");
        let len = usize::from(u16::from_be_bytes([body[0], body[1]]));
        let (topic, rest) = body[2..].split_at(len);
        let id = [rest[0], rest[1]];
        // No client here sends properties of 128 bytes or more.
        let payload = if self.v5 { &rest[3 + usize::from(rest[2])..] } else { &rest[2..] };
        (id, (super::text(topic), payload.to_vec(), kind & 1 == 1))
    }

    fn acknowledge(&mut self) -> Option<()> {
        for [high, low] in std::mem::take(&mut self.open) {
            match self.habits.refuse_messages {
                Some(code) if self.v5 => self.say(&[0x40, 3, high, low, code])?,
                _ => self.say(&[0x40, 2, high, low])?,
            }
        }
        Some(())
    }

    fn subscribed(&mut self, body: &[u8]) -> Option<()> {
        let mut filters = if self.v5 { &body[3 + usize::from(body[2])..] } else { &body[2..] };
        let mut answer = body[..2].to_vec();
        if self.v5 {
            answer.push(0);
        }
        while let [high, low, rest @ ..] = filters {
            filters = &rest[usize::from(u16::from_be_bytes([*high, *low])) + 1..];
            answer.push(self.habits.refuse_filters.unwrap_or(1));
        }
        assert!(answer.len() < 128);
        let head = [0x90, u8::try_from(answer.len()).unwrap()];
        self.say(&[&head[..], &answer].concat())
    }

    fn say(&mut self, bytes: &[u8]) -> Option<()> {
        self.stream.write_all(bytes).ok()
    }
}
