//! `Connect` over tokio's sockets: what a host program writes once.

use ota_download::{Connect, ConnectError};
use std::io;
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
