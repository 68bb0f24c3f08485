//! The bytes on flash, written down a second time: what the crate documentation draws is what `mount` reads.

use crc::{CRC_32_ISO_HDLC, Crc};
use embedded_storage::nor_flash::NorFlash;
use ota_hal::{Journal, Kind, Partition, Region};
use ota_testkit::SimFlash;

const CRC: Crc<u32> = Crc::<u32>::new(&CRC_32_ISO_HDLC);
const LIVE: u8 = 0xA5;
const REMOVED: u8 = 0x5A;

/// A record as drawn: head, payload, padding to `align`.
fn record(kind: u8, mark: u8, payload: &[u8], at: u32, generation: u32, align: usize) -> Vec<u8> {
    let mut bytes = (payload.len() as u16).to_le_bytes().to_vec();
    bytes.extend([kind, mark]);
    let covered = [payload, &bytes, &at.to_le_bytes(), &generation.to_le_bytes()].concat();
    bytes.extend(CRC.checksum(&covered).to_le_bytes());
    bytes.extend(payload);
    bytes.resize(bytes.len().next_multiple_of(align), 0xFF);
    bytes
}

fn header(start: u32, generation: u32, align: usize) -> Vec<u8> {
    let name = [&b"OTJ2"[..], &generation.to_le_bytes()].concat();
    record(0x4A, LIVE, &name, start, 0, align)
}

/// A bank at `start` of a journal that begins at 0.
fn bank(start: u32, generation: u32, records: &[(u8, u8, &[u8])]) -> Vec<u8> {
    let mut bytes = [header(start, generation, 8), header(start + 16, generation, 8)].concat();
    for (kind, mark, payload) in records {
        let at = start + bytes.len() as u32;
        bytes.extend(record(*kind, *mark, payload, at, generation, 8));
    }
    bytes
}

type Part = SimFlash<8, 0xFF, 256>;

fn mount(flash: &mut Part) -> Journal<&mut Part> {
    Journal::mount(Region::new(flash, Partition::new(0, 512))).unwrap()
}

#[test]
fn what_append_writes() {
    let mut flash = Part::new(512);
    let mut journal = mount(&mut flash);
    journal.append(Kind::Outbox, b"hello").unwrap();
    journal.append(Kind::Boot, &[]).unwrap();
    journal.remove(Kind::Outbox).unwrap();
    let expected = bank(0, 1, &[(3, LIVE, b"hello"), (0, LIVE, b""), (3, REMOVED, b"")]);
    assert_eq!(flash.cells()[..expected.len()], expected);
    assert!(flash.cells()[expected.len()..].iter().all(|byte| *byte == 0xFF));
}

#[test]
fn what_mount_reads() {
    let mut flash = Part::new(512);
    flash.write(0, &bank(0, 8, &[(0, LIVE, b"old")])).unwrap();
    flash
        .write(256, &bank(256, 9, &[(0, LIVE, b"first"), (4, LIVE, b"app"), (0, LIVE, b"second"), (4, REMOVED, b"")]))
        .unwrap();
    let mut journal = mount(&mut flash);
    assert_eq!(journal.read(Kind::Boot, &mut [0; 9]).unwrap(), Some(&b"second"[..]));
    assert_eq!(journal.read(Kind::App, &mut [0; 9]).unwrap(), None);
}

#[test]
fn what_settle_writes() {
    let mut flash = Part::new(512);
    flash.write(0, &bank(0, 1, &[(0, LIVE, b"boot"), (1, LIVE, b"in doubt")])).unwrap();
    let settled = bank(0, 1, &[(0, LIVE, b"boot"), (1, LIVE, b"in doubt"), (1, LIVE, b"in doubt"), (8, LIVE, b"")]);
    // Once; the next mount finds nothing in doubt.
    for _ in 0..3 {
        mount(&mut flash).settle().unwrap();
        assert_eq!(flash.cells()[..settled.len()], settled);
        assert!(flash.cells()[settled.len()..].iter().all(|byte| *byte == 0xFF));
    }
    let mut fresh = Part::new(512);
    mount(&mut fresh).settle().unwrap();
    assert_eq!(fresh.ops(), 0, "nothing to settle");
}

