//! Connected datagram sockets over the board's IP stack, out of a fixed number of them.

use core::cell::{Cell, RefCell};
use core::future::poll_fn;
use core::net::{IpAddr, SocketAddr};
use core::task::{Context, Poll};
use embassy_net::dns::DnsSocket;
use embassy_net::udp::{PacketMetadata, RecvError, SendError, UdpSocket};
use embassy_net::{IpEndpoint, Stack};
use embedded_nal_async::{AddrType, Dns};
use ota_coap::Datagram;
use ota_download::ConnectError;

/// One for messages, one for a download.
pub(crate) const SOCKETS: usize = 2;
/// Datagrams that wait for us; one is asked for at a time, and a notification may come beside it.
const PACKETS: usize = 4;
/// Bytes of them.
const BYTES: usize = 3 * 1_280;

/// The buffers of one socket.
pub(crate) struct UdpBuffers {
    meta: [[PacketMetadata; PACKETS]; 2],
    bytes: [[u8; BYTES]; 2],
}

impl UdpBuffers {
    pub(crate) const fn new() -> Self {
        Self { meta: [[PacketMetadata::EMPTY; PACKETS]; 2], bytes: [[0; BYTES]; 2] }
    }
}

/// The sockets: each in use, or not.
pub(crate) struct Sockets<'n>([(Cell<bool>, RefCell<UdpSocket<'n>>); SOCKETS]);

impl<'n> Sockets<'n> {
    /// Adds them to the stack.
    pub(crate) fn new(stack: Stack<'n>, buffers: &'n mut [UdpBuffers; SOCKETS]) -> Self {
        Self(buffers.each_mut().map(|UdpBuffers { meta: [m, n], bytes: [a, b] }| {
            (Cell::new(false), RefCell::new(UdpSocket::new(stack, m, a, n, b)))
        }))
    }
}

/// The sockets by number: without the stack's lifetime, which no borrower of them needs to know.
pub(crate) trait Numbered {
    /// Takes a free one and binds it to a port of its own.
    fn open(&self) -> Result<usize, UdpError>;
    /// Lets go of it; what came in and was not read goes, too.
    fn close(&self, number: usize);
    /// Sends a datagram.
    fn poll_send(
        &self,
        number: usize,
        bytes: &[u8],
        to: IpEndpoint,
        context: &mut Context<'_>,
    ) -> Poll<Result<(), UdpError>>;
    /// Takes the next datagram from `from`.
    fn poll_receive(
        &self,
        number: usize,
        buffer: &mut [u8],
        from: IpEndpoint,
        context: &mut Context<'_>,
    ) -> Poll<usize>;
}

impl Numbered for Sockets<'_> {
    fn open(&self) -> Result<usize, UdpError> {
        let (number, (used, socket)) =
            self.0.iter().enumerate().find(|(_, (used, _))| !used.get()).ok_or(UdpError::InUse)?;
        socket.borrow_mut().bind(0).map_err(|_| UdpError::Port)?;
        used.set(true);
        Ok(number)
    }

    fn close(&self, number: usize) {
        if let Some((used, socket)) = self.0.get(number) {
            socket.borrow_mut().close();
            used.set(false);
        }
    }

    fn poll_send(
        &self,
        number: usize,
        bytes: &[u8],
        to: IpEndpoint,
        context: &mut Context<'_>,
    ) -> Poll<Result<(), UdpError>> {
        match self.0.get(number) {
            Some((_, socket)) => socket.borrow().poll_send_to(bytes, to, context).map_err(UdpError::Send),
            None => Poll::Ready(Err(UdpError::Port)),
        }
    }

    fn poll_receive(
        &self,
        number: usize,
        buffer: &mut [u8],
        from: IpEndpoint,
        context: &mut Context<'_>,
    ) -> Poll<usize> {
        let Some((_, socket)) = self.0.get(number) else { return Poll::Pending };
        loop {
            return match socket.borrow().poll_recv_from(buffer, context) {
                Poll::Ready(Ok((len, sender))) if sender.endpoint == from => Poll::Ready(len),
                // One that was cut is gone, and nobody knows from whom it was: an answer larger than was asked for is no answer.
                Poll::Ready(Ok(_) | Err(RecvError::Truncated)) => continue,
                Poll::Pending => Poll::Pending,
            };
        }
    }
}

/// The address of a host.
pub(crate) async fn address(dns: &DnsSocket<'_>, host: &str) -> Option<IpAddr> {
    match host.parse() {
        Ok(literal) => Some(literal),
        Err(_) => dns.get_host_by_name(host, AddrType::IPv4).await.ok(),
    }
}

/// Why the network failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum UdpError {
    /// All sockets are in use.
    InUse,
    /// No port could be taken.
    Port,
    /// The stack does not send this.
    Send(SendError),
}

/// A connected socket; dropped, it lets go of its port.
pub(crate) struct Udp<'n> {
    sockets: &'n dyn Numbered,
    number: usize,
    peer: IpEndpoint,
}

impl<'n> Udp<'n> {
    /// Takes one of `sockets` for this peer.
    ///
    /// # Errors
    /// When all are in use; and the stack's.
    pub(crate) fn connect(sockets: &'n dyn Numbered, peer: SocketAddr) -> Result<Self, ConnectError<UdpError>> {
        // The stack speaks IPv4 only.
        let SocketAddr::V4(peer) = peer else { return Err(ConnectError::Name) };
        let number = sockets.open().map_err(ConnectError::Link)?;
        Ok(Self { sockets, number, peer: peer.into() })
    }
}

impl Drop for Udp<'_> {
    fn drop(&mut self) {
        self.sockets.close(self.number);
    }
}

impl Datagram for Udp<'_> {
    type Error = UdpError;

    async fn send(&mut self, datagram: &[u8]) -> Result<(), UdpError> {
        poll_fn(|context| self.sockets.poll_send(self.number, datagram, self.peer, context)).await
    }

    async fn receive(&mut self, buffer: &mut [u8]) -> Result<usize, UdpError> {
        Ok(poll_fn(|context| self.sockets.poll_receive(self.number, buffer, self.peer, context)).await)
    }
}
