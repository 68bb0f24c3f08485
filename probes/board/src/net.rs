//! Sockets and the clock of the MQTT client.

use crate::product::ready;
use crate::{anything, register, set_register};
use core::task::Waker;
use embedded_io_async::{ErrorKind, ErrorType, Read, Write};
use ota_download::{Connect, ConnectError};

/// A TCP connection.
pub struct Socket;

/// It broke.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Broken;

impl core::fmt::Display for Broken {
    fn fmt(&self, _: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        Ok(())
    }
}
impl core::error::Error for Broken {}
impl embedded_io_async::Error for Broken {
    fn kind(&self) -> ErrorKind {
        ErrorKind::Other
    }
}
impl ErrorType for Socket {
    type Error = Broken;
}
#[inline(never)]
fn receive(bytes: &mut [u8]) -> Result<usize, Broken> {
    bytes.iter_mut().for_each(|byte| *byte = register(70) as u8);
    anything(71)
}
#[inline(never)]
fn transmit(bytes: &[u8]) -> Result<usize, Broken> {
    bytes.iter().for_each(|byte| set_register(72, u32::from(*byte)));
    anything(73)
}
impl Read for Socket {
    async fn read(&mut self, bytes: &mut [u8]) -> Result<usize, Broken> {
        ready().await;
        receive(bytes)
    }
}
impl Write for Socket {
    async fn write(&mut self, bytes: &[u8]) -> Result<usize, Broken> {
        ready().await;
        transmit(bytes)
    }
    async fn flush(&mut self) -> Result<(), Broken> {
        ready().await;
        Ok(())
    }
}

/// Opens sockets.
pub struct Net;

#[inline(never)]
fn resolve(host: &str, port: u16, tls: bool) -> Result<(), ConnectError<Broken>> {
    host.bytes().for_each(|byte| set_register(74, u32::from(byte)));
    set_register(75, u32::from(port) << 1 | u32::from(tls));
    anything(76)
}
impl Connect for Net {
    type Error = Broken;
    type Socket = Socket;
    const TLS: bool = true;
    async fn connect(&mut self, host: &str, port: u16, tls: bool) -> Result<Socket, ConnectError<Broken>> {
        ready().await;
        resolve(host, port, tls).map(|()| Socket)
    }
}

struct Ticks;
impl embassy_time_driver::Driver for Ticks {
    #[inline(never)]
    fn now(&self) -> u64 {
        anything(80)
    }
    #[inline(never)]
    fn schedule_wake(&self, at: u64, _: &Waker) {
        set_register(82, at as u32);
    }
}
embassy_time_driver::time_driver_impl!(static TICKS: Ticks = Ticks);
