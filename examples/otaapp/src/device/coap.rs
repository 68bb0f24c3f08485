//! The device with an identity, over CoAP: opens a socket, runs the agent over it, opens another one.

use super::link::Link;
use super::session::UNUSABLE;
use super::told::Told;
use super::words::asking;
use super::{After, Device, Platform};
use crate::identity::DeviceInfo;
use core::convert::Infallible;
use ota_download::{Backoff, ConnectUdp};
use ota_transport::coap::{Coap, CoapConfig, Plain};
use ota_transport::linkkit::Identity;

impl<P: Platform> Link<'_, '_, P> {
    /// Stays in touch with the server as `info` until a command or an update ends that.
    ///
    /// # Errors
    /// Why no server can ever know a device of this name.
    pub(super) async fn over_coap(
        &mut self,
        agent: &mut Device<'_, P>,
        info: &DeviceInfo<'_>,
    ) -> Result<After, &'static str> {
        let identity = info.identity().map_err(|_| UNUSABLE)?;
        let (body, scratch) = core::mem::take(&mut self.packets);
        let mut backoff = Backoff::new(200, 5_000, u16::MAX);
        let after = loop {
            let mut answered = false;
            let Err(after) = self.socket(agent, &identity, (&mut *scratch, &mut *body), &mut answered).await;
            if after != After::Continue {
                break after;
            }
            if answered {
                backoff.on_progress();
            }
            let ms = backoff.next_wait_ms(&mut self.entropy, 0).unwrap_or(backoff.cap_ms());
            if let Err(after) = self.local.pause(agent, ms).await {
                break after;
            }
        };
        self.packets = (body, scratch);
        Ok(after)
    }

    /// One socket, until the server is away. `Err(Continue)`: try again. Sets `answered` if it ever answered.
    async fn socket(
        &mut self,
        agent: &mut Device<'_, P>,
        identity: &Identity,
        memory: (&mut [u8], &mut [u8]),
        answered: &mut bool,
    ) -> Result<Infallible, After> {
        let Self { local, connect, server, entropy, .. } = self;
        let mut entropy = *entropy;
        let console = local.shell.hands.console;
        asking(console, *server);
        let opening = connect.connect_udp(server.host, server.port, false);
        let socket = local.answer(agent, opening, "coap: no socket").await?;
        let dialect = Plain::new(identity, &mut entropy);
        let link = Coap::new(socket, local.timer, entropy, dialect, memory, CoapConfig::DEFAULT);
        let mut told = Told::new(link, console);
        let ended = local.talk(agent, &mut told).await;
        *answered = told.is_taken();
        if matches!(ended, Err(After::Continue)) {
            local.say(&["coap: no answer"]);
        }
        ended
    }
}
