//! The device with an identity, over MQTT: builds the messaging link, runs the agent over it, builds it again.

use super::link::Link;
use super::{After, Device, Platform};
use crate::identity::DeviceInfo;
use core::convert::Infallible;
use heapless::String;
use minimq::{Buffers as Packets, ConfigBuilder, InboundPublish, Session};
use ota_download::{Backoff, Connect};
use ota_transport::linkkit::Linkkit;
use ota_transport::mqtt::Mqtt;

const KEEP_ALIVE_S: u16 = 30;
/// Product key, dot, device name.
const CLIENT_ID: usize = 20 + 1 + 32;
pub(super) const UNUSABLE: &str = "the stored identity cannot be used: devinfo set PK DN DS";

impl<P: Platform> Link<'_, '_, P> {
    /// Stays connected as `info` until a command or an update ends that.
    ///
    /// # Errors
    /// Why no broker can ever know a device of this name.
    pub(super) async fn over_mqtt(
        &mut self,
        agent: &mut Device<'_, P>,
        info: &DeviceInfo<'_>,
    ) -> Result<After, &'static str> {
        let (rx, tx) = core::mem::take(&mut self.packets);
        let after = self.sessions(agent, info, &mut *rx, &mut *tx).await;
        self.packets = (rx, tx);
        after
    }

    async fn sessions(
        &mut self,
        agent: &mut Device<'_, P>,
        info: &DeviceInfo<'_>,
        rx: &mut [u8],
        tx: &mut [u8],
    ) -> Result<After, &'static str> {
        let identity = info.identity().map_err(|_| UNUSABLE)?;
        let id = client_id(info).map_err(|_| UNUSABLE)?;
        let mut entropy = self.entropy;
        let mut codec = Linkkit::new(&identity, &[], &mut entropy);
        let mut backoff = Backoff::new(200, 5_000, u16::MAX);
        loop {
            let config = ConfigBuilder::new(Packets::new(&mut *rx, &mut *tx)).keepalive_interval(KEEP_ALIVE_S);
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
                let ms = backoff.next_wait_ms(&mut entropy, 0).unwrap_or(backoff.cap_ms());
                if let Err(after) = self.local.pause(agent, ms).await {
                    return Ok(after);
                }
            }
        }
    }

    /// One connection, from the first packet to the loss of the link. `Err(Continue)`: try again. Sets `connected`
    /// once the broker has taken the subscriptions.
    async fn connection(
        &mut self,
        agent: &mut Device<'_, P>,
        session: &mut Session<'_>,
        codec: &mut Linkkit<'_>,
        connected: &mut bool,
    ) -> Result<Infallible, After> {
        let Self { local, connect, inbox, server, .. } = self;
        let dialling = connect.connect(server.host, server.port, false);
        let socket = local.answer(agent, dialling, "broker: not reached").await?;
        let mut connection = local.answer(agent, session.connect(socket), "broker: no session").await?;
        let start = Mqtt::start(&mut connection, codec, inbox, |_: &InboundPublish<'_>| {});
        let mut mqtt = local.answer(agent, start, "broker: no subscription").await?;
        local.say(&["broker: connected"]);
        *connected = true;
        let ended = local.talk(agent, &mut mqtt).await;
        if matches!(ended, Err(After::Continue)) {
            local.say(&["broker: connection lost"]);
        }
        ended
    }
}

fn client_id(info: &DeviceInfo<'_>) -> Result<String<CLIENT_ID>, heapless::CapacityError> {
    let mut id = String::new();
    for part in [info.product_key(), ".", info.device_name()] {
        id.push_str(part)?;
    }
    Ok(id)
}
