//! The device with an identity: builds the messaging link, runs the agent over it, builds it again.

use super::clock::{Chance, Uptime};
use super::net::{Socket, Tcp};
use super::shell::{After, Shell};
use super::trace::Traced;
use super::{Device, MESSAGE};
use minimq::{Buffers as Packets, ConfigBuilder, InboundPublish, Session};
use ota_download::{Backoff, HttpSource};
use ota_service::{Buffers, Exit, run, run_offline};
use ota_transport::linkkit::{Identity, Linkkit};
use ota_transport::mqtt::{Inbox, Mqtt};
use otaapp::identity::DeviceInfo;
use std::future::Future;
use std::time::Duration;

/// For the broker to accept a connection, a session and the subscriptions: each.
const ANSWER: Duration = Duration::from_secs(10);
const KEEP_ALIVE_S: u16 = 30;

/// Host and port of the broker.
pub(crate) type Broker = (String, u16);

/// The broker of `OTA_BROKER` (`host` or `host:port`), else the one on this machine.
pub(crate) fn broker() -> Broker {
    const PORT: u16 = 1883;
    let text = std::env::var("OTA_BROKER").unwrap_or_else(|_| "127.0.0.1".to_owned());
    let split = text.rsplit_once(':').and_then(|(host, port)| Some((host.to_owned(), port.parse().ok()?)));
    split.unwrap_or((text, PORT))
}

/// What connections are made of; outlives each of them.
pub(crate) struct Link<'l, 'j, 's> {
    pub(crate) source: &'l mut Traced<HttpSource<'s, Tcp>>,
    pub(crate) timer: &'l Uptime,
    pub(crate) buffers: Buffers<'l>,
    pub(crate) inbox: Inbox<'l>,
    pub(crate) shell: Shell<'j>,
    pub(crate) broker: Broker,
}

impl Link<'_, '_, '_> {
    /// Stays connected as `info` until a command or an update ends that.
    pub(crate) async fn online(&mut self, agent: &mut Device<'_>, info: &DeviceInfo<'_>) -> After {
        let Ok(identity) = Identity::new(info.product_key(), info.device_name()) else {
            // `DeviceInfo` holds nothing that `Identity` refuses.
            return After::Reset;
        };
        let (mut rx, mut tx) = ([0; MESSAGE], [0; 2048]);
        let id = format!("{}.{}", info.product_key(), info.device_name());
        let config = ConfigBuilder::new(Packets::new(&mut rx, &mut tx)).keepalive_interval(KEEP_ALIVE_S).client_id(&id);
        let Ok(config) = config else { return After::Reset };
        let mut session = Session::new(config);
        let mut codec = Linkkit::new(&identity, &[], &mut Chance);
        let mut backoff = Backoff::new(200, 5_000, u16::MAX);
        loop {
            let socket = match self.connect(agent).await {
                Ok(socket) => socket,
                Err(After::Continue) => {
                    let ms = backoff.next_wait_ms(&mut Chance, 0).unwrap_or(backoff.cap_ms());
                    match self.meanwhile(agent, tokio::time::sleep(Duration::from_millis(ms.into()))).await {
                        Ok(()) => continue,
                        Err(after) => return after,
                    }
                }
                Err(after) => return after,
            };
            match self.session(agent, &mut session, &mut codec, socket).await {
                After::Continue => {}
                after => return after,
            }
            backoff.on_progress();
        }
    }

    /// One connection, from the socket to the loss of the link.
    async fn session(
        &mut self,
        agent: &mut Device<'_>,
        session: &mut Session<'_>,
        codec: &mut Linkkit<'_>,
        socket: Socket,
    ) -> After {
        let Ok(Ok(mut connection)) = tokio::time::timeout(ANSWER, session.connect(socket)).await else {
            println!("broker: no session");
            return After::Continue;
        };
        let ignore = |_: &InboundPublish<'_>| {};
        let start = Mqtt::start(&mut connection, codec, &mut self.inbox, ignore);
        let Ok(Ok(mut mqtt)) = tokio::time::timeout(ANSWER, start).await else {
            println!("broker: no subscription");
            return After::Continue;
        };
        println!("broker: connected");
        loop {
            let after = tokio::select! {
                exit = run(agent, &mut mqtt, self.source, self.timer, &mut self.buffers) => match exit {
                    Exit::Reset => After::Reset,
                    Exit::LinkLost => {
                        println!("broker: connection lost");
                        return After::Continue;
                    }
                },
                line = self.shell.line() => self.shell.execute(&line, agent, self.timer),
            };
            if after != After::Continue {
                return after;
            }
        }
    }

    /// The socket; `Err(Continue)` when the broker cannot be reached.
    async fn connect(&mut self, agent: &mut Device<'_>) -> Result<Socket, After> {
        let (host, port) = self.broker.clone();
        let socket = tokio::time::timeout(ANSWER, async move { Tcp.open(&host, port).await });
        match self.meanwhile(agent, socket).await? {
            Ok(Ok(socket)) => Ok(socket),
            _ => {
                println!("broker: not reached");
                Err(After::Continue)
            }
        }
    }

    /// Waits for `what` while a download and the console go on.
    async fn meanwhile<T>(&mut self, agent: &mut Device<'_>, what: impl Future<Output = T>) -> Result<T, After> {
        let mut what = std::pin::pin!(what);
        loop {
            tokio::select! {
                done = &mut what => return Ok(done),
                exit = run_offline(agent, self.source, self.timer, self.buffers.data) => match exit {
                    Exit::Reset | Exit::LinkLost => return Err(After::Reset),
                },
                line = self.shell.line() => match self.shell.execute(&line, agent, self.timer) {
                    After::Continue => {}
                    after => return Err(after),
                },
            }
        }
    }
}
