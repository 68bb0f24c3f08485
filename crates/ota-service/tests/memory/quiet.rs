//! Peers and an application that allocate nothing themselves.

use super::common::{DATA, End, IDENTITY, LAYOUT, OwnedOffer, World, vendor};
use core::cell::{Cell, RefCell};
use embedded_storage::nor_flash::{ErrorType, NorFlash, ReadNorFlash};
use ota_boot::Boot;
use ota_download::{Failure, Opened, Request, Source, SourceError, Validator};
use ota_hal::{Flash, Journal, Region, Shared, SharedJournal, SlotId};
use ota_service::{
    Agent, App, Buffers, Decision, ENVELOPE_BUFFER, Exit, Gate, Health, Parts, Policy, SlotTarget, block_on, run,
};
use ota_testkit::{FakeClock, Rng};
use ota_transport::{Event, Offer, Report, Transport};
use std::alloc::System;

/// A NOR part that copies nothing aside. The other tests' part checks more, and allocates for it.
pub(crate) struct QuietFlash(Box<[u8]>);

impl QuietFlash {
    pub(crate) fn copy_of(world: &World) -> RefCell<Self> {
        RefCell::new(Self(world.flash.borrow().cells().into()))
    }
    fn range(&mut self, from: u32, to: u32) -> &mut [u8] {
        &mut self.0[from as usize..to as usize]
    }
}
impl ErrorType for QuietFlash {
    type Error = core::convert::Infallible;
}
impl ReadNorFlash for QuietFlash {
    const READ_SIZE: usize = 1;
    fn read(&mut self, at: u32, bytes: &mut [u8]) -> Result<(), Self::Error> {
        bytes.copy_from_slice(self.range(at, at + bytes.len() as u32));
        Ok(())
    }
    fn capacity(&self) -> usize {
        self.0.len()
    }
}
impl NorFlash for QuietFlash {
    const WRITE_SIZE: usize = 8;
    const ERASE_SIZE: usize = 4096;
    fn erase(&mut self, from: u32, to: u32) -> Result<(), Self::Error> {
        self.range(from, to).fill(0xFF);
        Ok(())
    }
    fn write(&mut self, at: u32, bytes: &[u8]) -> Result<(), Self::Error> {
        let cells = self.range(at, at + bytes.len() as u32);
        cells.iter_mut().zip(bytes).for_each(|(cell, byte)| *cell &= byte);
        Ok(())
    }
}
impl Flash for QuietFlash {}

pub(crate) struct QuietApp(&'static str);
impl App for QuietApp {
    fn decide(&mut self, _: &Offer<'_>) -> Decision {
        Decision::Accept
    }
    fn gates(&self) -> &[Gate] {
        &[Gate { name: "cloud", timeout_ms: 60_000, check: ota_service::Check::Acknowledged }]
    }
    fn check(&mut self, _: usize) -> Health {
        Health::Pass
    }
    fn version(&self) -> &str {
        self.0
    }
}

pub(crate) struct QuietSource<'w> {
    object: &'w [u8],
    at: usize,
    opened: u32,
}

#[derive(Debug)]
pub(crate) struct Broken;
impl SourceError for Broken {
    fn failure(&self) -> Failure {
        Failure::Retry { after_ms: 0 }
    }
    fn text(&self) -> &'static str {
        "broken"
    }
}

impl Source for QuietSource<'_> {
    type Error = Broken;
    async fn open(&mut self, request: Request<'_>) -> Result<Opened, Broken> {
        self.opened += 1;
        // The second try of everything: faults must not allocate either.
        if self.opened % 2 == 1 {
            return Err(Broken);
        }
        self.at = request.offset as usize;
        let total = Some(self.object.len() as u32);
        Ok(Opened { offset: request.offset, total, validator: Validator::from_slice(b"\"x\"").map_err(|_| Broken)? })
    }
    async fn read(&mut self, bytes: &mut [u8]) -> Result<usize, Broken> {
        let rest = &self.object[self.at..];
        let n = rest.len().min(bytes.len());
        bytes[..n].copy_from_slice(&rest[..n]);
        self.at += n;
        Ok(n)
    }
    async fn close(&mut self) {}
}

pub(crate) struct QuietCloud<'w> {
    offer: Option<&'w OwnedOffer>,
    /// Ends the session when this version is informed.
    until: &'static str,
    done: Cell<bool>,
}

impl Transport for QuietCloud<'_> {
    type Error = ();
    async fn recv<'b>(&mut self, buf: &'b mut [u8]) -> Result<Event<'b>, ()> {
        if self.done.get() {
            return Err(());
        }
        match self.offer.take() {
            Some(offer) => Ok(Event::Offer(offer.lay(buf))),
            None => core::future::pending().await,
        }
    }
    async fn send(&mut self, report: &Report<'_>) -> Result<(), ()> {
        if matches!(report, Report::Version { version, .. } if *version == self.until) {
            self.done.set(true);
        }
        Ok(())
    }
}

/// One start; allocations, reallocations and deallocations from the agent's making to its last call.
pub(crate) fn session<'g>(
    flash: &RefCell<QuietFlash>,
    clock: &FakeClock,
    object: &[u8],
    offer: &OwnedOffer,
    slot: SlotId,
    wanted: End,
    measure: impl FnOnce() -> stats_alloc::Region<'g, System>,
) -> (usize, usize, usize) {
    let flash = Shared::new(flash);
    let key = vendor().key();
    let (mut envelope, mut message, mut data) = ([0; ENVELOPE_BUFFER], [0; 2048], [0; DATA]);
    let mut source = QuietSource { object, at: 0, opened: 0 };
    let first = slot == SlotId::A;
    let mut cloud = QuietCloud { offer: first.then_some(offer), until: "2.0.0", done: Cell::new(false) };
    let target = slot.other();

    let region: stats_alloc::Region<'_, System> = measure();
    let journal = RefCell::new(Journal::mount(Region::new(flash, LAYOUT.journal())).unwrap());
    let journal = SharedJournal::new(&journal);
    let parts = Parts {
        boot: Boot::new(journal, slot),
        target: SlotTarget::new(Region::new(flash, LAYOUT.slot(target)), target, &key, IDENTITY),
        journal,
        keys: &key,
        identity: IDENTITY,
        app: QuietApp(if first { "1.0.0" } else { "2.0.0" }),
        entropy: Rng::new(1),
    };
    let mut agent = Agent::new(parts, Policy::new(), &mut envelope);
    let mut buffers = Buffers { message: &mut message, data: &mut data };
    let exit = block_on(run(&mut agent, &mut cloud, &mut source, clock, &mut buffers), || {});
    let change = region.change();

    assert_eq!(exit, if wanted == End::Reset { Exit::Reset } else { Exit::LinkLost });
    (change.allocations, change.reallocations, change.deallocations)
}
