//! TCP and UDP, for the cloud and for downloads.

use ota_coap::Datagram;
use ota_download::{Connect, ConnectError, ConnectUdp};
use std::io;
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream, UdpSocket, lookup_host};

/// Bytes the kernel may hold for us: a window like that of a small IP stack, so that what a power cut loses in
/// buffers, and has to fetch again, is like on a small device too.
const WINDOW: u32 = 4096;

/// This machine's network, without TLS and DTLS.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Net;

/// An open connection.
#[derive(Debug)]
pub(crate) struct Socket(TcpStream);

impl Net {
    /// Connects to the first address of `host` that answers.
    pub(crate) async fn open(self, host: &str, port: u16) -> io::Result<Socket> {
        let mut last = io::Error::from(io::ErrorKind::NotFound);
        for address in lookup_host((host, port)).await? {
            match Self::try_open(address).await {
                Ok(stream) => return Ok(Socket(stream)),
                Err(e) => last = e,
            }
        }
        Err(last)
    }

    async fn try_open(address: SocketAddr) -> io::Result<TcpStream> {
        let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
        socket.set_recv_buffer_size(WINDOW)?;
        let stream = socket.connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }
}

impl Connect for Net {
    type Error = io::Error;
    type Socket = Socket;
    const TLS: bool = false;

    async fn connect(&mut self, host: &str, port: u16, tls: bool) -> Result<Socket, ConnectError<io::Error>> {
        if tls {
            return Err(ConnectError::NoTls);
        }
        self.open(host, port).await.map_err(ConnectError::Link)
    }
}

impl embedded_io_async::ErrorType for Socket {
    type Error = io::Error;
}

impl embedded_io_async::Read for Socket {
    async fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        self.0.read(bytes).await
    }
}

impl embedded_io_async::Write for Socket {
    async fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes).await
    }
    async fn flush(&mut self) -> io::Result<()> {
        self.0.flush().await
    }
}

/// A connected datagram socket.
#[derive(Debug)]
pub(crate) struct Udp(UdpSocket);

impl ConnectUdp for Net {
    type Error = io::Error;
    type Socket = Udp;
    const DTLS: bool = false;

    async fn connect_udp(&mut self, host: &str, port: u16, dtls: bool) -> Result<Udp, ConnectError<io::Error>> {
        if dtls {
            return Err(ConnectError::NoTls);
        }
        let address = lookup_host((host, port)).await.ok().and_then(|mut all| all.next()).ok_or(ConnectError::Name)?;
        let own: SocketAddr = if address.is_ipv4() { ([0; 4], 0).into() } else { ([0_u16; 8], 0).into() };
        let socket = UdpSocket::bind(own).await.map_err(ConnectError::Link)?;
        socket.connect(address).await.map_err(ConnectError::Link)?;
        Ok(Udp(socket))
    }
}

impl Datagram for Udp {
    type Error = io::Error;
    async fn send(&mut self, datagram: &[u8]) -> io::Result<()> {
        self.0.send(datagram).await.map(drop)
    }
    async fn receive(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.recv(buffer).await
    }
}
