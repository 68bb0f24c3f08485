//! Faults that are not power cuts: errors of the driver, stuck sectors, decay, records that do not fit.

mod common;

use common::{Device, Model, Step, read_all};
use ota_hal::{Journal, JournalError, Kind, Partition, Region, RegionError, SharedJournal};
use ota_testkit::{Rng, SimError, SimFlash, Tear};

type Board = Device<8, 0xFF, 512, 1, 64>;

fn board() -> Board {
    Board { flash: SimFlash::new(1024).seeded(9), partition: Partition::new(0, 1024) }
}

/// A journal with a record of each kind and room for 16 bytes.
fn full_board() -> (Board, Model) {
    let (mut board, mut model, mut rng) = (board(), Model::default(), Rng::new(4));
    let mut steps: Vec<Step> = Kind::ALL.map(|kind| Step::Append(kind, rng.bytes(32))).to_vec();
    while board.flash.wear(1) < 2 {
        steps.push(Step::Append(Kind::Progress, rng.bytes(12)));
        board = self::board();
        board.run(&steps).unwrap();
    }
    steps.pop(); // the one that rotated
    board = self::board();
    board.run(&steps).unwrap();
    steps.iter().for_each(|step| model.apply(step));
    board.flash.reset_counters();
    (board, model)
}

#[test]
fn a_failing_operation_loses_nothing() {
    let steps = [Step::Append(Kind::Job, vec![7; 70]), Step::Remove(Kind::App), Step::Append(Kind::Boot, vec![1; 9])];
    for op in 0..24 {
        for tear in Tear::ALL {
            let (mut board, mut model) = full_board();
            board.flash.fail_at(op, tear);
            let mut journal = board.mount().unwrap();
            for step in &steps {
                let result = match step {
                    Step::Append(kind, payload) => journal.append(*kind, payload),
                    Step::Remove(kind) => journal.remove(*kind),
                    Step::Remount => Ok(()),
                };
                if result.is_ok() {
                    model.apply(step);
                }
                assert_eq!(read_all(&mut journal), model, "failure at {op} {tear:?} in {step:?}: {result:?}");
            }
            // What failed may still have reached the flash; it is then new, like after a cut.
            let found = board.state();
            let allowed = steps.iter().fold(vec![model.clone()], |mut all, step| {
                all.extend(all.clone().iter().map(|model| model.after(step)));
                all
            });
            assert!(allowed.contains(&found), "failure at {op} {tear:?}: {found:?}");
            board.run(&steps).unwrap();
            board.assert_lawful();
        }
    }
}

#[test]
fn a_record_after_a_failure_is_found_by_the_next_mount() {
    for op in 0..20 {
        for tear in Tear::ALL {
            let (mut board, _) = full_board();
            board.flash.fail_at(op, tear);
            let mut journal = board.mount().unwrap();
            let _ = journal.append(Kind::Job, &[7; 70]);
            journal.append(Kind::Boot, b"later").unwrap();
            let session = read_all(&mut journal);
            assert_eq!(board.state().of(Kind::Boot), Some(&b"later"[..]), "failure at {op} {tear:?}");
            assert_eq!(board.state(), session);
        }
    }
}

#[test]
fn a_failure_and_then_a_cut_lose_nothing() {
    let job = Step::Append(Kind::Job, vec![7; 70]);
    let later = Step::Append(Kind::Boot, b"later".to_vec());
    for (failure, cut) in (0..18).flat_map(|failure| (1..14).map(move |n| (failure, failure + n))) {
        for (tear, seed) in Tear::ALL.into_iter().flat_map(|tear| (0..4).map(move |seed| (tear, seed))) {
            let (mut board, old) = full_board();
            board.flash.set_seed(seed);
            board.flash.fail_at(failure, tear);
            board.flash.cut_at(cut, tear);
            let mut journal = board.mount().unwrap();
            for step in [&job, &later, &later] {
                let Step::Append(kind, payload) = step else { unreachable!() };
                let _ = journal.append(*kind, payload);
            }
            board.flash.power_on();
            board.flash.reset_counters();
            let found = board.state();
            let may = [old.clone(), old.after(&job), old.after(&later), old.after(&job).after(&later)];
            assert!(may.contains(&found), "failure at {failure}, cut at {cut}, {tear:?} {seed}: {found:?}");
            board.assert_lawful();
        }
    }
}

