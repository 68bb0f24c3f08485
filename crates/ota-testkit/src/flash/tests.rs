use super::*;

type Part = SimFlash<4, 0xFF, 64>;

fn read(flash: &mut Part, at: u32) -> [u8; 8] {
    let mut bytes = [0; 8];
    flash.read(at, &mut bytes).unwrap();
    bytes
}

#[test]
fn writes_and_erases() {
    let mut flash = Part::new(256);
    flash.write(8, &[1, 2, 3, 4]).unwrap();
    assert_eq!(read(&mut flash, 8), [1, 2, 3, 4, 0xFF, 0xFF, 0xFF, 0xFF]);
    flash.erase(0, 128).unwrap();
    assert_eq!(read(&mut flash, 8), [0xFF; 8]);
    assert_eq!((flash.wear(0), flash.wear(1), flash.wear(2), flash.ops()), (1, 1, 0, 2));
    assert_eq!(flash.violation(), None);
}

#[test]
fn refuses_what_the_part_cannot_do() {
    let refused = |act: fn(&mut Part) -> Result<(), SimError>| {
        let mut flash = Part::new(256);
        flash.write(0, &[0xF0; 4]).unwrap();
        let error = act(&mut flash).unwrap_err();
        assert_eq!(Some(error), flash.violation().map(SimError::Violation));
        flash.violation().unwrap()
    };
    assert_eq!(refused(|f| f.write(0, &[0; 4])), Violation::Rewritten { at: 0 });
    assert_eq!(refused(|f| f.write(6, &[0; 4])), Violation::NotAligned { at: 6, len: 4 });
    assert_eq!(refused(|f| f.write(4, &[0; 3])), Violation::NotAligned { at: 4, len: 3 });
    assert_eq!(refused(|f| f.write(256, &[0; 4])), Violation::OutOfBounds { at: 256, len: 4 });
    assert_eq!(refused(|f| f.erase(0, 32)), Violation::NotAligned { at: 0, len: 32 });
    assert_eq!(refused(|f| f.erase(0, 512)), Violation::OutOfBounds { at: 0, len: 512 });
    assert_eq!(refused(|f| f.erase(128, 64)), Violation::NotAligned { at: 128, len: 0 });
}

#[test]
fn bits_only_leave_their_erased_value() {
    let mut flash = Part::new(64).with_rule(WriteRule::Clear);
    flash.write(0, &[0xF0; 4]).unwrap();
    flash.write(0, &[0x30; 4]).unwrap();
    assert_eq!(flash.write(0, &[0x30, 0x31, 0, 0]), Err(SimError::Violation(Violation::Unerased { at: 1 })));

    let mut flash = SimFlash::<4, 0x00, 64>::new(64).with_rule(WriteRule::Twice);
    assert_eq!(flash.cells(), [0; 64]);
    flash.write(0, &[0x0F; 4]).unwrap();
    flash.write(0, &[0x1F; 4]).unwrap();
    assert_eq!(flash.write(0, &[0x1F; 4]), Err(SimError::Violation(Violation::Rewritten { at: 0 })));
    let mut flash = SimFlash::<4, 0x00, 64>::new(64).with_rule(WriteRule::Clear);
    flash.write(0, &[0x0F; 4]).unwrap();
    assert_eq!(flash.write(0, &[0x0E; 4]), Err(SimError::Violation(Violation::Unerased { at: 0 })));
}

#[test]
fn uneven_sectors() {
    let mut flash = Part::with_sectors(&[64, 64, 128]);
    assert_eq!(flash.sector_at(0), (0, 64));
    assert_eq!(flash.sector_at(127), (64, 64));
    assert_eq!(flash.sector_at(130), (128, 128));
    flash.erase(128, 256).unwrap();
    assert_eq!(flash.erase(128, 192), Err(SimError::Violation(Violation::NotAligned { at: 128, len: 64 })));
    assert_eq!((flash.wear(2), flash.wear_max()), (1, 1));
}

