//! The power-cut contract of the crate documentation, point by point, for every operation and every kind of tear.

mod common;

use common::{Device, Model, Step};
use ota_hal::{Kind, Partition};
use ota_testkit::{Rng, SimFlash, Tear};

/// Where the journal lies, how the part behaves, and how long the records are.
#[derive(Debug, Clone, Copy)]
struct Case {
    sectors: &'static [u32],
    partition: Partition,
    ecc: bool,
    len_max: u32,
    steps: usize,
    seed: u64,
}

/// A device whose journal has a past: two banks in use, or random bytes.
fn start<const W: usize, const E: u8, const S: usize, const R: usize, const U: usize>(
    case: Case,
) -> (Device<W, E, S, R, U>, Model) {
    let mut rng = Rng::new(case.seed).part(1);
    let mut flash = SimFlash::with_sectors(case.sectors).seeded(case.seed);
    if case.ecc {
        flash = flash.with_ecc();
    }
    flash.fill_garbage(&mut rng);
    let mut device = Device { flash, partition: case.partition };
    let past = Step::script(&mut rng, case.steps, case.len_max);
    device.run(&past).expect("no fault yet");
    let mut model = Model::default();
    past.iter().for_each(|step| model.apply(step));
    device.flash.reset_counters();
    (device, model)
}

/// What the journal may hold: one model, or several as long as cells are unstable and nobody settled.
type Models = Vec<Model>;

/// Every way to cut.
fn tears() -> impl Iterator<Item = Tear> {
    Tear::ALL.into_iter().chain(Tear::UNSTABLE)
}

/// Runs `steps` with a cut at `op`; afterwards each kind must be as a model says, the one in flight old or new.
fn cut<const W: usize, const E: u8, const S: usize, const R: usize, const U: usize>(
    device: &mut Device<W, E, S, R, U>,
    models: &mut Models,
    steps: &[Step],
    op: u64,
    tear: Tear,
) {
    device.flash.reset_counters();
    device.flash.cut_at(op, tear);
    // A cut in the second copy of a header undoes nothing: the step is done.
    let done = device.run(steps).map_or_else(|(failed, _)| failed, |()| steps.len());
    assert!(!device.flash.is_powered(), "failed without a cut: {:?}", device.flash);
    device.flash.reset_counters();
    device.flash.power_on();
    steps[..done].iter().for_each(|step| models.iter_mut().for_each(|model| model.apply(step)));
    if let Some(step) = steps.get(done) {
        models.extend(models.clone().iter().map(|model| model.after(step)));
    }
    // Whatever a mount finds, it is one of them.
    for _ in 0..=u8::from(device.flash.is_unstable()) * 3 {
        let found = device.state();
        assert!(
            models.contains(&found),
            "cut at {op} {tear:?} in {:?}\nfound {found:?}\nallowed {models:?}\n{:?}",
            steps.get(done),
            device.flash
        );
    }
}

/// Settles if `wanted`, and then, or if nothing is unstable, only what was found can be found again.
fn settle<const W: usize, const E: u8, const S: usize, const R: usize, const U: usize>(
    device: &mut Device<W, E, S, R, U>,
    models: &mut Models,
    wanted: bool,
) {
    if wanted || !device.flash.is_unstable() {
        let found = if wanted { device.settled() } else { device.state() };
        assert!(models.contains(&found), "settled on what was not there: {found:?} {models:?} {:?}", device.flash);
        *models = vec![found];
    }
}

/// Whether to settle after such a cut: once with and once without, where it makes a difference.
fn choices(tear: Tear) -> &'static [bool] {
    if Tear::UNSTABLE.contains(&tear) { &[true, false] } else { &[false] }
}

/// How many operations the steps take when nothing goes wrong.
fn count<const W: usize, const E: u8, const S: usize, const R: usize, const U: usize>(
    device: &Device<W, E, S, R, U>,
    steps: &[Step],
) -> u64 {
    let mut whole = device.clone();
    whole.flash.reset_counters();
    whole.run(steps).expect("nothing is wrong");
    whole.assert_lawful();
    whole.flash.ops()
}

