//! Datagram sockets.

use crate::product::ready;
use crate::{anything, register, set_register};
use ota_coap::Datagram;
use ota_download::{ConnectError, ConnectUdp};

/// A connected UDP socket.
pub struct Udp;

/// It broke.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unreachable;

#[inline(never)]
fn receive(bytes: &mut [u8]) -> Result<usize, Unreachable> {
    bytes.iter_mut().for_each(|byte| *byte = register(70) as u8);
    anything(71)
}
#[inline(never)]
fn transmit(bytes: &[u8]) -> Result<(), Unreachable> {
    bytes.iter().for_each(|byte| set_register(72, u32::from(*byte)));
    anything(73)
}
impl Datagram for Udp {
    type Error = Unreachable;
    async fn send(&mut self, datagram: &[u8]) -> Result<(), Unreachable> {
        ready().await;
        transmit(datagram)
    }
    async fn receive(&mut self, buffer: &mut [u8]) -> Result<usize, Unreachable> {
        ready().await;
        receive(buffer)
    }
}

/// Opens them.
pub struct UdpNet;

#[inline(never)]
fn resolve(host: &str, port: u16, dtls: bool) -> Result<(), ConnectError<Unreachable>> {
    host.bytes().for_each(|byte| set_register(74, u32::from(byte)));
    set_register(75, u32::from(port) << 1 | u32::from(dtls));
    anything(76)
}
impl ConnectUdp for UdpNet {
    type Error = Unreachable;
    type Socket = Udp;
    const DTLS: bool = true;
    async fn connect_udp(&mut self, host: &str, port: u16, dtls: bool) -> Result<Udp, ConnectError<Unreachable>> {
        ready().await;
        resolve(host, port, dtls).map(|()| Udp)
    }
}