#[test]
fn a_bank_counts_by_either_copy_of_its_header_or_when_that_was_begun() {
    let (old, new) = (bank(0, 8, &[(0, LIVE, b"old")]), bank(256, 9, &[(0, LIVE, b"new")]));
    let read = |header: [u8; 32], records: &[u8]| {
        let mut flash = Part::new(512);
        flash.write(0, &old).unwrap();
        flash.write(256, &header).unwrap();
        flash.write(256 + 32, records).unwrap();
        mount(&mut flash).read(Kind::Boot, &mut [0; 9]).unwrap().map(<[u8]>::to_vec)
    };
    let (whole, blank): ([u8; 32], _) = (new[..32].try_into().unwrap(), [0xFF; 32]);
    // The second copy is written before the records, the first one after them.
    let mut harmed = [whole; 3];
    harmed[0][3] ^= 1;
    harmed[1][20] ^= 1;
    harmed[2][..16].fill(0xFF);
    harmed[2][9] = 0x7F;
    for header in harmed {
        assert_eq!(read(header, &new[32..]).as_deref(), Some(&b"new"[..]), "{header:?}");
    }
    let mut closed = [blank, whole];
    closed[1][..16].fill(0xFF);
    for header in closed {
        assert_eq!(read(header, &new[32..]).as_deref(), Some(&b"old"[..]), "its records may be incomplete");
    }
}

#[test]
fn kinds_of_a_newer_program_survive_a_rotation() {
    let mut flash = Part::new(512);
    flash.write(0, &bank(0, 1, &[(7, LIVE, b"from the future"), (0, LIVE, b"boot")])).unwrap();
    let mut journal = mount(&mut flash);
    for n in 0..20 {
        journal.append(Kind::Boot, &[n; 12]).unwrap();
    }
    let future = b"from the future";
    let copies = flash.cells().windows(future.len()).filter(|window| window == future).count();
    assert_eq!(copies, 2, "one in each bank");
    assert!(flash.wear(0) > 0 && flash.wear(1) > 0);
}

#[test]
fn an_unknown_kind_is_passed_over() {
    let mut flash = Part::new(512);
    flash.write(0, &bank(0, 1, &[(0, LIVE, b"boot"), (9, LIVE, b"?"), (0, LIVE, b"later")])).unwrap();
    assert_eq!(mount(&mut flash).read(Kind::Boot, &mut [0; 9]).unwrap(), Some(&b"later"[..]));
}

#[test]
fn generations_wrap() {
    for (low, high) in [(u32::MAX, 1), (u32::MAX - 1, u32::MAX), (0x7FFF_FFFF, 0x8000_0000)] {
        for (newer, start) in [(0, 256), (256, 0)] {
            let mut flash = Part::new(512);
            flash.write(start, &bank(start, low, &[(0, LIVE, b"older")])).unwrap();
            flash.write(newer, &bank(newer, high, &[(0, LIVE, b"newer")])).unwrap();
            let mut journal = mount(&mut flash);
            assert_eq!(journal.read(Kind::Boot, &mut [0; 9]).unwrap(), Some(&b"newer"[..]), "{low:#x} {high:#x}");
        }
    }
    let mut flash = Part::new(512);
    flash.write(0, &bank(0, u32::MAX - 1, &[(4, LIVE, b"app")])).unwrap();
    for n in 0_u8..60 {
        let mut journal = mount(&mut flash);
        journal.append(Kind::Boot, &[n; 16]).unwrap();
        let mut journal = mount(&mut flash);
        assert_eq!(journal.read(Kind::Boot, &mut [0; 16]).unwrap(), Some(&[n; 16][..]));
        assert_eq!(journal.read(Kind::App, &mut [0; 16]).unwrap(), Some(&b"app"[..]));
    }
    assert!(flash.wear(0) > 1 && flash.wear(1) > 1, "it went over the wrap");
}

#[test]
fn a_bank_of_another_version_or_place_does_not_count() {
    let good = bank(0, 1, &[(0, LIVE, b"boot")]);
    let read = |at: u32, bytes: &[u8]| {
        let mut flash = Part::new(512);
        flash.write(at, bytes).unwrap();
        mount(&mut flash).read(Kind::Boot, &mut [0; 9]).unwrap().map(<[u8]>::to_vec)
    };
    assert_eq!(read(0, &good).as_deref(), Some(&b"boot"[..]));
    assert_eq!(read(256, &good), None, "sealed for its place");
    let mut version = record(0x4A, LIVE, b"OTJ1\x01\0\0\0", 0, 0, 8);
    version.extend(&good[32..]);
    assert_eq!(read(0, &version), None);
}