/// Every kind can be written again, also after the next rotation; and all later mounts agree.
fn still_usable<const W: usize, const E: u8, const S: usize, const R: usize, const U: usize>(
    device: &mut Device<W, E, S, R, U>,
    mut models: Models,
    steps: &[Step],
) {
    device.run(steps).unwrap_or_else(|fault| panic!("{fault:?} after recovery: {:?}", device.flash));
    steps.iter().for_each(|step| models.iter_mut().for_each(|model| model.apply(step)));
    let found = device.state();
    assert!(models.contains(&found), "{found:?} {models:?} {:?}", device.flash);
    for _ in 0..u8::from(device.flash.is_unstable()) * 3 {
        assert_eq!(device.state(), found, "{:?}", device.flash);
    }
    device.assert_lawful();
}

/// Points 1 to 4 and 7 to 9: one cut at each operation of a script that goes through several rotations.
fn sweep_one<const W: usize, const E: u8, const S: usize, const R: usize, const U: usize>(case: Case) {
    let (device, model) = start::<W, E, S, R, U>(case);
    let mut rng = Rng::new(case.seed).part(2);
    let steps = Step::script(&mut rng, case.steps, case.len_max);
    let after = Step::script(&mut rng, 12, case.len_max);
    let ops = count(&device, &steps);
    assert!(ops > 3 * steps.len() as u64 / 4, "{case:?} does too little: {ops}");
    assert!(device.flash.wear_max() > 1, "{case:?} never rotates");
    println!("{ops} operations, {} cuts: {case:?}", ops * tears().count() as u64);
    for op in 0..ops {
        for tear in tears() {
            for wanted in choices(tear) {
                let (mut device, mut models) = (device.clone(), vec![model.clone()]);
                cut(&mut device, &mut models, &steps, op, tear);
                settle(&mut device, &mut models, *wanted);
                still_usable(&mut device, models, &after);
            }
        }
    }
}

/// The same with a second cut at each operation of what follows the first.
fn sweep_two<const W: usize, const E: u8, const S: usize, const R: usize, const U: usize>(case: Case) {
    let (device, model) = start::<W, E, S, R, U>(case);
    let mut rng = Rng::new(case.seed).part(3);
    let steps = Step::script(&mut rng, case.steps, case.len_max);
    let recovery = Step::script(&mut rng, 4, case.len_max);
    let after = Step::script(&mut rng, 4, case.len_max);
    let mut pairs = 0;
    for op in 0..count(&device, &steps) {
        for (tear, wanted) in tears().flat_map(|tear| choices(tear).iter().map(move |wanted| (tear, *wanted))) {
            let (mut device, mut models) = (device.clone(), vec![model.clone()]);
            cut(&mut device, &mut models, &steps, op, tear);
            settle(&mut device, &mut models, wanted);
            for second_op in 0..count(&device, &recovery) {
                for second in tears() {
                    let (mut device, mut models) = (device.clone(), models.clone());
                    cut(&mut device, &mut models, &recovery, second_op, second);
                    settle(&mut device, &mut models, Tear::UNSTABLE.contains(&second));
                    still_usable(&mut device, models, &after);
                    pairs += 1;
                }
            }
        }
    }
    assert!(pairs > 10_000, "only {pairs} pairs of cuts");
    println!("{pairs} pairs of cuts: {case:?}");
}

const fn case(sectors: &'static [u32], start: u32, len: u32, len_max: u32, ecc: bool) -> Case {
    Case { sectors, partition: Partition::new(start, len), ecc, len_max, steps: 40, seed: 1 }
}

