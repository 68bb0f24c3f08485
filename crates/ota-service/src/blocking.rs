//! The same driver for programs without an executor.

use crate::{Buffers, Drive, Exit, run, run_offline};
use core::future::Future;
use core::pin::pin;
use core::task::{Context, Poll, Waker};
use ota_download::Source;
use ota_hal::Timer;
use ota_transport::Transport;

/// Polls `future` to its end and calls `idle` whenever it has to wait: poll the network stack there, feed the
/// watchdog, yield to other tasks of an RTOS.
///
/// Wakers are not used; the future is polled after each `idle`, so let `idle` sleep until the next interrupt where
/// there is one.
///
/// # Examples
/// ```
/// let mut turns = 0;
/// assert_eq!(ota_service::block_on(async { 7 }, || turns += 1), 7);
/// ```
// Inlined, so that the future stays in the caller's frame: handed over, it lies on the stack twice (1.9 KB over HTTP and MQTT).
#[inline(always)]
pub fn block_on<F: Future>(future: F, mut idle: impl FnMut()) -> F::Output {
    let mut future = pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    loop {
        match future.as_mut().poll(&mut context) {
            Poll::Ready(output) => return output,
            Poll::Pending => idle(),
        }
    }
}

/// [`run()`] for a thread or a super-loop.
pub fn run_blocking<D: Drive, T: Transport, S: Source, C: Timer>(
    agent: &mut D,
    transport: &mut T,
    source: &mut S,
    timer: &C,
    buffers: &mut Buffers<'_>,
    idle: impl FnMut(),
) -> Exit {
    block_on(run(agent, transport, source, timer, buffers), idle)
}

/// [`run_offline`] for a thread or a super-loop.
pub fn run_offline_blocking<D: Drive, S: Source, C: Timer>(
    agent: &mut D,
    source: &mut S,
    timer: &C,
    data: &mut [u8],
    idle: impl FnMut(),
) -> Exit {
    block_on(run_offline(agent, source, timer, data), idle)
}