#[test]
fn after_a_cut_nothing_works_until_power_returns() {
    for tear in Tear::ALL {
        let mut flash = Part::new(128).seeded(5);
        flash.cut_at(1, tear);
        flash.write(0, &[1; 8]).unwrap();
        assert_eq!(flash.write(8, &[2; 8]), Err(SimError::NoPower), "{tear:?}");
        assert_eq!(flash.read(0, &mut [0; 4]), Err(SimError::NoPower));
        assert_eq!(flash.erase(0, 64), Err(SimError::NoPower));
        flash.power_on();
        assert_eq!(read(&mut flash, 0), [1; 8]);
        let second = read(&mut flash, 8);
        assert_eq!(tear == Tear::After, second == [2; 8], "{tear:?}");
        assert_eq!(read(&mut flash, 16), [0xFF; 8]);
        flash.erase(0, 64).unwrap();
        assert_eq!(flash.violation(), None);
    }
}

#[test]
fn a_torn_erase_must_be_done_again() {
    let mut flash = Part::new(64);
    flash.cut_at(0, Tear::AllButLast);
    assert_eq!(flash.erase(0, 64), Err(SimError::NoPower));
    flash.power_on();
    // Reads as erased, yet is not to be relied on.
    assert_eq!(flash.write(0, &[1; 4]), Err(SimError::Violation(Violation::Rewritten { at: 0 })));
    flash.erase(0, 64).unwrap();
    flash.write(0, &[1; 4]).unwrap();
}

#[test]
fn a_forgiving_part_takes_writes_after_a_torn_erase() {
    let mut flash = Part::new(64).with_rule(WriteRule::Forgiving);
    flash.cut_at(0, Tear::AllButLast);
    assert_eq!(flash.erase(0, 64), Err(SimError::NoPower));
    flash.power_on();
    flash.write(0, &[0xF0; 4]).unwrap();
    flash.write(0, &[0x30; 4]).unwrap();
    assert_eq!(flash.write(0, &[0x31; 4]), Err(SimError::Violation(Violation::Unerased { at: 0 })));
}

#[test]
fn torn_units_of_an_ecc_part_read_as_corrupt() {
    let mut flash = Part::new(64).with_ecc().seeded(1);
    flash.cut_at(0, Tear::Bits);
    assert_eq!(flash.write(0, &[0; 8]), Err(SimError::NoPower));
    flash.power_on();
    assert_eq!(flash.read(0, &mut [0; 4]), Err(SimError::Corrupt));
    assert!(Part::is_corrupt(&SimError::Corrupt) && !Part::is_corrupt(&SimError::Injected));
    flash.read(8, &mut [0; 4]).unwrap();
    flash.erase(0, 64).unwrap();
    assert_eq!(read(&mut flash, 0), [0xFF; 8]);
}

#[test]
fn faults_on_request() {
    let mut flash = Part::new(128);
    flash.fail_at(0, Tear::Prefix);
    flash.fail_reads(1..2);
    assert_eq!(flash.write(0, &[0; 8]), Err(SimError::Injected));
    assert_eq!(flash.cells()[7], 0xFF);
    assert_eq!(flash.read(0, &mut [0; 1]), Ok(()));
    assert_eq!(flash.read(0, &mut [0; 1]), Err(SimError::Injected));
    assert_eq!(flash.read(0, &mut [0; 1]), Ok(()));
    flash.corrupt(21..22);
    assert_eq!(flash.read(20, &mut [0; 1]), Err(SimError::Corrupt));
    flash.decay(40, 0x81);
    assert_eq!(flash.cells()[40], 0x7E);
    flash.stick_sector(1);
    flash.write(64, &[0; 4]).unwrap();
    assert_eq!(read(&mut flash, 64), [0xFF; 8]);
}

#[test]
fn the_seed_decides_and_is_shown() {
    let torn = |seed| {
        let mut flash = Part::new(64).seeded(seed);
        flash.cut_at(0, Tear::Bits);
        flash.write(0, &[0; 64]).unwrap_err();
        (flash.cells().to_vec(), format!("{flash:?}"))
    };
    assert_eq!(torn(77), torn(77));
    assert_ne!(torn(77).0, torn(78).0);
    assert!(torn(77).1.contains("seed: 77"), "{}", torn(77).1);
}
