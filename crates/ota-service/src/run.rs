//! The async driver: a loop that carries the agent's wishes out, one at a time, each with a deadline.

use crate::{Drive, Fault, Step};
use core::future::{Future, poll_fn};
use core::pin::{Pin, pin};
use core::task::Poll;
use ota_download::{Opened, Request, Source, SourceError};
use ota_hal::{Millis, Timer};
use ota_transport::{Event, Locator, Offer, Report, Transport};

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

/// What the source is to do meanwhile.
enum Work<'b> {
    Open(Request<'b>),
    Read(&'b mut [u8]),
    Close,
    Nothing,
}

/// What the source has done.
enum Done {
    Opened(Result<Opened, Fault>),
    Read(Result<usize, Fault>),
    Closed,
}

/// What happened first.
enum Next<M> {
    Done(Done),
    Link(M),
    Deadline,
}

/// The messaging link failed.
struct Lost;

/// What became of a report.
enum Sent {
    Yes,
    No,
    /// The other side wants it later, after so many milliseconds.
    Later(u32),
    /// Nothing will ever be sent for this item, on no link.
    Never,
}

/// When the link is looked at.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Look {
    First,
    Second,
    /// Not while the source closes.
    Never,
}

/// All waiting is done in two places, here and in [`send`]: each further one would be a copy of the futures it waits for.
async fn drive<D: Drive, T: Transport, S: Source, C: Timer>(
    agent: &mut D,
    transport: &mut T,
    source: &mut S,
    timer: &C,
    buffers: &mut Buffers<'_>,
) -> Exit {
    // Source and messages are looked at first in turns: neither one that always has something keeps the other out.
    let mut look = Look::First;
    'link: loop {
        let begun = agent.poll(timer.now());
        let (work, mut until) = match begun {
            Step::Reset => return Exit::Reset,
            Step::Send { until } => {
                send(agent, transport, source, timer, buffers, until).await;
                if agent.link_is_dead() {
                    break;
                }
                continue;
            }
            Step::Open { until, .. } => match agent.request(buffers.data) {
                Some(request) => (Work::Open(request), until),
                None => continue,
            },
            Step::Read { until } => (Work::Read(buffers.data), until),
            // Closing may say goodbye to the peer; it must not hang on it.
            Step::Close => (Work::Close, timer.now().after(CLOSE_MS)),
            Step::Wait { until } => (Work::Nothing, until),
        };
        if begun == Step::Close {
            look = Look::Never;
        }
        let done = {
            let mut work = pin!(perform(source, work));
            loop {
                let hear = hear::<D, T, S, C>(agent, transport, timer, buffers.message);
                match next(work.as_mut(), hear, timer.wait_until(until), look).await {
                    Next::Done(done) => break Some(done),
                    Next::Link(Ok(())) => look = Look::Second,
                    Next::Link(Err(Lost)) => break 'link,
                    Next::Deadline if begun == Step::Close => break Some(Done::Closed),
                    Next::Deadline => {}
                }
                // A message may have called the job off, the deadline may have passed: then an opening is dropped.
                let Step::Open { ticket, .. } = begun else { break None };
                match agent.poll(timer.now()) {
                    Step::Open { ticket: now, until: next } if now == ticket => until = next,
                    _ => break None,
                }
            }
        };
        if let Some(done) = done {
            look = Look::First;
            tell(agent, &done, buffers.data, timer.now());
        }
    }
    agent.on_disconnected();
    Exit::LinkLost
}

/// How long a source may take to close.
const CLOSE_MS: u32 = 2_000;

/// Takes one message. Here and not in the loop, so that it is not moved.
async fn hear<D: Drive, T: Transport, S: Source, C: Timer>(
    agent: &mut D,
    transport: &mut T,
    timer: &C,
    buf: &mut [u8],
) -> Result<(), Lost> {
    let event = transport.recv(buf).await.map_err(|_| Lost)?;
    let unservable = match &event {
        Event::Offer(offer) => refusal::<S>(offer).map(|why| (offer, why)),
        _ => None,
    };
    match unservable {
        Some((offer, why)) => agent.on_unservable(offer, why, timer.now()),
        None => agent.on_message(&event, timer.now()),
    }
    Ok(())
}

