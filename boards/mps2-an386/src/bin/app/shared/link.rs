//! The device's life: alone without an identity, else online; reconnecting for ever.

use super::shell::Shell;
use super::{After, Console, Device, Platform};
use core::future::Future;
use core::pin::pin;
use embassy_futures::select::{Either, Either3, select, select3};
use ota_download::Connect;
use ota_hal::{Clock, Timer};
use ota_service::{Buffers, Exit, run_offline};
use ota_transport::mqtt::Inbox;
use otaapp::identity::INFO_MAX;

/// For the broker to accept a connection, a session and the subscriptions: each.
pub(super) const ANSWER_MS: u32 = 10_000;

/// Host and port of the broker.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Broker<'l> {
    /// Name or address.
    pub(crate) host: &'l str,
    /// Port.
    pub(crate) port: u16,
}

/// What connections are made of; outlives each of them.
pub(crate) struct Link<'l, 'j, P: Platform> {
    /// Where packages come from.
    pub(crate) source: &'l mut P::Source,
    /// How the broker is reached.
    pub(crate) connect: P::Connect,
    /// Time.
    pub(crate) timer: P::Timer,
    /// Chance.
    pub(crate) entropy: P::Entropy,
    /// For one message and one piece of an image.
    pub(crate) buffers: Buffers<'l>,
    /// Offers that came while a report waited.
    pub(crate) inbox: Inbox<'l>,
    /// For the MQTT session: the largest message with its topic, and reports under way.
    pub(crate) packets: (&'l mut [u8], &'l mut [u8]),
    /// The console.
    pub(crate) shell: Shell<'j, P>,
    /// The broker.
    pub(crate) broker: Broker<'l>,
}

impl<P: Platform> Link<'_, '_, P> {
    /// Runs the device until it is to be reset.
    pub(crate) async fn run(&mut self, agent: &mut Device<'_, P>) {
        loop {
            let mut record = [0; INFO_MAX];
            let after = match self.shell.hands.identity(&mut record) {
                Some(info) => self.online(agent, &info).await,
                None => self.alone(agent).await,
            };
            if after == After::Reset {
                return;
            }
        }
    }

    /// Without an identity there is no cloud: the console and a download that was under way.
    async fn alone(&mut self, agent: &mut Device<'_, P>) -> After {
        self.say("no device identity: devinfo set PK DN DS");
        match self.meanwhile(agent, core::future::pending::<()>()).await {
            Ok(()) => After::Continue,
            Err(after) => after,
        }
    }

    /// The broker's socket; `Err(Continue)` when it cannot be reached.
    pub(super) async fn dial(&mut self, agent: &mut Device<'_, P>) -> Result<<P::Connect as Connect>::Socket, After> {
        let Self { source, connect, timer, buffers, shell, broker, .. } = self;
        let dialling = within(&*timer, ANSWER_MS, connect.connect(broker.host, broker.port, false));
        match meanwhile::<P, _>(source, timer, buffers, shell, agent, dialling).await? {
            Some(Ok(socket)) => Ok(socket),
            _ => {
                self.say("broker: not reached");
                Err(After::Continue)
            }
        }
    }

    /// Waits `ms` while a download and the console go on.
    pub(super) async fn pause(&mut self, agent: &mut Device<'_, P>, ms: u32) -> Result<(), After> {
        let Self { source, timer, buffers, shell, .. } = self;
        let pause = timer.wait_until(timer.now().after(ms));
        meanwhile::<P, _>(source, timer, buffers, shell, agent, pause).await
    }

    async fn meanwhile<T>(&mut self, agent: &mut Device<'_, P>, what: impl Future<Output = T>) -> Result<T, After> {
        let Self { source, timer, buffers, shell, .. } = self;
        meanwhile::<P, _>(source, timer, buffers, shell, agent, what).await
    }

    pub(super) fn say(&self, text: &str) {
        self.shell.hands.console.line(&[text]);
    }
}

/// Waits for `what` while a download and the console go on. A function over fields: `what` may borrow the others.
async fn meanwhile<P: Platform, T>(
    source: &mut P::Source,
    timer: &P::Timer,
    buffers: &mut Buffers<'_>,
    shell: &mut Shell<'_, P>,
    agent: &mut Device<'_, P>,
    what: impl Future<Output = T>,
) -> Result<T, After> {
    let mut what = pin!(what);
    let console = shell.hands.console;
    loop {
        let offline = run_offline(agent, source, timer, buffers.data);
        let line = match select3(what.as_mut(), offline, shell.input.line(console)).await {
            Either3::First(done) => return Ok(done),
            Either3::Second(Exit::Reset | Exit::LinkLost) => return Err(After::Reset),
            Either3::Third(line) => line,
        };
        match shell.hands.execute(line, agent, timer.now()) {
            After::Continue => {}
            after => return Err(after),
        }
    }
}

/// What `future` comes to, unless it takes longer than `ms`.
pub(super) async fn within<F: Future>(timer: &impl Timer, ms: u32, future: F) -> Option<F::Output> {
    match select(future, timer.wait_until(timer.now().after(ms))).await {
        Either::First(output) => Some(output),
        Either::Second(()) => None,
    }
}
