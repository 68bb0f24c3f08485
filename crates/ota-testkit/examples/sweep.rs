//! Cuts the power at every operation of a small scenario: `cargo run -p ota-testkit --example sweep -- [SEED]`.

use embedded_storage::nor_flash::{NorFlash, ReadNorFlash};
use ota_testkit::{SimError, SimFlash, Tear};

type Part = SimFlash<8, 0xFF, 256>;

/// A counter in two sectors: erase the other sector, write the number twice. Good enough? The sweep tells.
fn store(flash: &mut Part, at: u32, value: u64) -> Result<(), SimError> {
    flash.erase(at, at + 256)?;
    flash.write(at, &value.to_le_bytes())?;
    flash.write(at + 8, &value.to_le_bytes())
}

fn load(flash: &mut Part, at: u32) -> Option<u64> {
    let (mut first, mut second) = ([0; 8], [0; 8]);
    flash.read(at, &mut first).ok()?;
    flash.read(at + 8, &mut second).ok()?;
    (first == second && first != [0xFF; 8]).then(|| u64::from_le_bytes(first))
}

fn main() {
    let seed = std::env::args().nth(1).and_then(|arg| arg.parse().ok()).unwrap_or(1);
    let mut start = Part::new(512).seeded(seed);
    store(&mut start, 0, 41).expect("no fault yet");
    start.reset_counters();
    let mut tried = 0;
    for op in 0..3 {
        for tear in Tear::ALL {
            let mut flash = start.clone();
            flash.cut_at(op, tear);
            let cut = store(&mut flash, 256, 42);
            assert_eq!(cut, Err(SimError::NoPower));
            flash.power_on();
            let value = load(&mut flash, 256).or_else(|| load(&mut flash, 0));
            assert!(value == Some(41) || value == Some(42), "{value:?} after a cut: {flash:?}");
            tried += 1;
        }
    }
    println!("{tried} cuts, seed {seed}: old or new value each time");
}
