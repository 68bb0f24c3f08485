//! The executor: polls two futures when something happened, feeds the watchdog after each turn, sleeps otherwise.
//!
//! The tick of the clock counts as something that happened, so timers need no queue: they look at the clock. Two
//! futures and not one of both: the IP stack is woken by each look at a socket, and must not wake the one who looks.

use crate::wake;
use core::future::Future;
use core::pin::{Pin, pin};
use core::task::{Context, Poll};
use ota_hal::Watchdog;

const MAIN: usize = 1 << 0;
const AIDE: usize = 1 << 1;

/// Runs `main` to its end, and `aide` beside it. Nobody else feeds `watchdog`: a future that does not return from a
/// poll starves it.
pub fn run<M: Future, A: Future>(main: M, aide: A, mut watchdog: impl Watchdog) -> M::Output {
    let (mut main, mut aide) = (pin!(main), pin!(aide));
    loop {
        let work = wake::sleep();
        if work & MAIN != 0
            && let Poll::Ready(output) = poll(main.as_mut(), MAIN)
        {
            return output;
        }
        // After `main`: what it has just written leaves in the same turn.
        if work & AIDE != 0 {
            let _ = poll(aide.as_mut(), AIDE);
        }
        watchdog.feed();
    }
}

fn poll<F: Future>(future: Pin<&mut F>, bit: usize) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(&wake::waker(bit)))
}
