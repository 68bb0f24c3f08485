//! The async driver: a loop that carries the agent's wishes out, one at a time, each with a deadline.

use crate::{Drive, Fault, Step};
use core::future::Future;
use core::pin::{Pin, pin};
use embassy_futures::select::{Either, Either3, select, select3};
use ota_download::{Opened, Source, SourceError};
use ota_hal::{Millis, Timer};
use ota_transport::{Event, Report, Transport};

/// The memory a driver works in, lent by the caller.
#[derive(Debug)]
pub struct Buffers<'b> {
    /// Holds one incoming message while it is looked at; as large as the largest message.
    pub message: &'b mut [u8],
    /// Takes what a source delivers, and the locator while it is opened: at least as long as the longest URL plus 64.
    /// Its length bounds what one read takes, and so what is fetched twice after a power cut.
    pub data: &'b mut [u8],
}

/// Why a driver returned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Exit {
    /// Restart the device now: an image waits for its trial, or the one on trial was given up.
    Reset,
    /// The messaging link is down. Build it anew and run again; the agent keeps its state, and
    /// [`run_offline`] goes on with a download meanwhile.
    LinkLost,
}

/// Drives `agent` until the device is to restart or the messaging link is lost.
///
/// # Cancellation
/// May be dropped at any point, for example to run a console command on the agent; running it again continues.
/// A source that was being opened is opened again, a report that was being sent is sent again.
pub async fn run<D: Drive, T: Transport, S: Source, C: Timer>(
    agent: &mut D,
    transport: &mut T,
    source: &mut S,
    timer: &C,
    buffers: &mut Buffers<'_>,
) -> Exit {
    agent.on_connected(timer.now());
    drive(agent, transport, source, timer, buffers).await
}

/// Drives `agent` without a messaging link, for the time it takes to build one: a download goes on, nothing is reported.
/// Only ever returns [`Exit::Reset`]; select it against the connecting future.
///
/// # Cancellation
/// As [`run()`].
pub async fn run_offline<D: Drive, S: Source, C: Timer>(
    agent: &mut D,
    source: &mut S,
    timer: &C,
    data: &mut [u8],
) -> Exit {
    agent.on_disconnected();
    let mut buffers = Buffers { message: &mut [], data };
    drive(agent, &mut NoTransport, source, timer, &mut buffers).await
}

/// The absence of a messaging link: nothing ever comes in.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoTransport;

impl Transport for NoTransport {
    type Error = core::convert::Infallible;
    async fn recv<'b>(&mut self, _: &'b mut [u8]) -> Result<Event<'b>, Self::Error> {
        core::future::pending().await
    }
    async fn send(&mut self, _: &Report<'_>) -> Result<(), Self::Error> {
        core::future::pending().await
    }
}

/// The link failed while a future of it was polled.
struct Lost;

async fn drive<D: Drive, T: Transport, S: Source, C: Timer>(
    agent: &mut D,
    transport: &mut T,
    source: &mut S,
    timer: &C,
    buffers: &mut Buffers<'_>,
) -> Exit {
    loop {
        let step = agent.poll(timer.now());
        let done = match step {
            Step::Reset => return Exit::Reset,
            Step::Send { until } => send(agent, transport, source, timer, buffers, until).await,
            Step::Open { ticket, until } => open(agent, transport, source, timer, buffers, ticket, until).await,
            Step::Read { until } => read(agent, transport, source, timer, buffers, until).await,
            Step::Close => {
                // Closing may say goodbye to the peer; it must not hang on it.
                let until = timer.now().after(CLOSE_MS);
                let _ = select(source.close(), timer.wait_until(until)).await;
                agent.on_closed();
                Ok(())
            }
            Step::Wait { until } => listen(agent, transport, timer, buffers.message, until).await,
        };
        if done.is_err() {
            agent.on_disconnected();
            return Exit::LinkLost;
        }
    }
}

/// How long a source may take to close.
const CLOSE_MS: u32 = 2_000;

async fn send<D: Drive, T: Transport, S: Source, C: Timer>(
    agent: &mut D,
    transport: &mut T,
    source: &mut S,
    timer: &C,
    buffers: &mut Buffers<'_>,
    until: Millis,
) -> Result<(), Lost> {
    let Some(report) = agent.report(buffers.message) else {
        agent.on_unsendable(timer.now());
        return Ok(());
    };
    let sent = {
        let sending = pin!(transport.send(&report));
        send_and_read(agent, sending, source, timer, buffers.data, until).await
    };
    match sent {
        // Nothing will ever be sent for this item, on no link.
        Some(Err(error)) if transport.is_permanent(&error) => agent.on_unsendable(timer.now()),
        Some(result) => agent.on_sent(result.is_ok(), timer.now()),
        None => agent.on_sent(false, timer.now()),
    }
    if agent.link_is_dead() { Err(Lost) } else { Ok(()) }
}

