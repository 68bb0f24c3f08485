//! The loader on flash with any content.

use super::signed::{Ideal, digests, images, rules, signed_len};
use ota_boot::loader::{Config, Decision, boot, boot_unrecorded};
use ota_boot::record::{Image, Phase, Record};
use ota_boot::{Copied, RollbackReason};
use ota_hal::reset::NoWatchdog;
use ota_hal::{Journal, Kind, Partition, Region, ResetCause, Shared, SlotId};
use ota_testkit::SimFlash;
use ota_verify::{Verified, verify_image};
use std::cell::RefCell;

const SECTOR: usize = 256;
const SLOT: usize = 2 * SECTOR;
/// Two slots and a journal.
pub(super) const LEN: usize = 3 * SLOT;
const SLOTS: [SlotId; 2] = [SlotId::A, SlotId::B];
type Part = SimFlash<8, 0xFF, SECTOR>;

struct Device(RefCell<Part>);

impl Device {
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
        let mut journal = Journal::<_, 64>::mount(self.region(2)).expect("no read fails");
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

/// The flash is `data`; then the device starts, and starts again, with nobody to confirm anything.
pub(super) fn body(data: &[u8]) {
    let mut flash = Part::new(LEN as u32);
    flash.preload(data);
    let device = Device(RefCell::new(flash));
    let (mut trials, mut settled) = (0, None);
    for n in 0..6 {
        let before = device.record();
        let decision = device.start(ResetCause::from_u8(data.get(n).map_or(0, |byte| byte % 8)));
        assert_eq!(device.0.borrow().violation(), None);
        assert!(device.0.borrow().ops() < 100, "too many operations");
        device.0.borrow_mut().reset_counters();
        let floor = before.floor;
        assert_eq!(device.record().floor, floor, "a start moves the floor");
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

/// Devices in each phase, with good images, and with one good and one that is not.
pub(super) fn seeds() -> Vec<Vec<u8>> {
    let image = |n: usize| {
        let version = crate::build::Draft::new(n as u8 + 1).version();
        Image { digest: digests()[n], security_counter: n as u32 + 1, version }
    };
    let last_reset = ResetCause::Watchdog;
    let reason = RollbackReason::GateFailed(2);
    let phases = [
        Phase::Confirmed,
        Phase::Pending,
        Phase::Testing { attempts_left: 2, last_reset },
        Phase::Testing { attempts_left: 0, last_reset },
        Phase::GivenUp { reason, last_reset },
        Phase::RolledBack { reason, last_reset },
    ];
    let mut seeds = vec![vec![], vec![0; LEN]];
    for (n, phase) in phases.into_iter().enumerate() {
        let home = SLOTS[n % 2];
        let (old, new) = (n % 2, n % 2 + 1);
        let of = if phase == Phase::Confirmed { image(old) } else { image(new) };
        let record = Record { home, floor: old as u32, phase, image: Some(of) };
        let mut pair = [images()[old].clone(), images()[new].clone()];
        if home == SlotId::B {
            pair.reverse();
        }
        seeds.push(flash(&pair, &record));
        pair[n / 2 % 2][100] ^= 4;
        seeds.push(flash(&pair, &record));
    }
    seeds
}

fn flash(slots: &[Vec<u8>; 2], record: &Record) -> Vec<u8> {
    let mut content = Vec::new();
    for slot in slots {
        content.extend(slot);
        content.resize(content.len().next_multiple_of(SLOT), 0xFF);
    }
    let mut flash = Part::new(LEN as u32);
    flash.preload(&content);
    let device = Device(RefCell::new(flash));
    let mut journal = Journal::<_, 64>::mount(device.region(2)).unwrap();
    journal.append(Kind::Boot, &record.encode()).unwrap();
    device.0.borrow().cells().to_vec()
}