#[test]
fn write_size_1() {
    sweep_one::<1, 0xFF, 256, 1, 64>(case(&[256; 2], 0, 512, 30, false));
}
#[test]
fn write_size_1_smallest_buffer() {
    sweep_one::<1, 0xFF, 256, 1, 16>(case(&[256; 2], 0, 512, 30, false));
}
#[test]
fn write_size_1_erased_to_zero() {
    sweep_one::<1, 0x00, 256, 1, 64>(case(&[256; 4], 256, 512, 30, false));
}
#[test]
fn read_size_larger_than_write_size() {
    sweep_one::<2, 0xFF, 256, 4, 64>(case(&[256; 2], 0, 512, 30, false));
}
#[test]
fn write_size_4() {
    sweep_one::<4, 0xFF, 1024, 1, 64>(case(&[1024; 2], 0, 2048, 150, false));
}
#[test]
fn write_size_4_erased_to_zero() {
    sweep_one::<4, 0x00, 512, 4, 64>(case(&[512; 2], 0, 1024, 70, true));
}
#[test]
fn write_size_8_with_ecc() {
    sweep_one::<8, 0xFF, 512, 1, 64>(case(&[512; 3], 512, 1024, 70, true));
}
#[test]
fn write_size_8_many_sectors_a_bank() {
    sweep_one::<8, 0xFF, 128, 1, 64>(case(&[128; 10], 128, 1024, 70, false));
}
#[test]
fn write_size_8_uneven_sectors() {
    sweep_one::<8, 0xFF, 128, 1, 64>(case(&[128, 128, 256, 512], 0, 1024, 70, true));
}
#[test]
fn write_size_16_uneven_buffer() {
    sweep_one::<16, 0xFF, 512, 1, 40>(case(&[512; 2], 0, 1024, 70, true));
}
#[test]
fn write_size_32() {
    sweep_one::<32, 0xFF, 1024, 1, 64>(case(&[1024; 2], 0, 2048, 100, true));
}
#[test]
fn write_size_256() {
    sweep_one::<256, 0xFF, 2048, 1, 256>(case(&[2048; 2], 0, 4096, 248, false));
}
#[test]
fn write_size_512() {
    sweep_one::<512, 0xFF, 4096, 1, 512>(case(&[4096; 2], 0, 8192, 504, true));
}
#[test]
fn write_size_512_erased_to_zero() {
    sweep_one::<512, 0x00, 2048, 1, 512>(case(&[2048; 4], 0, 8192, 504, false));
}

#[test]
fn two_cuts_write_size_1() {
    sweep_two::<1, 0xFF, 128, 1, 16>(Case { steps: 14, ..case(&[128; 2], 0, 256, 12, false) });
}
#[test]
fn two_cuts_write_size_8_with_ecc() {
    sweep_two::<8, 0xFF, 256, 1, 64>(Case { steps: 20, ..case(&[256; 2], 0, 512, 30, true) });
}
#[test]
fn two_cuts_uneven_sectors_erased_to_zero() {
    sweep_two::<4, 0x00, 64, 1, 64>(Case { steps: 20, ..case(&[64, 64, 128, 256], 0, 512, 40, false) });
}

/// More seeds on one common geometry: other scripts, other random tears.
#[test]
fn many_seeds() {
    for seed in 100..112 {
        sweep_one::<8, 0xFF, 256, 1, 64>(Case { seed, steps: 24, ..case(&[256; 2], 0, 512, 30, seed % 2 == 0) });
    }
}

/// The first record ever: a cut leaves an empty journal or that record.
#[test]
fn cut_while_the_first_bank_is_opened() {
    for (tear, seed) in tears().flat_map(|tear| (0..8).map(move |seed| (tear, seed))) {
        for op in 0..7 {
            let flash = SimFlash::<8, 0xFF, 256>::new(512).seeded(seed);
            let mut device = Device::<8, 0xFF, 256, 1, 64> { flash, partition: Partition::new(0, 512) };
            let steps = [Step::Append(Kind::Boot, b"the first record".to_vec())];
            assert_eq!(count(&device, &steps), 7, "erase, two writes of the record, two of each copy of the header");
            let mut models = vec![Model::default()];
            cut(&mut device, &mut models, &steps, op, tear);
            settle(&mut device, &mut models, true);
            still_usable(&mut device, models, &steps);
        }
    }
}

/// A loader that only knows of boot records wears the journal through many banks; the rest stays.
#[test]
fn other_kinds_survive_rotations_of_the_loader() {
    let flash = SimFlash::<8, 0xFF, 256>::new(512);
    let mut device = Device::<8, 0xFF, 256, 1, 64> { flash, partition: Partition::new(0, 512) };
    device.mount().unwrap().append(Kind::App, b"device identity").unwrap();
    for n in 0_u32..300 {
        let mut journal = device.mount().unwrap();
        journal.append(Kind::Boot, &n.to_le_bytes()).unwrap();
        assert_eq!(journal.read(Kind::App, &mut [0; 32]).unwrap(), Some(&b"device identity"[..]));
        assert_eq!(journal.read(Kind::Boot, &mut [0; 4]).unwrap(), Some(&n.to_le_bytes()[..]));
    }
    let (a, b) = (device.flash.wear(0), device.flash.wear(1));
    assert!(a > 10 && a.abs_diff(b) <= 1, "both banks wear alike: {a} and {b}");
    device.assert_lawful();
}
