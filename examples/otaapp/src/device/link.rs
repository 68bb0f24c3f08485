//! The device's life: alone without an identity, else online over one link or the other; reconnecting for ever.

use super::server::{Over, Server};
use super::shell::Shell;
use super::{After, Console, Device, Platform};
use crate::identity::INFO_MAX;
use core::convert::Infallible;
use core::future::Future;
use core::pin::{Pin, pin};
use embassy_futures::select::{Either, Either3, select, select3};
use ota_hal::{Clock, Timer};
use ota_service::{Buffers, Exit, run, run_offline};
use ota_transport::Transport;
use ota_transport::mqtt::Inbox;

/// For the broker to accept a connection, a session and the subscriptions: each.
const ANSWER_MS: u32 = 10_000;

/// What the device does by itself, with or without a broker.
#[allow(missing_debug_implementations, reason = "made of a board's types, which need none")]
pub struct Local<'l, 'j, P: Platform> {
    /// Where packages come from.
    pub source: &'l mut P::Source,
    /// Time.
    pub timer: P::Timer,
    /// For one message and one piece of an image.
    pub buffers: Buffers<'l>,
    /// The console.
    pub shell: Shell<'j, P>,
}

/// What connections are made of; outlives each of them.
#[allow(missing_debug_implementations, reason = "made of a board's types, which need none")]
pub struct Link<'l, 'j, P: Platform> {
    /// What goes on meanwhile.
    pub local: Local<'l, 'j, P>,
    /// How the server is reached.
    pub connect: P::Connect,
    /// Chance.
    pub entropy: P::Entropy,
    /// Offers that came while a report waited.
    pub inbox: Inbox<'l>,
    /// For the MQTT session: the largest message with its topic, and reports under way. Over CoAP: the largest offer, and
    /// a request with what comes in: [`ota_transport::coap::SCRATCH`].
    pub packets: (&'l mut [u8], &'l mut [u8]),
    /// The cloud.
    pub server: Server<'l>,
}

impl<P: Platform> Link<'_, '_, P> {
    /// Runs the device until it is to be reset.
    pub async fn run(&mut self, agent: &mut Device<'_, P>) {
        loop {
            let mut record = [0; INFO_MAX];
            let online = match self.local.shell.hands.identity(&mut record) {
                Some(info) if self.server.over == Over::Coap => self.over_coap(agent, &info).await,
                Some(info) => self.over_mqtt(agent, &info).await,
                None => Err("no device identity: devinfo set PK DN DS"),
            };
            let after = match online {
                Ok(after) => after,
                Err(why) => self.local.alone(agent, why).await,
            };
            if after == After::Reset {
                return;
            }
        }
    }
}

impl<P: Platform> Local<'_, '_, P> {
    /// Without a usable identity there is no cloud: the console and a download that was under way. A reset would change
    /// nothing, the identity is stored.
    async fn alone(&mut self, agent: &mut Device<'_, P>, why: &str) -> After {
        self.say(&[why]);
        match self.meanwhile(agent, core::future::pending::<()>()).await {
            Ok(()) => After::Continue,
            Err(after) => after,
        }
    }

    /// Runs the agent and the console over a messaging link, until the link is lost (`Continue`) or something else ends it.
    pub(super) async fn talk<T: Transport>(
        &mut self,
        agent: &mut Device<'_, P>,
        link: &mut T,
    ) -> Result<Infallible, After> {
        let console = self.shell.hands.console;
        loop {
            let online = run(agent, link, self.source, &self.timer, &mut self.buffers);
            let line = match select(online, self.shell.input.line(console)).await {
                Either::First(Exit::Reset) => return Err(After::Reset),
                Either::First(Exit::LinkLost) => return Err(After::Continue),
                Either::Second(line) => line,
            };
            match self.shell.hands.execute(line, agent, self.timer.now()) {
                After::Continue => {}
                after => return Err(after),
            }
        }
    }

    /// What the server answers, within [`ANSWER_MS`]; `Err(Continue)` and a line on the console when it does not.
    pub(super) async fn answer<T, E>(
        &mut self,
        agent: &mut Device<'_, P>,
        what: impl Future<Output = Result<T, E>>,
        complaint: &str,
    ) -> Result<T, After> {
        let timer = self.timer;
        let deadline = timer.wait_until(timer.now().after(ANSWER_MS));
        if let Either::First(Ok(answer)) = self.meanwhile(agent, select(what, deadline)).await? {
            return Ok(answer);
        }
        self.say(&[complaint]);
        Err(After::Continue)
    }

    /// Waits `ms` while a download and the console go on.
    pub(super) async fn pause(&mut self, agent: &mut Device<'_, P>, ms: u32) -> Result<(), After> {
        let timer = self.timer;
        self.meanwhile(agent, timer.wait_until(timer.now().after(ms))).await
    }

    /// Waits for `what` while a download and the console go on.
    async fn meanwhile<T>(&mut self, agent: &mut Device<'_, P>, what: impl Future<Output = T>) -> Result<T, After> {
        let mut output = None;
        {
            let what = pin!(async { output = Some(what.await) });
            self.until(agent, what).await?;
        }
        output.ok_or(After::Continue)
    }

    /// As [`Self::meanwhile`]: once for all that is waited for, because each copy holds a copy of the agent's driver.
    async fn until(
        &mut self,
        agent: &mut Device<'_, P>,
        mut what: Pin<&mut dyn Future<Output = ()>>,
    ) -> Result<(), After> {
        let console = self.shell.hands.console;
        loop {
            let offline = run_offline(agent, self.source, &self.timer, self.buffers.data);
            let line = match select3(what.as_mut(), offline, self.shell.input.line(console)).await {
                Either3::First(()) => return Ok(()),
                Either3::Second(Exit::Reset | Exit::LinkLost) => return Err(After::Reset),
                Either3::Third(line) => line,
            };
            match self.shell.hands.execute(line, agent, self.timer.now()) {
                After::Continue => {}
                after => return Err(after),
            }
        }
    }

    pub(super) fn say(&self, parts: &[&str]) {
        self.shell.hands.console.line(parts);
    }
}
