//! Connections and datagram sockets of an `embedded-nal-async` stack.

use crate::connect::{Connect, ConnectError};
use crate::udp::ConnectUdp;
use core::net::{IpAddr, SocketAddr};
use embedded_nal_async::{AddrType, ConnectedUdp, Dns, TcpConnect, UdpStack};
use ota_coap::Datagram;

/// Plain TCP and UDP over a borrowed stack and a borrowed name service. It has neither TLS nor DTLS, and says so when
/// asked for it.
///
/// # Examples
/// ```
/// # use embedded_nal_async::{Dns, TcpConnect};
/// use ota_download::{HttpConfig, HttpSource, Nal, http::SCRATCH};
///
/// async fn fetch(stack: &(impl TcpConnect + Dns)) {
///     let mut scratch = [0; SCRATCH];
///     let mut source = HttpSource::new(Nal::new(stack, stack), &mut scratch, HttpConfig::default());
///     // source.open(..), source.read(..)
/// #   let _ = &mut source;
/// }
/// ```
#[derive(Debug)]
pub struct Nal<'n, S, D> {
    stack: &'n S,
    dns: &'n D,
    family: AddrType,
}

impl<'n, S, D: Dns> Nal<'n, S, D> {
    /// Names resolve to IPv4 addresses; literals of both families work.
    pub const fn new(stack: &'n S, dns: &'n D) -> Self {
        Self::with_family(stack, dns, AddrType::IPv4)
    }
    /// Names resolve to addresses of `family`.
    pub const fn with_family(stack: &'n S, dns: &'n D, family: AddrType) -> Self {
        Self { stack, dns, family }
    }

    async fn address(&self, host: &str) -> Option<IpAddr> {
        match host.parse() {
            Ok(literal) => Some(literal),
            Err(_) => self.dns.get_host_by_name(host, self.family.clone()).await.ok(),
        }
    }
}

// By hand: a derive would ask the stack itself to be `Copy`.
impl<S, D> Clone for Nal<'_, S, D> {
    fn clone(&self) -> Self {
        Self { stack: self.stack, dns: self.dns, family: self.family.clone() }
    }
}

impl<'n, S: TcpConnect, D: Dns> Connect for Nal<'n, S, D> {
    type Error = S::Error;
    type Socket = S::Connection<'n>;
    const TLS: bool = false;

    async fn connect(&mut self, host: &str, port: u16, tls: bool) -> Result<Self::Socket, ConnectError<S::Error>> {
        if tls {
            return Err(ConnectError::NoTls);
        }
        let address = self.address(host).await.ok_or(ConnectError::Name)?;
        self.stack.connect(SocketAddr::new(address, port)).await.map_err(ConnectError::Link)
    }
}

/// A connected UDP socket of an `embedded-nal-async` stack.
#[derive(Debug)]
pub struct NalUdp<U>(pub U);

impl<U: ConnectedUdp> Datagram for NalUdp<U> {
    type Error = U::Error;
    async fn send(&mut self, datagram: &[u8]) -> Result<(), U::Error> {
        self.0.send(datagram).await
    }
    async fn receive(&mut self, buffer: &mut [u8]) -> Result<usize, U::Error> {
        self.0.receive_into(buffer).await
    }
}

impl<S: UdpStack, D: Dns> ConnectUdp for Nal<'_, S, D> {
    type Error = S::Error;
    type Socket = NalUdp<S::Connected>;
    const DTLS: bool = false;

    async fn connect_udp(&mut self, host: &str, port: u16, dtls: bool) -> Result<Self::Socket, ConnectError<S::Error>> {
        if dtls {
            return Err(ConnectError::NoTls);
        }
        let address = self.address(host).await.ok_or(ConnectError::Name)?;
        let (_, socket) = self.stack.connect(SocketAddr::new(address, port)).await.map_err(ConnectError::Link)?;
        Ok(NalUdp(socket))
    }
}
