//! This board, as the application sees it.

use crate::udp::{self, Numbered, Udp, UdpBuffers, UdpError};
use board::console::Uart;
use board::entropy::Chance;
use board::flash::Psram;
use board::time::Uptime;
use board::watchdog::Dog;
use common::text::Line;
use core::future::poll_fn;
use core::marker::PhantomData;
use core::net::SocketAddr;
use core::task::Poll;
use embassy_net::dns::DnsSocket;
use embassy_net::tcp::client::{TcpClient, TcpClientState};
use embassy_net::{Stack, StackResources};
use ota_download::{CoapSource, Connect, ConnectError, ConnectUdp, Either, HttpSource, Nal, coap, http};
use ota_hal::Shared;
use ota_service::patch_target::{Decoder, M, Thumb};
use ota_service::{ENVELOPE_BUFFER, Notice, PatchTarget};
use ota_verify::rsa::Rsa2048Pss;
use otaapp::device::{Console, Platform, tell};
use otaapp::trace::Traced;

/// Broker, download, and the one that is being replaced.
const SOCKETS: usize = 3;
/// Bytes a socket holds for us: what a power cut loses in buffers has to be fetched again.
const TCP_RX: usize = 4096;
/// Bytes a socket holds for the other side.
const TCP_TX: usize = 1024;
/// The largest message: an offer with a URL of 2 KiB and a cloud signature.
const MESSAGE: usize = 4096;
/// Reports under way.
const REPORTS: usize = 2048;
/// Room for a URL of 1 KiB; more would be fetched twice after a power cut.
const READ_BUFFER: usize = 1536;

/// All buffers of the application. There is no heap.
pub(crate) struct Memory {
    /// Sockets for TCP and UDP, and those of DHCP and DNS.
    pub(crate) stack: StackResources<{ SOCKETS + udp::SOCKETS + 2 }>,
    pub(crate) tcp: TcpClientState<SOCKETS, TCP_TX, TCP_RX>,
    pub(crate) udp: [UdpBuffers; udp::SOCKETS],
    pub(crate) scratch: [u8; http::SCRATCH],
    pub(crate) blocks: [u8; coap::SCRATCH],
    pub(crate) decoder: Decoder<M, Thumb>,
    pub(crate) envelope: [u8; ENVELOPE_BUFFER],
    pub(crate) message: [u8; MESSAGE],
    pub(crate) data: [u8; READ_BUFFER],
    pub(crate) inbox: [u8; MESSAGE],
    pub(crate) received: [u8; MESSAGE],
    pub(crate) sent: [u8; REPORTS],
}

impl Memory {
    pub(crate) const fn new() -> Self {
        Self {
            stack: StackResources::new(),
            tcp: TcpClientState::new(),
            udp: [const { UdpBuffers::new() }; udp::SOCKETS],
            scratch: [0; http::SCRATCH],
            blocks: [0; coap::SCRATCH],
            decoder: Decoder::idle(),
            envelope: [0; ENVELOPE_BUFFER],
            message: [0; MESSAGE],
            data: [0; READ_BUFFER],
            inbox: [0; MESSAGE],
            received: [0; MESSAGE],
            sent: [0; REPORTS],
        }
    }
}

type Tcp<'n> = TcpClient<'n, SOCKETS, TCP_TX, TCP_RX>;

/// Plain TCP and UDP over the board's IP stack, as soon as it has an address.
#[derive(Clone)]
pub(crate) struct Net<'n> {
    stack: Stack<'n>,
    nal: Nal<'n, Tcp<'n>, DnsSocket<'n>>,
    dns: &'n DnsSocket<'n>,
    sockets: &'n dyn Numbered,
}

impl<'n> Net<'n> {
    pub(crate) const fn new(
        stack: Stack<'n>,
        tcp: &'n Tcp<'n>,
        sockets: &'n dyn Numbered,
        dns: &'n DnsSocket<'n>,
    ) -> Self {
        Self { stack, nal: Nal::new(tcp, dns), dns, sockets }
    }
}

impl<'n> Connect for Net<'n> {
    type Error = <Nal<'n, Tcp<'n>, DnsSocket<'n>> as Connect>::Error;
    type Socket = <Nal<'n, Tcp<'n>, DnsSocket<'n>> as Connect>::Socket;
    const TLS: bool = false;

    async fn connect(&mut self, host: &str, port: u16, tls: bool) -> Result<Self::Socket, ConnectError<Self::Error>> {
        self.stack.wait_config_up().await;
        self.nal.connect(host, port, tls).await
    }
}

impl<'n> ConnectUdp for Net<'n> {
    type Error = UdpError;
    type Socket = Udp<'n>;
    const DTLS: bool = false;

    async fn connect_udp(&mut self, host: &str, port: u16, dtls: bool) -> Result<Udp<'n>, ConnectError<UdpError>> {
        if dtls {
            return Err(ConnectError::NoTls);
        }
        self.stack.wait_config_up().await;
        let address = udp::address(self.dns, host).await.ok_or(ConnectError::Name)?;
        Udp::connect(self.sockets, SocketAddr::new(address, port))
    }
}

/// Prints what an update tells.
pub(crate) type Log = fn(Notice<'_>);
type Flash<'a> = Shared<'a, Psram>;
type Key = Rsa2048Pss<'static>;

/// The board's types.
pub(crate) struct Mps2<'a>(PhantomData<&'a ()>);

impl<'a> Platform for Mps2<'a> {
    type Flash = Flash<'a>;
    type Target = PatchTarget<'a, Flash<'a>, Key, M, Thumb>;
    type Keys = Key;
    type Connect = Net<'a>;
    type Source = Traced<Either<CoapSource<'a, Net<'a>, Uptime, Chance>, HttpSource<'a, Net<'a>>>, Note>;
    type Timer = Uptime;
    type Entropy = Chance;
    type Console = Terminal;
    type Watchdog = Dog;
    type Log = Log;
}

/// Takes offset and length of each read of a download.
pub(crate) type Note = fn(u32, usize);

/// Prints them, so that an observer can count what came twice: `trace=1` in the factory sector.
pub(crate) fn heard(offset: u32, len: usize) {
    let uart = Uart::running();
    uart.write("got ");
    uart.write_number(offset);
    uart.write(" ");
    uart.write_number(u32::try_from(len).unwrap_or(u32::MAX));
    uart.write("\n");
}
/// Does not.
pub(crate) fn unheard(_: u32, _: usize) {}

/// What an update tells goes to the console.
pub(crate) fn log(notice: Notice<'_>) {
    tell(Terminal(Uart::running()), notice);
}

/// The UART, where people type and read.
#[derive(Clone, Copy)]
pub(crate) struct Terminal(pub(crate) Uart);

impl Console for Terminal {
    fn print(&self, text: &str) {
        self.0.write(text);
    }
    fn print_number(&self, number: u32) {
        self.0.write_number(number);
    }
    async fn byte(&self) -> u8 {
        // Polled after every interrupt: nobody has to be woken.
        poll_fn(|_| self.0.read().map_or(Poll::Pending, Poll::Ready)).await
    }
}
