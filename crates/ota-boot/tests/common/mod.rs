//! A device on simulated flash: two slots of two sectors, a journal of two one-sector banks, images of one sector and a bit.
#![allow(dead_code, unreachable_pub)] // each test program uses its own part of this

pub mod cases;
pub mod life;

use ota_boot::loader::{Config, Decision, boot, boot_unrecorded};
use ota_boot::{Boot, Copied, Placement, Record};
use ota_hal::reset::NoWatchdog;
use ota_hal::{Flash, Journal, Kind, Layout, Partition, Region, ResetCause, Shared, SharedJournal, SlotId};
use ota_testkit::{SimError, SimFlash};
use ota_verify::{
    Algorithm, Identity, KeyId, Keys, Rules, SignatureError, Uuid, Verified, digest_region, verify_image,
};
use std::cell::RefCell;

pub const SECTOR: usize = 256;
pub const LAYOUT: Layout = const {
    let sector = SECTOR as u32;
    Layout::new(
        Partition::new(0, 2 * sector),
        Partition::new(2 * sector, 2 * sector),
        Partition::new(4 * sector, 2 * sector),
        sector,
    )
};
pub const SLOTS: [SlotId; 2] = [SlotId::A, SlotId::B];
pub const KEY: KeyId = KeyId([0x4B; 32]);
pub const IDENTITY: Identity = Identity { vendor: Uuid([0x11; 16]), class: Uuid([0x22; 16]) };

/// Stands for a signature scheme: what it would verify is the business of `ota-verify`.
#[derive(Debug)]
pub struct TestKey;

pub fn sign(digest: &[u8; 32]) -> Vec<u8> {
    digest.iter().chain(digest.iter().rev()).map(|byte| byte ^ 0xA5).collect()
}

impl Keys for TestKey {
    fn verify(
        &self,
        id: &KeyId,
        algorithm: Algorithm,
        digest: &[u8; 32],
        signature: &[u8],
    ) -> Result<(), SignatureError> {
        if *id != KEY || algorithm != Algorithm::Ed25519 {
            return Err(SignatureError::UnknownKey);
        }
        if signature == sign(digest) { Ok(()) } else { Err(SignatureError::Mismatch) }
    }
}

pub fn rules(floor: u32) -> Rules<'static, TestKey> {
    Rules { keys: &TestKey, identity: IDENTITY, floor }
}

/// The payload of image `n`: every byte depends on `n`, so a mix of two images shows.
pub fn payload(n: u8) -> Vec<u8> {
    (0..72).map(|i: u8| i.wrapping_mul(7) ^ n.wrapping_mul(31)).collect()
}

/// Image `n`, version n.0.0, with this security counter.
pub fn image_with(n: u8, counter: u32) -> Vec<u8> {
    build(n, counter, &payload(n))
}

/// An image of this payload.
pub fn build(n: u8, counter: u32, payload: &[u8]) -> Vec<u8> {
    assemble(n, counter, payload, [0, 0])
}

/// Image `n` with this load address and these flags.
pub fn image_at(n: u8, address_and_flags: [u32; 2]) -> Vec<u8> {
    assemble(n, n.into(), &payload(n), address_and_flags)
}

fn assemble(n: u8, counter: u32, payload: &[u8], [address, flags]: [u32; 2]) -> Vec<u8> {
    let mut image = Vec::new();
    image.extend(0x96F3_B83D_u32.to_le_bytes());
    image.extend(address.to_le_bytes());
    image.extend(32u16.to_le_bytes());
    image.extend(52u16.to_le_bytes());
    image.extend(u32::try_from(payload.len()).unwrap().to_le_bytes());
    image.extend(flags.to_le_bytes());
    image.extend([n, 0, 0, 0, 0, 0, 0, 0]);
    image.extend(0u32.to_le_bytes());
    image.extend(payload);
    let tlv = |image: &mut Vec<u8>, kind: u16, value: &[u8]| {
        image.extend(kind.to_le_bytes());
        image.extend(u16::try_from(value.len()).unwrap().to_le_bytes());
        image.extend(value);
    };
    image.extend([0x08, 0x69, 52, 0]);
    tlv(&mut image, 0x50, &counter.to_le_bytes());
    tlv(&mut image, 0x74, &IDENTITY.vendor.0);
    tlv(&mut image, 0x75, &IDENTITY.class.0);
    let signed = u32::try_from(image.len()).unwrap();
    let digest = digest_region(&mut image.as_slice(), signed).unwrap();
    image.extend([0x07, 0x69, 144, 0]);
    tlv(&mut image, 0x10, &digest);
    tlv(&mut image, 0x01, &KEY.0);
    tlv(&mut image, 0x24, &sign(&digest));
    image
}

/// Image `n`, whose counter is its number.
pub fn image(n: u8) -> Vec<u8> {
    image_with(n, n.into())
}

/// What a reset led to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Started {
    /// This image runs.
    Image { n: u8, slot: SlotId, trial: bool },
    /// Nothing may be started.
    Recovery,
    /// The power went while the loader worked.
    NoPower,
}

