//! A part with a running slot, the other one, and who sends.

use super::super::*;
use core::cell::RefCell;
use embedded_storage::nor_flash::NorFlash;
use ota_diff::{M, Options, encode};
use ota_hal::{Partition, Shared};
use ota_testkit::{Rng, SimFlash};
use ota_verify::{Algorithm, Identity, KeyId, SignatureError, Uuid, digest_region};
use std::vec::Vec;

pub(super) struct NoKeys;
impl Keys for NoKeys {
    fn verify(&self, _: &KeyId, _: Algorithm, _: &[u8; 32], _: &[u8]) -> Result<(), SignatureError> {
        Err(SignatureError::UnknownKey)
    }
}
pub(super) const IDENTITY: Identity = Identity { vendor: Uuid([1; 16]), class: Uuid([2; 16]) };
pub(super) const SECTOR: u32 = 4096;
/// Longest piece that a link delivers.
pub(super) const READ: usize = 700;

/// An image file of this body, as far as its length can be told.
pub(super) fn image(body: &[u8]) -> Vec<u8> {
    let mut bytes = 0x96F3_B83Du32.to_le_bytes().to_vec();
    bytes.extend([0; 4]);
    bytes.extend(32u32.to_le_bytes());
    bytes.extend((body.len() as u32).to_le_bytes());
    bytes.extend([0; 16]);
    bytes.extend(body);
    bytes.extend([0x07, 0x69, 40, 0, 0x10, 0, 32, 0]);
    bytes.extend([0xD1; 32]);
    bytes
}

pub(super) fn sha256(bytes: &[u8]) -> [u8; 32] {
    digest_region(&mut &*bytes, bytes.len() as u32).unwrap()
}

/// Two images and what turns one into the other.
#[derive(Clone)]
pub(super) struct Update {
    pub(super) old: Vec<u8>,
    pub(super) new: Vec<u8>,
    pub(super) patch: Vec<u8>,
    pub(super) plan: Plan,
}

impl Update {
    pub(super) fn new(old: Vec<u8>, new: Vec<u8>, form: Form) -> Self {
        let base = if form == Form::Delta { &old[..] } else { &[] };
        let patch = encode(base, &new, &mut Options::default()).unwrap();
        let plan = Plan { form, length: patch.len() as u32, size: new.len() as u32, digest: Some(sha256(&new)) };
        Self { old, new, patch, plan }
    }
    /// So many sectors, of which one byte in `one_in` changed.
    pub(super) fn of(seed: u64, sectors: u32, one_in: u32) -> Self {
        let mut rng = Rng::new(seed);
        let len = sectors * SECTOR - 1000 + rng.below(500);
        let old = rng.bytes(len as usize);
        let mut new = old.clone();
        for byte in &mut new {
            if rng.one_in(one_in) {
                *byte = byte.wrapping_add(1 + rng.below(255) as u8);
            }
        }
        new.splice(700..700, rng.bytes(52));
        Self::new(image(&old), image(&new), Form::Delta)
    }
    /// Sectors that changed all over, and many behind them that did not: the last bytes of the patch are good for all those.
    pub(super) fn early(seed: u64, changed: u32, same: u32) -> Self {
        let mut rng = Rng::new(seed);
        let old = rng.bytes(((changed + same) * SECTOR) as usize - 900);
        let mut new = old.clone();
        rng.fill(&mut new[..(changed * SECTOR) as usize]);
        Self::new(image(&old), image(&new), Form::Delta)
    }
    /// Nothing but a patch; the old image does not help.
    pub(super) fn compressed(seed: u64, sectors: u32) -> Self {
        let mut rng = Rng::new(seed);
        let words = rng.bytes((sectors * SECTOR - 900) as usize / 2);
        let new = words.iter().flat_map(|byte| [*byte, byte & 0x1F]).collect::<Vec<_>>();
        Self::new(image(&rng.bytes(9000)), image(&new), Form::Compressed)
    }
}

