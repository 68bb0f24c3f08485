//! The loader on flash with any content.

use super::signed::{Ideal, digests, images, rules, signed_len};
use ota_boot::loader::{self, Config, Decision, boot, boot_unrecorded};
use ota_boot::record::{Image, Phase, Record};
use ota_boot::{Copied, RollbackReason};
use ota_hal::reset::NoWatchdog;
use ota_hal::{Journal, Kind, Partition, Region, ResetCause, Shared, SlotId};
use ota_testkit::SimFlash;
use ota_verify::{Verified, verify_image};
use std::cell::RefCell;
use std::sync::OnceLock;

const SECTOR: usize = 256;
const SLOT: usize = 2 * SECTOR;
/// Two slots and a journal.
pub(super) const LEN: usize = 3 * SLOT;
const SLOTS: [SlotId; 2] = [SlotId::A, SlotId::B];
/// The longest input that is not flash: what the slots hold, which image the record is of, the record.
const BRIEF: usize = 3 + 64;
type Part = SimFlash<8, 0xFF, SECTOR>;

struct Device(RefCell<Part>);

impl Device {
    /// On flash that begins with these bytes.
    fn on(content: &[u8]) -> Self {
        let mut flash = Part::new(LEN as u32);
        flash.preload(content);
        Self(RefCell::new(flash))
    }

    /// With these images, and with any bytes as the record that the journal holds.
    fn with(slots: [&[u8]; 2], record: &[u8]) -> Self {
        let mut content = Vec::new();
        for (n, slot) in slots.into_iter().enumerate() {
            content.extend(slot);
            content.resize((n + 1) * SLOT, 0xFF);
        }
        let device = Self::on(&content);
        device.journal().append(Kind::Boot, record).expect("a journal has room for one record");
        device.0.borrow_mut().reset_counters();
        device
    }

    /// From short inputs: a byte for each slot, one for the image on record, then as much of the record as is given; the
    /// rest is as it should be. Other inputs are the flash itself.
    fn from(data: &[u8]) -> Self {
        match data {
            [a, b, n, given @ ..] if data.len() <= BRIEF => {
                let image = Some(image(usize::from(n % 3)));
                let mut record = Record { image, ..Record::FACTORY }.encode().to_vec();
                match record.get_mut(..given.len()) {
                    Some(front) => front.copy_from_slice(given),
                    None => record = given.to_vec(),
                }
                Self::with([a, b].map(|n| &known()[usize::from(n % 5)][..]), &record)
            }
            _ => Self::on(data),
        }
    }

    fn journal(&self) -> Journal<Shared<'_, Part>> {
        Journal::mount(self.region(2)).expect("any content can be mounted")
    }

    fn region(&self, n: usize) -> Region<Shared<'_, Part>> {
        Region::new(Shared::new(&self.0), Partition::new((n * SLOT) as u32, SLOT as u32))
    }

    /// A reset: the loader decides.
    fn start(&self, cause: ResetCause) -> Decision {
        let mut slots = [self.region(0), self.region(1)];
        let (keys, config) = (Ideal(digests()), Config::new(Copied));
        match Journal::<_, 64>::mount(self.region(2)) {
            Ok(mut journal) => boot(&mut journal, &mut slots, &rules(&keys, 0), cause, &config, &mut NoWatchdog),
            Err(_) => boot_unrecorded(&mut slots, &rules(&keys, 0), &config, &mut NoWatchdog),
        }
    }

    /// The record, as anybody may read it.
    fn record(&self) -> Record {
        let mut buf = [0; SLOT];
        let mut journal = self.journal();
        let found = journal.read(Kind::Boot, &mut buf).expect("what is found can be read");
        found.map_or(Record::FACTORY, Record::decode)
    }

    /// The image in this slot, if one that was signed is there and the floor lets it start.
    fn genuine(&self, slot: SlotId, floor: u32) -> Option<Verified> {
        let n = SLOTS.iter().position(|other| *other == slot)?;
        verify_image(&mut self.region(n), slot, &rules(&Ideal(digests()), floor)).ok()
    }

    /// What the processor would run is, bit by bit, what the vendor signed.
    fn runs(&self, proof: &Verified) {
        let n = digests().iter().position(|digest| digest == proof.digest()).expect("an unsigned image starts");
        let image = &images()[n];
        let at = if proof.slot() == SlotId::A { 0 } else { SLOT };
        let signed = &image[..signed_len(image) as usize];
        assert!(self.0.borrow().cells()[at..].starts_with(signed), "other bytes run than were signed");
    }
}

