//! The sample application on this board, executed in place from either slot.
#![no_std]
#![no_main]

mod hardware;
mod udp;

use board::console::Uart;
use board::entropy::Chance;
use board::ethernet::Lan9118;
use board::factory::Factory;
use board::flash::{Psram, region};
use board::map::{LAYOUT, running_slot, slot_address};
use board::reset::{Processor, reset};
use board::time::{self, Uptime};
use board::watchdog::Dog;
use board::{executor, trust};
use common::text::Line;
use core::cell::RefCell;
use cortex_m_rt::entry;
use embassy_net::dns::DnsSocket;
use embassy_net::tcp::client::TcpClient;
use hardware::{Log, Memory, Mps2, Net, Note, Terminal, heard, log, unheard};
use ota_boot::Boot;
use ota_download::{CoapConfig, CoapSource, Either, HttpConfig, HttpSource};
use ota_hal::{Journal, ResetCause, SharedJournal, SlotId};
use ota_service::{Agent, Buffers, Parts, PatchTarget, Policy, SlotTarget};
use ota_transport::mqtt::Inbox;
use otaapp::device::{Device, Link, Local, Over, Server, Shell};
use otaapp::product::{Fault, Product, VERSION};
use otaapp::trace::Traced;
use udp::Sockets;

/// The broker when the factory named none: the host, as the emulator's network shows it.
const BROKER: Server<'static> = Server { over: Over::Mqtt, host: "10.0.2.2", port: 1883 };

#[entry]
fn main() -> ! {
    static mut MEMORY: Memory = Memory::new();
    let uart = Uart::start_waking();
    // The loader starts this program from a slot, and nothing else takes these two.
    let (Some(running), Some(core)) = (running_slot(), cortex_m::Peripherals::take()) else { reset(ResetCause::Fault) };
    uart.write_all(&["otaapp ", VERSION, ": slot ", if running == SlotId::A { "A" } else { "B" }, "\n"]);
    match Fault::BUILT_IN {
        Fault::Hang => loop {
            cortex_m::asm::nop();
        },
        Fault::Crash => cortex_m::asm::udf(),
        Fault::None | Fault::Gate => {}
    }
    time::start(core.SYST);
    device(uart, running, MEMORY);
    reset(ResetCause::Software)
}

/// Puts the device together and runs it; returns when it is to be reset.
fn device(uart: Uart, running: SlotId, memory: &mut Memory) {
    let (Some(keys), Some(flash)) = (trust::key(), Psram::take(LAYOUT.slot(running))) else { return };
    let flash = RefCell::new(flash);
    let Ok(journal) = Journal::mount(region(&flash, LAYOUT.journal())) else {
        return uart.write("journal: the flash failed\n");
    };
    let journal = RefCell::new(journal);
    let journal = SharedJournal::new(&journal);
    let factory = Factory::read(&flash);
    let server = factory.value("broker").and_then(Server::parse).unwrap_or(BROKER);

    let Some(ethernet) = Lan9118::start() else { return uart.write("ethernet: no controller\n") };
    let mut chance = chance(ethernet.address());
    let config = embassy_net::Config::dhcpv4(Default::default());
    let (stack, mut runner) = embassy_net::new(ethernet, config, &mut memory.stack, chance.next_u64());
    let (tcp, dns) = (TcpClient::new(stack, &memory.tcp), DnsSocket::new(stack));
    let sockets = Sockets::new(stack, &mut memory.udp);
    let net = Net::new(stack, &tcp, &sockets, &dns);
    let coap = CoapSource::new(net.clone(), Uptime, chance, &mut memory.blocks, CoapConfig::default());
    let source = Either::new(coap, HttpSource::new(net.clone(), &mut memory.scratch, HttpConfig::default()));
    let note: Note = if factory.value("trace") == Some("1") { heard } else { unheard };
    let mut source = Traced::new(source, note);

    let boot = Boot::new(journal, running);
    let other = running.other();
    let slot = SlotTarget::new(region(&flash, LAYOUT.slot(other)), other, &keys, trust::IDENTITY);
    let slot = slot.linked_at(slot_address(other));
    let target = PatchTarget::new(slot, region(&flash, LAYOUT.slot(running)), &mut memory.decoder);
    let app = Product::new(Fault::BUILT_IN, Dog::running(), log as Log);
    let parts = Parts { boot, target, journal, keys: &keys, identity: trust::IDENTITY, app, entropy: chance };
    let policy = Policy { bare_image: true, ..Policy::new() };
    let mut agent: Device<'_, Mps2<'_>> = Agent::new(parts, policy, &mut memory.envelope);
    let mut link: Link<'_, '_, Mps2<'_>> = Link {
        local: Local {
            source: &mut source,
            timer: Uptime,
            buffers: Buffers { message: &mut memory.message, data: &mut memory.data },
            shell: Shell::new(boot, journal, Terminal(uart)),
        },
        connect: net,
        entropy: chance,
        inbox: Inbox::new(&mut memory.inbox),
        packets: (&mut memory.received, &mut memory.sent),
        server,
    };
    executor::run(link.run(&mut agent), runner.run(), Dog::running());
}

/// Numbers of this device at this start.
fn chance([a, b, c, d, e, f]: [u8; 6]) -> Chance {
    let starts = Processor::handed_over().starts();
    Chance::seeded(&[u32::from_le_bytes([c, d, e, f]), u32::from_le_bytes([a, b, 0, 0]), starts])
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    reset(ResetCause::Fault)
}