#[test]
fn two_failures_in_one_session() {
    for (first, second) in (0..8).flat_map(|first| (1..8).map(move |n| (first, first + n))) {
        for tear in Tear::ALL {
            let (mut board, _) = full_board();
            board.flash.fail_at(first, tear);
            board.flash.fail_at(second, tear);
            let mut journal = board.mount().unwrap();
            // The first fits the bank, the other only the next one.
            let _ = journal.append(Kind::Outbox, b"out");
            if first % 2 == 1 {
                let _ = journal.append(Kind::Job, &[7; 70]);
            }
            assert!((0..3).any(|_| journal.append(Kind::Boot, b"later").is_ok()), "the third try meets no failure");
            let session = read_all(&mut journal);
            assert_eq!(session.of(Kind::Boot), Some(&b"later"[..]));
            assert_eq!(board.state(), session, "failures at {first} and {second} {tear:?}");
            board.assert_lawful();
        }
    }
}

#[test]
fn one_failing_read_is_not_noticed() {
    let (board, model) = full_board();
    for read in 0..400 {
        let mut board = board.clone();
        board.flash.fail_reads(read..read + 1);
        board.run(&[Step::Append(Kind::Job, vec![7; 70])]).unwrap();
        assert_eq!(board.state(), model.after(&Step::Append(Kind::Job, vec![7; 70])), "read {read}");
    }
}

#[test]
fn a_read_that_fails_twice_is_an_error_and_no_loss() {
    let (board, model) = full_board();
    let mut failed = 0;
    for read in 0..400 {
        let mut board = board.clone();
        board.flash.fail_reads(read..read + 2);
        let result = board.run(&[Step::Append(Kind::Job, vec![7; 70])]);
        failed += u32::from(result.is_err());
        if let Err((_, fault)) = result {
            assert_eq!(fault, JournalError::Flash(RegionError::Flash(SimError::Injected)));
        }
        board.flash.reset_counters();
        let found = board.state();
        assert!(found == model || found == model.after(&Step::Append(Kind::Job, vec![7; 70])), "read {read}");
        board.run(&[Step::Append(Kind::Job, vec![7; 70])]).unwrap();
    }
    assert!(failed > 20, "only {failed} reads failed an append");
}

#[test]
fn a_stuck_sector_is_unreliable_and_the_old_records_stand() {
    let (mut board, mut model) = full_board();
    board.flash.stick_sector(1);
    let mut journal = board.mount().unwrap();
    assert_eq!(journal.append(Kind::Job, &[7; 70]), Err(JournalError::Unreliable));
    assert_eq!(read_all(&mut journal), model);
    // What still fits the good bank goes there.
    journal.remove(Kind::App).unwrap();
    model.apply(&Step::Remove(Kind::App));
    assert_eq!(journal.append(Kind::Job, &[7; 70]), Err(JournalError::Unreliable));
    assert_eq!(board.state(), model);
    assert_eq!(board.flash.wear(0), 1, "the good bank is never erased");
}

#[test]
fn a_bank_that_does_not_erase_is_not_written() {
    let mut board = board();
    let fill: Vec<Step> = (0..40).map(|n| Step::Append(Kind::Progress, vec![n; 24])).collect();
    board.run(&fill).unwrap();
    assert_eq!((board.flash.wear(0), board.flash.wear(1)), (2, 2), "the first bank is current");
    let state = board.settled();
    board.flash.stick_sector(1);
    board.flash.reset_counters();
    assert_eq!(board.mount().unwrap().append(Kind::Job, &[0; 300]), Err(JournalError::Unreliable));
    assert_eq!((board.flash.ops(), board.state()), (1, state), "one erase, no write");
    board.assert_lawful();
}

#[test]
fn what_does_not_read_back_goes_to_the_other_bank() {
    let mut board = board();
    board.run(&[Step::Append(Kind::App, vec![5; 30])]).unwrap();
    board.flash.stick_sector(0);
    board.mount().unwrap().append(Kind::Boot, b"moved").unwrap();
    let state = board.state();
    assert_eq!((state.of(Kind::Boot), state.of(Kind::App)), (Some(&b"moved"[..]), Some(&[5; 30][..])));
    assert_eq!((board.flash.wear(0), board.flash.wear(1)), (1, 2));
}