pub type Sim<const W: usize = 8, const E: u8 = 0xFF> = SimFlash<W, E, SECTOR>;
type Lent<'a, const W: usize, const E: u8> = Region<Shared<'a, Sim<W, E>>>;
type LentJournal<'a, const W: usize, const E: u8> = Shared<'a, Sim<W, E>>;

#[derive(Clone)]
pub struct Device<const W: usize = 8, const E: u8 = 0xFF> {
    pub flash: RefCell<Sim<W, E>>,
}

impl<const W: usize, const E: u8> Device<W, E> {
    /// Image 1 in slot A, everything else erased.
    pub fn factory(flash: Sim<W, E>) -> Self {
        let mut device = Self { flash: RefCell::new(flash) };
        device.write(SlotId::A, &image(1)).unwrap();
        device
    }

    pub fn blank() -> Sim<W, E> {
        Sim::new(6 * SECTOR as u32)
    }

    pub fn region(&self, partition: Partition) -> Lent<'_, W, E> {
        Region::new(Shared::new(&self.flash), partition)
    }
    pub fn slot(&self, slot: SlotId) -> Lent<'_, W, E> {
        self.region(LAYOUT.slot(slot))
    }

    /// Reset: the loader runs, and what it decided on is read as the processor would.
    pub fn start(&mut self, cause: ResetCause) -> Started {
        self.start_with(&rules(0), cause)
    }

    pub fn start_with(&mut self, rules: &Rules<'_, TestKey>, cause: ResetCause) -> Started {
        match self.decide(rules, cause, Copied) {
            Some(Decision::Boot { proof, trial }) => {
                Started::Image { n: self.execute(&proof), slot: proof.slot(), trial }
            }
            Some(Decision::Recovery { .. }) => Started::Recovery,
            None => Started::NoPower,
        }
    }

    /// What the loader decides; `None` when the power went before it could.
    pub fn decide(
        &mut self,
        rules: &Rules<'_, TestKey>,
        cause: ResetCause,
        placement: impl Placement,
    ) -> Option<Decision> {
        let config = Config::new(placement);
        let mut slots = SLOTS.map(|slot| self.slot(slot));
        let decision = match Journal::mount(self.region(LAYOUT.journal())) {
            Ok(mut journal) => boot(&mut journal, &mut slots, rules, cause, &config, &mut NoWatchdog),
            Err(_) => boot_unrecorded(&mut slots, rules, &config, &mut NoWatchdog),
        };
        self.flash.borrow().is_powered().then_some(decision)
    }

    /// The number of the image that runs; it must be whole, and the one that was proven.
    fn execute(&self, proof: &Verified) -> u8 {
        let n = proof.version().major;
        assert_eq!(proof.payload_offset(), 32);
        let from = LAYOUT.slot(proof.slot()).start as usize + 32;
        let flash = self.flash.borrow();
        assert_eq!(flash.cells()[from..from + 72], payload(n), "a mix of images runs");
        n
    }

    /// Lets the application use boot control.
    pub fn with_boot<R>(&self, running: SlotId, act: impl FnOnce(Boot<'_, LentJournal<'_, W, E>>) -> R) -> Option<R> {
        let journal = RefCell::new(Journal::mount(self.region(LAYOUT.journal())).ok()?);
        Some(act(Boot::new(SharedJournal::new(&journal), running)))
    }

    /// The record, whoever looks.
    pub fn record(&self) -> Record {
        let mut journal = Journal::mount(self.region(LAYOUT.journal())).unwrap();
        let mut buf = [0; 64];
        journal.read(Kind::Boot, &mut buf).unwrap().map_or(Record::FACTORY, Record::decode)
    }

    pub fn append(&self, kind: Kind, bytes: &[u8]) {
        Journal::mount(self.region(LAYOUT.journal())).unwrap().append(kind, bytes).unwrap();
    }

    /// Downloads an image.
    pub fn write(&mut self, slot: SlotId, image: &[u8]) -> Result<(), ota_hal::RegionError<SimError>> {
        let mut region = Region::new(&mut *self.flash.get_mut(), LAYOUT.slot(slot));
        let mut padded = image.to_vec();
        padded.resize(image.len().next_multiple_of(W), Sim::<W, E>::ERASE_VALUE);
        for (n, sector) in padded.chunks(SECTOR).enumerate() {
            let at = (n * SECTOR) as u32;
            region.erase(at, SECTOR as u32)?;
            for (i, chunk) in sector.chunks(128).enumerate() {
                region.write(at + (i * 128) as u32, chunk)?;
            }
        }
        Ok(())
    }

    pub fn prove(&self, slot: SlotId, floor: u32) -> Option<Verified> {
        verify_image(&mut self.slot(slot), slot, &rules(floor)).ok()
    }

    /// One byte of the slot decays.
    pub fn decay(&mut self, slot: SlotId, offset: u32) {
        self.flash.get_mut().decay(LAYOUT.slot(slot).start + offset, 0x04);
    }
}