/// Why the source can never open what this offer names.
fn refusal<S: Source>(offer: &Offer<'_>) -> Option<&'static str> {
    match offer.locator {
        Locator::Url(url) => S::refuses(url),
        Locator::Stream { .. } => None,
    }
}

async fn perform<S: Source>(source: &mut S, work: Work<'_>) -> Done {
    match work {
        Work::Open(request) => Done::Opened(source.open(request).await.map_err(fault)),
        Work::Read(bytes) => Done::Read(source.read(bytes).await.map_err(fault)),
        Work::Close => {
            source.close().await;
            Done::Closed
        }
        Work::Nothing => core::future::pending().await,
    }
}

fn fault<E: SourceError>(error: E) -> Fault {
    Fault { failure: error.failure(), text: error.text() }
}

fn tell<D: Drive>(agent: &mut D, done: &Done, data: &[u8], now: Millis) {
    match done {
        Done::Opened(result) => agent.on_opened(result.as_ref().map_err(|fault| *fault), now),
        Done::Read(result) => agent.on_data(result.map(|n| data.get(..n).unwrap_or_default()), now),
        Done::Closed => agent.on_closed(),
    }
}

async fn next<L: Future>(
    mut work: Pin<&mut impl Future<Output = Done>>,
    link: L,
    deadline: impl Future<Output = ()>,
    look: Look,
) -> Next<L::Output> {
    let (mut link, mut deadline) = (pin!(link), pin!(deadline));
    poll_fn(|context| {
        // Two calls, not a loop over both: that would be unrolled, with a copy of each future.
        if look == Look::First
            && let Poll::Ready(output) = link.as_mut().poll(context)
        {
            return Poll::Ready(Next::Link(output));
        }
        if let Poll::Ready(done) = work.as_mut().poll(context) {
            return Poll::Ready(Next::Done(done));
        }
        if look == Look::Second
            && let Poll::Ready(output) = link.as_mut().poll(context)
        {
            return Poll::Ready(Next::Link(output));
        }
        deadline.as_mut().poll(context).map(|()| Next::Deadline)
    })
    .await
}

/// Sends what is due, and takes what the source has meanwhile.
async fn send<D: Drive, T: Transport, S: Source, C: Timer>(
    agent: &mut D,
    transport: &mut T,
    source: &mut S,
    timer: &C,
    buffers: &mut Buffers<'_>,
    until: Millis,
) {
    let Some(report) = agent.report(buffers.message) else {
        return agent.on_unsendable(timer.now());
    };
    let sent = {
        let mut sending = pin!(async {
            match transport.send(&report).await {
                Ok(()) => Sent::Yes,
                Err(error) if transport.is_permanent(&error) => Sent::Never,
                Err(error) => transport.retry_after_ms(&error).map_or(Sent::No, Sent::Later),
            }
        });
        loop {
            let now = timer.now();
            // Nothing to read, or its time is over, which the next poll will find.
            let (work, deadline) = match agent.reading(now).filter(|at| now < *at && now < until) {
                Some(read_until) => (Work::Read(buffers.data), until.min(read_until)),
                None => (Work::Nothing, until),
            };
            let next = {
                let work = pin!(perform(source, work));
                next(work, sending.as_mut(), timer.wait_until(deadline), Look::First).await
            };
            match next {
                Next::Link(sent) => break sent,
                Next::Done(done) => tell(agent, &done, buffers.data, timer.now()),
                Next::Deadline if deadline == until => break Sent::No,
                Next::Deadline => {}
            }
        }
    };
    match sent {
        Sent::Yes => agent.on_sent(true, timer.now()),
        Sent::No => agent.on_sent(false, timer.now()),
        Sent::Later(ms) => agent.on_put_off(ms, timer.now()),
        Sent::Never => agent.on_unsendable(timer.now()),
    }
}
