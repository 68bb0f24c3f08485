//! Windows on a flash part, and one driver lent to several of them.

use core::cell::RefCell;
use embedded_storage::nor_flash::{NorFlash, NorFlashError, NorFlashErrorKind, ReadNorFlash};
use ota_hal::{Flash, Partition, PastEnd, ReadAt, Region, RegionError, Shared, SharedError};
use ota_testkit::{SimError, SimFlash, Tear};

type Part = SimFlash<4, 0xFF, 64>;

#[test]
fn offsets_count_from_the_start_of_the_region() {
    let mut part = Part::new(256);
    let mut region = Region::new(&mut part, Partition::new(64, 128));
    assert_eq!((region.len(), region.is_empty()), (128, false));
    region.write(4, b"abcd").unwrap();
    region.write(124, b"last").unwrap();
    let mut bytes = [0; 4];
    region.read_at(4, &mut bytes).unwrap();
    assert_eq!(&bytes, b"abcd");
    assert_eq!(ReadAt::len(&region), 128);
    region.erase(64, 64).unwrap();
    assert_eq!((&part.cells()[68..72], &part.cells()[188..192]), (&b"abcd"[..], &[0xFF; 4][..]));
}

#[test]
fn nothing_outside_is_touched() {
    let mut part = Part::new(256);
    let mut region = Region::new(&mut part, Partition::new(64, 128));
    for (offset, len) in [(128, 1), (125, 4), (0, 129), (u32::MAX, 1), (u32::MAX - 3, 4)] {
        assert_eq!(region.read(offset, &mut vec![0; len]), Err(RegionError::OutOfBounds), "{offset} {len}");
        assert_eq!(region.write(offset, &vec![0; len]), Err(RegionError::OutOfBounds));
        assert_eq!(region.erase(offset, len as u32), Err(RegionError::OutOfBounds));
    }
    region.read(128, &mut []).unwrap();
    assert_eq!((part.ops(), part.violation()), (0, None));
}

#[test]
fn a_region_at_the_end_of_the_address_space() {
    let mut part = Part::new(64);
    let mut region = Region::new(&mut part, Partition::new(u32::MAX - 3, 64));
    assert_eq!(region.erase(0, 64), Err(RegionError::OutOfBounds));
    assert_eq!(region.read(60, &mut [0; 4]), Err(RegionError::OutOfBounds));
    assert_eq!(region.sector_at(32), Err(RegionError::OutOfBounds));
}

#[test]
fn sectors_must_lie_within_the_region() {
    let mut part = Part::with_sectors(&[64, 64, 128]);
    let whole = Region::new(&mut part, Partition::new(64, 192));
    assert_eq!(whole.sector_at(0), Ok((0, 64)));
    assert_eq!(whole.sector_at(63), Ok((0, 64)));
    assert_eq!(whole.sector_at(100), Ok((64, 128)));
    assert_eq!(whole.sector_at(192), Err(RegionError::OutOfBounds));
    let cuts_a_sector = Region::new(&mut part, Partition::new(96, 96));
    assert_eq!(cuts_a_sector.sector_at(0), Err(RegionError::OutOfBounds), "begins inside one");
    assert_eq!(cuts_a_sector.sector_at(95), Err(RegionError::OutOfBounds), "ends inside one");
}

#[test]
fn faults_of_the_driver_are_told_apart() {
    let mut part = Part::new(64);
    part.corrupt(0..4);
    part.fail_at(0, Tear::Before);
    let mut region = Region::new(&mut part, Partition::new(0, 64));
    assert_eq!(region.read(0, &mut [0; 4]), Err(RegionError::Corrupt));
    assert_eq!(region.write(8, &[0; 4]), Err(RegionError::Flash(SimError::Injected)));
    assert_eq!(RegionError::<SimError>::Corrupt.to_string(), "the cells hold no valid data");
}

#[test]
fn slices_can_be_read_like_regions() {
    let mut slice: &[u8] = b"image";
    let mut bytes = [0; 2];
    slice.read_at(3, &mut bytes).unwrap();
    assert_eq!((&bytes, ReadAt::len(&slice), ReadAt::is_empty(&slice)), (b"ge", 5, false));
    assert_eq!(slice.read_at(4, &mut bytes), Err(PastEnd));
    assert_eq!(slice.read_at(u32::MAX, &mut bytes), Err(PastEnd));
    assert_eq!((&mut slice).read_at(0, &mut bytes), Ok(()));
}

#[test]
fn one_driver_serves_two_regions() {
    let part = RefCell::new(SimFlash::<4, 0x00, 64>::with_sectors(&[64, 64, 128]));
    let shared = Shared::new(&part);
    let mut low = Region::new(shared, Partition::new(0, 128));
    let mut high = Region::new(shared, Partition::new(128, 128));
    low.write(0, b"low!").unwrap();
    high.write(0, b"high").unwrap();
    high.erase(0, 128).unwrap();
    let mut bytes = [9; 4];
    low.read(0, &mut bytes).unwrap();
    assert_eq!(&bytes, b"low!");
    high.read(0, &mut bytes).unwrap();
    assert_eq!(bytes, [0; 4], "this part erases to zero");
    assert_eq!((shared.capacity(), shared.sector_at(200)), (256, (128, 128)));
}

#[test]
fn a_busy_driver_is_an_error_not_a_panic() {
    let part = RefCell::new(Part::new(64));
    let mut shared = Shared::new(&part);
    let held = part.borrow_mut();
    assert_eq!(shared.read(0, &mut [0; 4]), Err(SharedError::Busy));
    assert_eq!(shared.write(0, &[0; 4]), Err(SharedError::Busy));
    assert_eq!(shared.erase(0, 64), Err(SharedError::Busy));
    assert_eq!((shared.capacity(), shared.sector_at(70)), (0, (64, 64)));
    drop(held);
    shared.write(0, &[0; 4]).unwrap();
    part.borrow_mut().corrupt(0..4);
    let error = shared.read(0, &mut [0; 4]).unwrap_err();
    assert!(
        <Shared<'_, Part> as Flash>::is_corrupt(&error) && !<Shared<'_, Part> as Flash>::is_corrupt(&SharedError::Busy)
    );
    assert_eq!(SharedError::<SimError>::Busy.kind(), NorFlashErrorKind::Other);
}
