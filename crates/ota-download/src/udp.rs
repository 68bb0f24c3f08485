//! The seam to the network, for datagrams.

use crate::ConnectError;
use ota_coap::Datagram;

/// Opens datagram sockets.
///
/// # For implementers
/// `host` is a name, an IPv4 address or an IPv6 address without brackets. The socket is connected: it passes on only what
/// comes from the address and port that `host` and `port` led to. With `dtls` true, either verify the peer for `host` or
/// return [`ConnectError::NoTls`]. A dropped socket must let go of its port.
///
/// # For users
/// [`crate::Nal`] adapts any `embedded-nal-async` stack.
pub trait ConnectUdp {
    /// Why the network failed.
    type Error: core::fmt::Debug;
    /// A socket connected to one peer.
    type Socket: Datagram<Error = Self::Error>;
    /// Whether DTLS can be had. If not, `coaps` URLs are refused before anything is opened.
    const DTLS: bool;

    /// Opens a socket for `host`.
    ///
    /// # Cancellation
    /// A dropped future leaves no socket behind.
    ///
    /// # Errors
    /// See [`ConnectError`].
    async fn connect_udp(
        &mut self,
        host: &str,
        port: u16,
        dtls: bool,
    ) -> Result<Self::Socket, ConnectError<Self::Error>>;
}

impl<C: ConnectUdp> ConnectUdp for &mut C {
    type Error = C::Error;
    type Socket = C::Socket;
    const DTLS: bool = C::DTLS;
    async fn connect_udp(
        &mut self,
        host: &str,
        port: u16,
        dtls: bool,
    ) -> Result<Self::Socket, ConnectError<Self::Error>> {
        (**self).connect_udp(host, port, dtls).await
    }
}
