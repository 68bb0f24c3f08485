use super::*;
use core::cell::RefCell;
use embedded_storage::nor_flash::NorFlash;
use ota_hal::{Partition, Shared};
use ota_testkit::{Rng, SimFlash};
use ota_verify::{Algorithm, KeyId, SignatureError, Uuid};
use std::vec::Vec;

struct NoKeys;
impl Keys for NoKeys {
    fn verify(&self, _: &KeyId, _: Algorithm, _: &[u8; 32], _: &[u8]) -> Result<(), SignatureError> {
        Err(SignatureError::UnknownKey)
    }
}
const IDENTITY: Identity = Identity { vendor: Uuid([1; 16]), class: Uuid([2; 16]) };
const SECTOR: u32 = 4096;
const SLOT: Partition = Partition::new(2 * SECTOR, 8 * SECTOR);

type Slot<'f, const W: usize> = SlotTarget<'static, Shared<'f, SimFlash<W>>, NoKeys>;

fn target<const W: usize>(flash: &RefCell<SimFlash<W>>) -> Slot<'_, W> {
    SlotTarget::new(Region::new(Shared::new(flash), SLOT), SlotId::B, &NoKeys, IDENTITY)
}

fn raw(size: u32) -> Plan {
    Plan::raw(size, None)
}

/// A part full of somebody else's bytes.
fn used<const W: usize>() -> RefCell<SimFlash<W>> {
    let mut flash = SimFlash::<W>::new(12 * SECTOR);
    for sector in 0..12 {
        flash.erase(sector * SECTOR, (sector + 1) * SECTOR).unwrap();
        flash.write(sector * SECTOR, &[0x5A; SECTOR as usize]).unwrap();
    }
    RefCell::new(flash)
}

fn written<const W: usize>(flash: &RefCell<SimFlash<W>>, at: u32, len: u32) -> Vec<u8> {
    let at = (SLOT.start + at) as usize;
    flash.borrow().cells()[at..at + len as usize].to_vec()
}

fn any_chunks<const W: usize>(seed: u64) {
    let mut rng = Rng::new(seed);
    let size = 1 + rng.below(8 * SECTOR);
    let data = rng.bytes(size as usize);
    let flash = used::<W>();
    let mut t = target(&flash);
    t.begin(&raw(size)).unwrap();
    let mut at = 0;
    while at < data.len() {
        let n = (1 + rng.below(700) as usize).min(data.len() - at);
        let durable = t.write(&data[at..at + n], &mut || {}).unwrap();
        at += n;
        assert!(durable as usize <= at, "seed {seed}: durable before it was taken");
        assert!(durable % SECTOR == 0 || durable == size, "seed {seed}: {durable} is no checkpoint");
        assert!(at - (durable as usize) < (SECTOR as usize) + W, "seed {seed}: checkpoint lags by more than a sector");
        if rng.one_in(12) {
            // A power cut: only what is durable counts.
            t = target(&flash);
            at = t.resume(&raw(size), durable).unwrap() as usize;
            assert_eq!(at as u32, durable, "seed {seed}");
        }
    }
    assert_eq!(written(&flash, 0, size), data, "seed {seed}");
}

#[test]
fn any_chunks_and_cuts_give_the_same_bytes_for_each_write_size() {
    for seed in 0..40 {
        any_chunks::<1>(seed);
        any_chunks::<8>(seed);
        any_chunks::<64>(seed);
    }
}

#[test]
fn the_first_sector_is_gone_before_anything_is_written_and_others_only_when_reached() {
    let flash = used::<8>();
    let mut t = target(&flash);
    t.begin(&raw(3 * SECTOR)).unwrap();
    assert_eq!(written(&flash, 0, 1), [0xFF]);
    assert_eq!(written(&flash, SECTOR, 1), [0x5A], "erased just ahead, not all at once");
    t.write(&[1; SECTOR as usize], &mut || {}).unwrap();
    assert_eq!(written(&flash, 0, 1), [1]);
    t.abort().unwrap();
    assert_eq!(written(&flash, 0, 1), [0xFF]);
}

