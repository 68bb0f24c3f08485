//! The seam to the network: who can open a byte stream to a host.

use embedded_io_async::{Read, Write};

/// Why no connection came about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConnectError<E> {
    /// TLS was asked for and this connector has none. Never answered with a plain connection instead.
    NoTls,
    /// The host name has no address, or the name service did not answer. Worth another try.
    Name,
    /// The network refused, or the TLS handshake failed. Worth another try.
    Link(E),
}

/// Opens connections.
///
/// # For implementers
/// `host` is a name, an IPv4 address or an IPv6 address without brackets. With `tls` true, either verify the peer's
/// certificate for `host` or return [`ConnectError::NoTls`]. The socket's `read` must be cancel-safe (a dropped
/// future took no bytes): [`crate::Source::read`] is only as cancel-safe as this. A dropped socket must let go of the
/// connection.
///
/// # For users
/// [`crate::Nal`] adapts any `embedded-nal-async` stack.
pub trait Connect {
    /// Why the network failed.
    type Error: core::fmt::Debug;
    /// An open connection.
    type Socket: Read<Error = Self::Error> + Write<Error = Self::Error>;
    /// Whether TLS can be had. If not, `https` URLs are refused before anything is opened.
    const TLS: bool;

    /// Connects to `host`.
    ///
    /// # Cancellation
    /// A dropped future leaves no connection behind.
    ///
    /// # Errors
    /// See [`ConnectError`].
    async fn connect(&mut self, host: &str, port: u16, tls: bool) -> Result<Self::Socket, ConnectError<Self::Error>>;
}

impl<C: Connect> Connect for &mut C {
    type Error = C::Error;
    type Socket = C::Socket;
    const TLS: bool = C::TLS;
    async fn connect(&mut self, host: &str, port: u16, tls: bool) -> Result<Self::Socket, ConnectError<Self::Error>> {
        (**self).connect(host, port, tls).await
    }
}
