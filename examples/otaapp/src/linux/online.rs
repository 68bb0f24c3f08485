//! The device with an identity: builds the messaging link, runs the agent over it, builds it again.

use super::clock::{Chance, Uptime};
use super::net::Tcp;
use super::shell::{After, Shell};
use super::trace::Note;
use super::{Device, MESSAGE};
use minimq::{Buffers as Packets, ConfigBuilder, InboundPublish, Session};
use ota_download::{Backoff, HttpSource};
use ota_service::{Buffers, Exit, run, run_offline};
use ota_transport::linkkit::Linkkit;
use ota_transport::mqtt::{Inbox, Mqtt};
use otaapp::identity::DeviceInfo;
use otaapp::trace::Traced;
use std::convert::Infallible;
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

/// What the device does by itself, with or without a broker.
pub(crate) struct Local<'l, 'j, 's> {
    pub(crate) source: &'l mut Traced<HttpSource<'s, Tcp>, Note>,
    pub(crate) timer: &'l Uptime,
    pub(crate) buffers: Buffers<'l>,
    pub(crate) shell: Shell<'j>,
}

/// What connections are made of; outlives each of them.
pub(crate) struct Link<'l, 'j, 's> {
    pub(crate) local: Local<'l, 'j, 's>,
    pub(crate) inbox: Inbox<'l>,
    pub(crate) broker: Broker,
}

impl Link<'_, '_, '_> {
    /// Stays connected as `info` until a command or an update ends that.
    ///
    /// # Errors
    /// Why no broker can ever know a device of this name.
    pub(crate) async fn online(
        &mut self,
        agent: &mut Device<'_>,
        info: &DeviceInfo<'_>,
    ) -> Result<After, &'static str> {
        const UNUSABLE: &str = "the stored identity cannot be used: devinfo set PK DN DS";
        let identity = info.identity().map_err(|_| UNUSABLE)?;
        let id = format!("{}.{}", info.product_key(), info.device_name());
        let mut codec = Linkkit::new(&identity, &[], &mut Chance);
        let mut backoff = Backoff::new(200, 5_000, u16::MAX);
        loop {
            let (mut rx, mut tx) = ([0; MESSAGE], [0; 2048]);
            let config = ConfigBuilder::new(Packets::new(&mut rx, &mut tx)).keepalive_interval(KEEP_ALIVE_S);
            let mut session = Session::new(config.client_id(&id).map_err(|_| UNUSABLE)?);
            let mut connected = true;
            // A session that cannot be taken up again is given up: the broker may hold a message for it that ends
            // every connection, for example one larger than our buffer.
            while core::mem::take(&mut connected) {
                let Err(after) = self.connection(agent, &mut session, &mut codec, &mut connected).await;
                if after != After::Continue {
                    return Ok(after);
                }
                if connected {
                    backoff.on_progress();
                }
                // However the connection ended: a broker that refuses is not asked again at once.
                let ms = backoff.next_wait_ms(&mut Chance, 0).unwrap_or(backoff.cap_ms());
                let wait = tokio::time::sleep(Duration::from_millis(ms.into()));
                if let Err(after) = self.local.meanwhile(agent, wait).await {
                    return Ok(after);
                }
            }
        }
    }

    /// One connection, from the first packet to the loss of the link. `Err(Continue)`: try again. Sets `connected`
    /// once the broker has taken the subscriptions.
    async fn connection(
        &mut self,
        agent: &mut Device<'_>,
        session: &mut Session<'_>,
        codec: &mut Linkkit<'_>,
        connected: &mut bool,
    ) -> Result<Infallible, After> {
        let Self { local, inbox, broker: (host, port) } = self;
        let socket = local.answer(agent, Tcp.open(host, *port), "not reached").await?;
        let mut connection = local.answer(agent, session.connect(socket), "no session").await?;
        let start = Mqtt::start(&mut connection, codec, inbox, |_: &InboundPublish<'_>| {});
        let mut mqtt = local.answer(agent, start, "no subscription").await?;
        println!("broker: connected");
        *connected = true;
        loop {
            let after = tokio::select! {
                exit = run(agent, &mut mqtt, local.source, local.timer, &mut local.buffers) => match exit {
                    Exit::Reset => After::Reset,
                    Exit::LinkLost => {
                        println!("broker: connection lost");
                        return Err(After::Continue);
                    }
                },
                line = local.shell.line() => local.shell.execute(&line, agent, local.timer),
            };
            if after != After::Continue {
                return Err(after);
            }
        }
    }
}

impl Local<'_, '_, '_> {
    /// What the broker answers, within [`ANSWER`]; `Err(Continue)` and a line on the console when it does not.
    async fn answer<T, E>(
        &mut self,
        agent: &mut Device<'_>,
        what: impl Future<Output = Result<T, E>>,
        complaint: &str,
    ) -> Result<T, After> {
        if let Ok(Ok(answer)) = self.meanwhile(agent, tokio::time::timeout(ANSWER, what)).await? {
            return Ok(answer);
        }
        println!("broker: {complaint}");
        Err(After::Continue)
    }

    /// Waits for `what` while a download and the console go on.
    pub(crate) async fn meanwhile<T>(
        &mut self,
        agent: &mut Device<'_>,
        what: impl Future<Output = T>,
    ) -> Result<T, After> {
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