#[test]
fn sizes_that_cannot_be_are_refused_before_anything_is_erased() {
    let flash = used::<8>();
    let mut t = target(&flash);
    for size in [0, 8 * SECTOR + 1, u32::MAX] {
        assert_eq!(t.begin(&raw(size)).unwrap_err().stage(), FailStage::Burn);
        assert!(t.resume(&raw(size), SECTOR).is_err());
    }
    assert!(t.write(&[1], &mut || {}).is_err(), "nothing was begun");
    assert!(written(&flash, 0, SLOT.len).iter().all(|byte| *byte == 0x5A));
    t.begin(&raw(10)).unwrap();
    assert_eq!(t.write(&[0; 11], &mut || {}).unwrap_err().text(), "more bytes than announced");
}

#[test]
fn each_sector_is_erased_once_and_each_unit_programmed_once() {
    let flash = used::<8>();
    let mut t = target(&flash);
    flash.borrow_mut().reset_counters();
    t.begin(&raw(4 * SECTOR)).unwrap();
    for _ in 0..4 * SECTOR / 512 {
        t.write(&[7; 512], &mut || {}).unwrap();
    }
    // The part itself refuses a second write of a unit; so 4 erases and one program call for each chunk are all.
    assert_eq!(flash.borrow().ops(), 4 + u64::from(4 * SECTOR / 512));
}

#[test]
fn no_more_than_a_kilobyte_is_read_without_a_call() {
    use core::cell::Cell;
    let image = Rng::new(1).bytes(20_000);
    for checksum in [None, Some(Checksum::Sha256([1; 32])), Some(Checksum::Md5([1; 16]))] {
        let flash = used::<8>();
        let mut t = target(&flash);
        t.begin(&raw(20_000)).unwrap();
        t.write(&image, &mut || {}).unwrap();
        let digest = if checksum.is_none() { Some([0; 32]) } else { None };
        let expected = Expected { size: 20_000, digest, checksum, floor: 0 };
        let calls = Cell::new(0);
        let result = t.finish(&expected, &mut || calls.set(calls.get() + 1));
        assert!(result.is_err());
        if cfg!(feature = "md5") || !matches!(checksum, Some(Checksum::Md5(_))) {
            assert!(calls.get() >= 20, "{checksum:?}: {} calls for 20 KB", calls.get());
        }
    }
}

#[test]
fn cells_without_valid_data_are_damage_that_a_second_download_mends() {
    let flash = used::<8>();
    let mut t = target(&flash);
    t.begin(&raw(100)).unwrap();
    t.write(&[0x11; 100], &mut || {}).unwrap();
    flash.borrow_mut().corrupt(SLOT.start..SLOT.start + 8);
    let expected = Expected { size: 100, digest: Some([0; 32]), checksum: None, floor: 0 };
    let error = t.finish(&expected, &mut || {}).unwrap_err();
    assert_eq!((error.text(), error.is_damage()), ("flash cells hold no valid data", true));
    t.begin(&raw(100)).unwrap();
    t.write(&[0x22; 100], &mut || {}).unwrap();
    assert_eq!(t.finish(&expected, &mut || {}).unwrap_err().text(), "image digest differs from the manifest");
}

#[test]
fn nothing_more_to_write_is_no_error_before_during_and_after() {
    let flash = used::<8>();
    let mut t = target(&flash);
    assert_eq!(t.write(&[], &mut || {}).unwrap(), 0);
    for size in [1, 7, 8, 9, 100] {
        t.begin(&raw(size)).unwrap();
        assert_eq!(t.write(&[], &mut || {}).unwrap(), 0);
        assert_eq!(t.write(&[0x11; 100][..size as usize], &mut || {}).unwrap(), size);
        let ops = flash.borrow().ops();
        assert_eq!(t.write(&[], &mut || {}).unwrap(), size);
        assert_eq!((flash.borrow().ops(), flash.borrow().violation()), (ops, None));
        assert!(t.write(&[1], &mut || {}).is_err());
    }
    assert_eq!(t.resume(&raw(100), 100).unwrap(), 100);
    assert_eq!(t.write(&[], &mut || {}).unwrap(), 100);
}