/// Waits for `sending`, and takes what the source has meanwhile. `None`: not before `until`.
async fn send_and_read<D: Drive, F: Future, S: Source, C: Timer>(
    agent: &mut D,
    mut sending: Pin<&mut F>,
    source: &mut S,
    timer: &C,
    data: &mut [u8],
    until: Millis,
) -> Option<F::Output> {
    while timer.now() < until {
        let Some(read_until) = agent.reading(timer.now()).filter(|at| timer.now() < *at) else {
            // Nothing to read, or its time is over, which the next poll will find.
            break;
        };
        let deadline = timer.wait_until(until.min(read_until));
        match select3(sending.as_mut(), source.read(data), deadline).await {
            Either3::First(output) => return Some(output),
            Either3::Second(Ok(n)) => agent.on_data(Ok(data.get(..n).unwrap_or_default()), timer.now()),
            Either3::Second(Err(e)) => agent.on_data(Err(Fault { failure: e.failure(), text: e.text() }), timer.now()),
            Either3::Third(()) => {}
        }
    }
    match select(sending, timer.wait_until(until)).await {
        Either::First(output) => Some(output),
        Either::Second(()) => None,
    }
}

async fn listen<D: Drive, T: Transport, C: Timer>(
    agent: &mut D,
    transport: &mut T,
    timer: &C,
    buf: &mut [u8],
    until: Millis,
) -> Result<(), Lost> {
    match select(transport.recv(buf), timer.wait_until(until)).await {
        Either::First(Ok(event)) => agent.on_message(&event, timer.now()),
        Either::First(Err(_)) => return Err(Lost),
        Either::Second(()) => {}
    }
    Ok(())
}

async fn open<D: Drive, T: Transport, S: Source, C: Timer>(
    agent: &mut D,
    transport: &mut T,
    source: &mut S,
    timer: &C,
    buffers: &mut Buffers<'_>,
    ticket: u32,
    mut until: Millis,
) -> Result<(), Lost> {
    let Some(request) = agent.request(buffers.data) else {
        return Ok(());
    };
    let mut opening = pin!(source.open(request));
    loop {
        let message = transport.recv(buffers.message);
        match select3(opening.as_mut(), message, timer.wait_until(until)).await {
            Either3::First(result) => {
                opened(agent, result, timer.now());
                return Ok(());
            }
            Either3::Second(Ok(event)) => agent.on_message(&event, timer.now()),
            Either3::Second(Err(_)) => return Err(Lost),
            Either3::Third(()) => {}
        }
        // A message may have called the job off, the deadline may have passed: then the opening is dropped.
        match agent.poll(timer.now()) {
            Step::Open { ticket: now, until: next } if now == ticket => until = next,
            _ => return Ok(()),
        }
    }
}

fn opened<D: Drive, E: SourceError>(agent: &mut D, result: Result<Opened, E>, now: Millis) {
    match result {
        Ok(opened) => agent.on_opened(Ok(&opened), now),
        Err(e) => agent.on_opened(Err(Fault { failure: e.failure(), text: e.text() }), now),
    }
}

async fn read<D: Drive, T: Transport, S: Source, C: Timer>(
    agent: &mut D,
    transport: &mut T,
    source: &mut S,
    timer: &C,
    buffers: &mut Buffers<'_>,
    until: Millis,
) -> Result<(), Lost> {
    // One look at the messages first: a source that always has bytes must not keep a cancel out. The read is polled
    // first below: a flood of messages must not keep the bytes out.
    match now_or_never(transport.recv(buffers.message)).await {
        Some(Ok(event)) => agent.on_message(&event, timer.now()),
        Some(Err(_)) => return Err(Lost),
        None => {}
    }
    let Step::Read { .. } = agent.poll(timer.now()) else {
        return Ok(());
    };
    let bytes = select3(source.read(buffers.data), transport.recv(buffers.message), timer.wait_until(until)).await;
    match bytes {
        Either3::First(Ok(n)) => agent.on_data(Ok(buffers.data.get(..n).unwrap_or_default()), timer.now()),
        Either3::First(Err(e)) => {
            agent.on_data(Err(Fault { failure: e.failure(), text: e.text() }), timer.now());
        }
        Either3::Second(Ok(event)) => agent.on_message(&event, timer.now()),
        Either3::Second(Err(_)) => return Err(Lost),
        Either3::Third(()) => {}
    }
    Ok(())
}

/// Polls a cancel-safe future once.
async fn now_or_never<F: Future>(future: F) -> Option<F::Output> {
    match select(future, core::future::ready(())).await {
        Either::First(output) => Some(output),
        Either::Second(()) => None,
    }
}
