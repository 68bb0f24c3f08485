//! Every fuzz target, without a fuzzer: its seeds, seeds that were changed, and what a fuzzer once found.
//!
//! `FUZZ_ROUNDS=100000` for more, `FUZZ_SEED=7` for others, `FUZZ_INPUT=6f74…` for the one input that a failure names.

use ota_sweep::fuzz::{TARGETS, Target, mutated, target};
use ota_testkit::Rng;
use std::panic::catch_unwind;
use std::str::FromStr;

fn number<T: FromStr>(name: &str, usual: T) -> T {
    std::env::var(name).map_or(usual, |text| text.parse().unwrap_or_else(|_| panic!("{name} is no number")))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Vec<u8> {
    let byte = |n: usize| u8::from_str_radix(&text[n..n + 2], 16).expect("FUZZ_INPUT is no hexadecimal text");
    (0..text.len()).step_by(2).map(byte).collect()
}

/// Runs the body; a failure names the input.
fn bears(target: &Target, input: &[u8]) {
    let body = target.body;
    let kept = input.to_vec();
    if catch_unwind(move || body(&kept)).is_err() {
        let (name, input) = (target.name, hex(input));
        panic!("again: FUZZ_INPUT={input} cargo test -p ota-sweep --test fuzz_smoke {name}");
    }
}

fn smoke(name: &str) {
    let target = target(name);
    if let Ok(text) = std::env::var("FUZZ_INPUT") {
        return (target.body)(&unhex(&text));
    }
    let seeds = (target.seeds)();
    seeds.iter().for_each(|seed| bears(target, seed));
    let mut rng = Rng::new(number("FUZZ_SEED", 1));
    let rounds = number("FUZZ_ROUNDS", target.rounds);
    for _ in 0..rounds {
        bears(target, &mutated(&mut rng, &seeds, target.len_max));
    }
    println!("{name}: {} seeds, {rounds} fuzz inputs", seeds.len());
}

macro_rules! smoke {
    ($($name:ident)*) => {
        $(#[test] fn $name() { smoke(stringify!($name)); })*

        #[test]
        fn every_target_is_run() {
            assert_eq!(TARGETS.map(|target| target.name).as_slice(), &[$(stringify!($name)),*]);
        }
    };
}
smoke!(image manifest package journal messages http coap boot agent records);
