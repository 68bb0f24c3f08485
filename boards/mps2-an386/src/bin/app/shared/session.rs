//! The device with an identity: builds the messaging link, runs the agent over it, builds it again.

use super::link::{ANSWER_MS, Link, within};
use super::{After, Console, Device, Platform};
use embassy_futures::select::{Either, select};
use heapless::String;
use minimq::{Buffers as Packets, ConfigBuilder, InboundPublish, Io, Session};
use ota_download::Backoff;
use ota_hal::Clock;
use ota_service::{Exit, run};
use ota_transport::linkkit::{Identity, Linkkit};
use ota_transport::mqtt::Mqtt;
use otaapp::identity::DeviceInfo;

const KEEP_ALIVE_S: u16 = 30;
/// Product key, dot, device name.
const CLIENT_ID: usize = 20 + 1 + 32;

impl<P: Platform> Link<'_, '_, P> {
    /// Stays connected as `info` until a command or an update ends that.
    pub(super) async fn online(&mut self, agent: &mut Device<'_, P>, info: &DeviceInfo<'_>) -> After {
        let (rx, tx) = core::mem::take(&mut self.packets);
        let after = self.connected(agent, info, &mut *rx, &mut *tx).await;
        self.packets = (rx, tx);
        after
    }

    async fn connected(
        &mut self,
        agent: &mut Device<'_, P>,
        info: &DeviceInfo<'_>,
        rx: &mut [u8],
        tx: &mut [u8],
    ) -> After {
        let (Ok(identity), Ok(id)) = (Identity::new(info.product_key(), info.device_name()), client_id(info)) else {
            // `DeviceInfo` holds nothing that would not fit.
            return After::Reset;
        };
        let config = ConfigBuilder::new(Packets::new(rx, tx)).keepalive_interval(KEEP_ALIVE_S).client_id(&id);
        let Ok(config) = config else { return After::Reset };
        let mut session = Session::new(config);
        let mut entropy = self.entropy;
        let mut codec = Linkkit::new(&identity, &[], &mut entropy);
        let mut backoff = Backoff::new(200, 5_000, u16::MAX);
        loop {
            let socket = match self.dial(agent).await {
                Ok(socket) => socket,
                Err(After::Continue) => {
                    let ms = backoff.next_wait_ms(&mut entropy, 0).unwrap_or(backoff.cap_ms());
                    match self.pause(agent, ms).await {
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
    async fn session<S: Io>(
        &mut self,
        agent: &mut Device<'_, P>,
        session: &mut Session<'_>,
        codec: &mut Linkkit<'_>,
        socket: S,
    ) -> After {
        let Some(Ok(mut connection)) = within(&self.timer, ANSWER_MS, session.connect(socket)).await else {
            self.say("broker: no session");
            return After::Continue;
        };
        let ignore = |_: &InboundPublish<'_>| {};
        let start = Mqtt::start(&mut connection, codec, &mut self.inbox, ignore);
        let Some(Ok(mut mqtt)) = within(&self.timer, ANSWER_MS, start).await else {
            self.shell.hands.console.line(&["broker: no subscription"]);
            return After::Continue;
        };
        let console = self.shell.hands.console;
        console.line(&["broker: connected"]);
        loop {
            let online = run(agent, &mut mqtt, self.source, &self.timer, &mut self.buffers);
            let line = match select(online, self.shell.input.line(console)).await {
                Either::First(Exit::Reset) => return After::Reset,
                Either::First(Exit::LinkLost) => {
                    console.line(&["broker: connection lost"]);
                    return After::Continue;
                }
                Either::Second(line) => line,
            };
            match self.shell.hands.execute(line, agent, self.timer.now()) {
                After::Continue => {}
                after => return after,
            }
        }
    }
}

fn client_id(info: &DeviceInfo<'_>) -> Result<String<CLIENT_ID>, heapless::CapacityError> {
    let mut id = String::new();
    for part in [info.product_key(), ".", info.device_name()] {
        id.push_str(part)?;
    }
    Ok(id)
}