/// A part: the running slot, the other one, and who sends.
pub(super) struct Device<const W: usize> {
    pub(super) flash: RefCell<SimFlash<W>>,
    pub(super) slot: Partition,
    /// What the agent's journal says is durable.
    pub(super) journal: u32,
    /// Bytes that came over the link.
    pub(super) link: u32,
    pub(super) cuts: u32,
}

pub(super) type Patching<'m, 'f, const W: usize> = PatchTarget<'m, Shared<'f, SimFlash<W>>, NoKeys, M>;

impl<const W: usize> Device<W> {
    pub(super) fn new(update: &Update, sectors: u32, left: &[u8]) -> Self {
        let slot = Partition::new(sectors * SECTOR, sectors * SECTOR);
        let mut flash = SimFlash::<W>::new(2 * slot.len);
        let mut put = |at: u32, image: &[u8]| {
            let mut bytes = image.to_vec();
            bytes.resize(bytes.len().next_multiple_of(W), 0xFF);
            flash.write(at, &bytes).unwrap();
        };
        put(0, &update.old);
        put(slot.start, left);
        flash.reset_counters();
        Self { flash: RefCell::new(flash), slot, journal: 0, link: 0, cuts: 0 }
    }
    pub(super) fn with<R>(&self, work: impl FnOnce(&mut Patching<'_, '_, W>) -> R) -> R {
        let flash = Shared::new(&self.flash);
        let mut memory = Decoder::idle();
        let slot = SlotTarget::new(Region::new(flash, self.slot), SlotId::B, &NoKeys, IDENTITY);
        work(&mut PatchTarget::new(slot, Region::new(flash, Partition::new(0, self.slot.len)), &mut memory))
    }
    /// One start: sends the rest of the payload in pieces, as the agent does; stops in front of byte `until`.
    pub(super) fn session(&mut self, update: &Update, rng: &mut Rng, until: usize) -> Result<(), SlotError> {
        let (mut journal, mut link) = (self.journal, self.link);
        let result = self.with(|target| {
            let mut at = match journal {
                0 => target.begin(&update.plan).map(|()| 0)?,
                durable => target.resume(&update.plan, durable)?,
            };
            while (at as usize) < update.patch.len().min(until) {
                let n = (1 + rng.below(READ as u32) as usize).min(update.patch.len() - at as usize);
                link += n as u32;
                let durable = target.write(&update.patch[at as usize..][..n], &mut || {})?;
                at += n as u32;
                assert!(durable <= at && durable >= journal, "{durable} durable of {at}, {journal} were before");
                journal = durable;
            }
            Ok(())
        });
        (self.journal, self.link) = (journal, link);
        result
    }
    /// Sessions until the payload is complete; power comes back after each cut.
    pub(super) fn install(&mut self, update: &Update, rng: &mut Rng) {
        while let Err(e) = self.session(update, rng, usize::MAX) {
            assert!(!self.flash.borrow().is_powered(), "{e}");
            self.flash.borrow_mut().power_on();
            self.cuts += 1;
            assert!(self.cuts < 5, "cuts without end");
        }
        assert_eq!(self.journal, update.plan.length);
        let written = self.written(update.new.len());
        let wrong: Vec<usize> = (0..written.len()).filter(|n| written[*n] != update.new[*n]).collect();
        assert!(wrong.is_empty(), "{} bytes differ, from {:?} to {:?}", wrong.len(), wrong.first(), wrong.last());
        assert_eq!(self.flash.borrow().violation(), None);
    }
    pub(super) fn written(&self, len: usize) -> Vec<u8> {
        self.flash.borrow().cells()[self.slot.start as usize..][..len].to_vec()
    }
    pub(super) fn wear(&self, sectors: core::ops::Range<u32>) -> Vec<u32> {
        let first = self.slot.start / SECTOR;
        sectors.map(|n| self.flash.borrow().wear((first + n) as usize)).collect()
    }
    /// Where the checkpoints begin, in sectors of the slot.
    pub(super) fn shelf(&self) -> u32 {
        self.with(|target| target.decodes().delta) / SECTOR
    }
}