#[test]
fn a_worn_out_part_that_stays_blank_is_unreliable() {
    let mut board = board();
    board.flash.stick_sector(0);
    board.flash.stick_sector(1);
    let mut journal = board.mount().unwrap();
    assert_eq!(journal.append(Kind::Boot, b"x"), Err(JournalError::Unreliable));
    assert_eq!(read_all(&mut journal), Model::default());
}

#[test]
fn too_large_changes_nothing() {
    let (mut board, _) = full_board();
    let model = board.settled();
    board.flash.reset_counters();
    let mut journal = board.mount().unwrap();
    for len in [512, 500, 489, 331, 65_535, 65_536, 100_000] {
        assert_eq!(journal.append(Kind::Job, &vec![1; len]), Err(JournalError::TooLarge), "{len}");
    }
    assert_eq!(read_all(&mut journal), model);
    assert_eq!((board.flash.ops(), board.state()), (0, model));
}

#[test]
fn the_largest_record_fits_and_can_be_replaced() {
    let mut board = board();
    let largest = 512 - 32 - 8;
    for n in 0..5 {
        let mut journal = board.mount().unwrap();
        journal.append(Kind::App, &vec![n; largest]).unwrap();
        assert_eq!(journal.append(Kind::App, &vec![n; largest + 1]), Err(JournalError::TooLarge));
        assert_eq!(journal.append(Kind::Boot, &[]), Err(JournalError::TooLarge));
        assert_eq!(journal.read(Kind::App, &mut [0; 512]).unwrap(), Some(&vec![n; largest][..]));
    }
    board.mount().unwrap().remove(Kind::App).unwrap();
    assert_eq!(board.state(), Model::default());
    board.mount().unwrap().append(Kind::Boot, b"room again").unwrap();
    board.assert_lawful();
}

#[test]
fn a_small_buffer_is_told_how_much_is_needed() {
    let mut board = board();
    let mut journal = board.mount().unwrap();
    journal.append(Kind::Job, &[3; 100]).unwrap();
    assert_eq!(journal.read(Kind::Job, &mut [0; 99]), Err(JournalError::BufferTooSmall { needed: 100 }));
    assert_eq!(journal.read(Kind::Job, &mut [0; 100]).unwrap(), Some(&[3; 100][..]));
    journal.append(Kind::Job, &[]).unwrap();
    assert_eq!(journal.read(Kind::Job, &mut []).unwrap(), Some(&[][..]));
    assert_eq!(journal.read(Kind::App, &mut []).unwrap(), None);
}

/// Where the bytes `needle` are on flash.
fn find(board: &Board, needle: &[u8]) -> u32 {
    let found = board.flash.cells().windows(needle.len()).position(|window| window == needle);
    found.expect("it is on flash") as u32
}

#[test]
fn decay_is_noticed_by_read_and_healed_by_mount() {
    let ecc: fn(&mut Board, u32) = |board, at| board.flash.corrupt(at..at + 1);
    let flip: fn(&mut Board, u32) = |board, at| board.flash.decay(at, 0x10);
    for harm in [ecc, flip] {
        let mut board = board();
        board.run(&[Step::Append(Kind::App, b"keep me".to_vec()), Step::Append(Kind::Job, b"older".to_vec())]).unwrap();
        board.run(&[Step::Append(Kind::Job, b"decays".to_vec())]).unwrap();
        let at = find(&board, b"decays");
        let mut good = board.clone();
        harm(&mut board, at);
        // The bytes that a mount before the decay would have found.
        let mut journal = good.mount().unwrap();
        assert_eq!(journal.read(Kind::Job, &mut [0; 9]).unwrap(), Some(&b"decays"[..]));
        let state = board.state();
        assert_eq!((state.of(Kind::Job), state.of(Kind::App)), (Some(&b"older"[..]), Some(&b"keep me"[..])));
        board.mount().unwrap().append(Kind::Boot, b"usable").unwrap();
        assert_eq!(board.state().of(Kind::Job), Some(&b"older"[..]));
        board.assert_lawful();
    }
}