/// What a slot may hold: a signed image, one with a bit flipped, nothing.
fn known() -> &'static [Vec<u8>; 5] {
    static KNOWN: OnceLock<[Vec<u8>; 5]> = OnceLock::new();
    KNOWN.get_or_init(|| {
        let [first, second, third] = images().clone();
        let mut damaged = third.clone();
        damaged[60] ^= 4;
        [first, second, third, damaged, Vec::new()]
    })
}

/// The flash is made from `data`; then the device starts, and starts again, with nobody to confirm anything.
pub(super) fn body(data: &[u8]) {
    let device = Device::from(data);
    let (mut trials, mut settled) = (0, None);
    for n in 0..6 {
        let before = device.record();
        let decision = device.start(ResetCause::from_u8(data.get(n).map_or(0, |byte| byte % 8)));
        assert_eq!(device.0.borrow().violation(), None);
        assert!(device.0.borrow().ops() < 100, "too many operations");
        device.0.borrow_mut().reset_counters();
        let floor = before.floor;
        assert_eq!(device.record().floor, floor, "a start moves the floor");
        assert_eq!(loader::floor(&mut device.journal()), floor, "the loader reads another floor");
        match decision {
            Decision::Recovery { .. } => {
                assert!(SLOTS.iter().all(|slot| device.genuine(*slot, floor).is_none()), "a good image is not started");
                return;
            }
            Decision::Boot { proof, trial } => {
                device.runs(&proof);
                assert!(proof.security_counter() >= floor, "a start below the floor");
                if trial {
                    trials += 1;
                    assert!(trials <= 3 && settled.is_none(), "a trial without end");
                    let asked = before.image.map(|image| image.digest);
                    assert_eq!(asked, Some(*proof.digest()), "on trial, but never staged");
                } else {
                    let slot = *settled.get_or_insert(proof.slot());
                    assert_eq!(slot, proof.slot(), "the device does not settle");
                }
            }
        }
    }
    assert!(settled.is_some(), "the device does not settle");
}

/// What a record says of one of [`images`].
fn image(n: usize) -> Image {
    let version = crate::build::Draft::new(n as u8 + 1).version();
    Image { digest: digests()[n], security_counter: n as u32 + 1, version }
}

/// Devices in each phase, with good images, and with one good and one that is not.
pub(super) fn seeds() -> Vec<Vec<u8>> {
    let last_reset = ResetCause::Watchdog;
    let reason = RollbackReason::GateFailed(2);
    let phases = [
        Phase::Confirmed,
        Phase::Pending,
        Phase::Testing { attempts_left: 2, last_reset },
        Phase::Testing { attempts_left: 0, last_reset },
        Phase::Testing { attempts_left: 200, last_reset },
        Phase::GivenUp { reason, last_reset },
        Phase::RolledBack { reason, last_reset },
    ];
    let mut seeds = vec![vec![], vec![0; LEN]];
    for (n, phase) in phases.into_iter().enumerate() {
        let home = SLOTS[n % 2];
        let (old, new) = (n % 2, n % 2 + 1);
        let of = if phase == Phase::Confirmed { image(old) } else { image(new) };
        let record = Record { home, floor: old as u32, phase, image: Some(of) }.encode();
        let mut held = [old, new];
        if home == SlotId::B {
            held.reverse();
        }
        for slots in [held.map(|n| n as u8), [3, 4], [4, new as u8], [new as u8, 3]] {
            seeds.push([&slots[..], &[new as u8], &record[..12]].concat());
        }
        let mut pair = held.map(|n| images()[n].clone());
        pair[n / 2 % 2][100] ^= u8::from(n < 3) << 2;
        seeds.push(flash(&pair, &record));
    }
    seeds
}

fn flash([a, b]: &[Vec<u8>; 2], record: &[u8]) -> Vec<u8> {
    Device::with([a, b], record).0.borrow().cells().to_vec()
}
