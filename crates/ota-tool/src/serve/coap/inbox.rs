//! What comes in, whatever the network says meanwhile.

use std::io;
use std::net::SocketAddr;
use tokio::net::UdpSocket;
use tokio::time::{Duration, sleep};

/// Largest datagram.
pub(super) const DATAGRAM_MAX: usize = 65_535;
/// Wait after an error: one that lasts does not take the processor.
const PAUSE: Duration = Duration::from_millis(20);

/// Where datagrams come from.
pub(super) trait Inbox {
    /// The next one: its length, and who sent it. Dropping the future loses none.
    async fn receive(&self, datagram: &mut [u8]) -> io::Result<(usize, SocketAddr)>;
}

impl Inbox for UdpSocket {
    async fn receive(&self, datagram: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        self.recv_from(datagram).await
    }
}

/// The next datagram. An error is that of an earlier one, which nobody was there to take, or passes: memory was short.
pub(super) async fn next(inbox: &impl Inbox, datagram: &mut [u8]) -> (usize, SocketAddr) {
    loop {
        match inbox.receive(datagram).await {
            Ok(received) => return received,
            Err(_) => sleep(PAUSE).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;
    use tokio::time::{Instant, timeout};

    /// Fails so often, then has a datagram.
    struct Failing(Cell<u32>);

    impl Inbox for Failing {
        async fn receive(&self, _: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
            match self.0.get() {
                0 => Ok((7, SocketAddr::from(([127, 0, 0, 1], 1)))),
                left => {
                    self.0.set(left - 1);
                    Err(io::ErrorKind::ConnectionRefused.into())
                }
            }
        }
    }

    #[tokio::test]
    async fn errors_are_passed_over_without_haste() {
        let (inbox, begin) = (Failing(Cell::new(3)), Instant::now());
        let (len, _) = timeout(Duration::from_secs(20), next(&inbox, &mut [])).await.expect("it goes on to listen");
        assert_eq!(len, 7);
        assert!(begin.elapsed() >= PAUSE * 3);
    }
}
