//! `Connect` over tokio's sockets, and a timer: what a host program writes once.

use ota_download::{Connect, ConnectError};
use ota_hal::{Clock, Millis, Timer};
use std::io;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Plain TCP, without TLS.
#[derive(Debug, Clone, Copy, Default)]
pub struct Tcp;

/// An open connection.
#[derive(Debug)]
pub struct Socket(pub TcpStream);

impl Connect for Tcp {
    type Error = io::Error;
    type Socket = Socket;
    const TLS: bool = false;

    async fn connect(&mut self, host: &str, port: u16, tls: bool) -> Result<Socket, ConnectError<io::Error>> {
        if tls {
            return Err(ConnectError::NoTls);
        }
        let stream = TcpStream::connect((host, port)).await.map_err(ConnectError::Link)?;
        Ok(Socket(stream))
    }
}

impl embedded_io_async::ErrorType for Socket {
    type Error = io::Error;
}
impl embedded_io_async::Read for Socket {
    async fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.0.read(buf).await
    }
}
impl embedded_io_async::Write for Socket {
    async fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.0.write(buf).await
    }
    async fn flush(&mut self) -> io::Result<()> {
        self.0.flush().await
    }
}

/// Milliseconds since it was made.
#[derive(Debug, Clone, Copy)]
pub struct Ticks(pub Instant);

impl Clock for Ticks {
    fn now(&self) -> Millis {
        Millis(self.0.elapsed().as_millis() as u64)
    }
}
impl Timer for Ticks {
    async fn wait_until(&self, at: Millis) {
        tokio::time::sleep(Duration::from_millis(at.since(self.now()))).await;
    }
}