#[test]
fn decay_of_one_record_does_not_hide_the_later_ones() {
    let ecc: fn(&mut Board, u32) = |board, at| board.flash.corrupt(at..at + 1);
    let flip: fn(&mut Board, u32) = |board, at| board.flash.decay(at, 1);
    for harm in [ecc, flip] {
        let mut board = board();
        let steps = [(Kind::Boot, &b"floor 1"[..]), (Kind::Progress, b"decays"), (Kind::Boot, b"floor 5")];
        board.run(&steps.map(|(kind, bytes)| Step::Append(kind, bytes.to_vec()))).unwrap();
        let at = find(&board, b"decays");
        harm(&mut board, at);
        assert_eq!(board.state().of(Kind::Boot), Some(&b"floor 5"[..]));
        // The bank takes no more; moving on keeps what is live.
        board.mount().unwrap().append(Kind::Job, b"next").unwrap();
        assert_eq!(board.state().of(Kind::Boot), Some(&b"floor 5"[..]));
        board.assert_lawful();
    }
}

#[test]
fn decay_after_the_mount_is_corrupt_not_wrong() {
    use core::cell::RefCell;
    use ota_hal::Shared;
    let cell = RefCell::new(board().flash);
    let region = || Region::new(Shared::new(&cell), Partition::new(0, 1024));
    let mut journal = Journal::mount(region()).unwrap();
    journal.append(Kind::Boot, b"boot state").unwrap();
    journal.append(Kind::Job, b"decays").unwrap();
    let at = cell.borrow().cells().windows(6).position(|window| window == b"decays").unwrap();
    cell.borrow_mut().decay(at as u32, 1);
    assert_eq!(journal.read(Kind::Job, &mut [0; 16]), Err(JournalError::Flash(RegionError::Corrupt)));
    // Moving to the other bank would lose it for good: refused, nothing erased.
    let wear = cell.borrow().wear_max();
    assert_eq!(journal.append(Kind::App, &[0; 480]), Err(JournalError::Flash(RegionError::Corrupt)));
    assert_eq!(cell.borrow().wear_max(), wear);
    let mut journal = Journal::mount(region()).unwrap();
    assert_eq!(journal.read(Kind::Job, &mut [0; 16]).unwrap(), None);
    journal.append(Kind::App, &[0; 400]).unwrap();
    assert_eq!(journal.read(Kind::Boot, &mut [0; 16]).unwrap(), Some(&b"boot state"[..]));
}

#[test]
fn layouts_that_are_not_two_banks_are_refused() {
    let mount = |sectors: &[u32], start, len| {
        let mut flash = SimFlash::<8, 0xFF, 64>::with_sectors(sectors);
        let result = Journal::<_, 64>::mount_sized(Region::new(&mut flash, Partition::new(start, len))).map(|_| ());
        (result, flash.reads())
    };
    for (sectors, start, len) in [
        (&[64; 4][..], 0, 0),
        (&[64; 4], 0, 64),        // one sector
        (&[64; 4], 0, 192),       // an odd number
        (&[64; 4], 0, 120),       // ends inside a sector
        (&[64; 4], 32, 128),      // begins inside a sector
        (&[64, 128, 64], 0, 256), // the middle is inside a sector
        (&[64, 192], 0, 128),     // the second bank ends inside a sector
        (&[8; 4], 0, 32),         // no room for a record
    ] {
        assert_eq!(mount(sectors, start, len), (Err(JournalError::Layout), 0), "{sectors:?} {start} {len}");
    }
    assert_eq!(mount(&[64, 64, 128], 0, 256).0, Ok(()));
    assert_eq!(mount(&[64; 4], 64, 128).0, Ok(()));
    let past_the_part = mount(&[64; 4], 128, 256).0;
    assert!(matches!(past_the_part, Err(JournalError::Layout | JournalError::Flash(_))), "{past_the_part:?}");
}

#[test]
fn one_journal_serves_several_users() {
    let mut board = board();
    let journal = core::cell::RefCell::new(board.mount().unwrap());
    let (loader, agent) = (SharedJournal::new(&journal), SharedJournal::new(&journal));
    loader.append(Kind::Boot, b"b").unwrap();
    agent.append(Kind::Job, b"j").unwrap();
    assert_eq!(agent.read(Kind::Boot, &mut [0; 4]).unwrap(), Some(&b"b"[..]));
    loader.remove(Kind::Job).unwrap();
    assert_eq!(agent.read(Kind::Job, &mut [0; 4]).unwrap(), None);
    let busy = journal.borrow_mut();
    assert_eq!(agent.append(Kind::Job, b"j"), Err(JournalError::Busy));
    drop(busy);
    agent.append(Kind::Job, b"j").unwrap();
}
