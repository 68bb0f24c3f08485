//! Encodes every pair of a list and prints patch sizes: `cargo run --release -p ota-diff --features std --example pairs DIR`.

use ota_diff::{Arch, ArchChoice, Options, ProfileId, encode, patch};
use std::time::Instant;
use std::{env, fs};

fn main() {
    let dir = env::args().nth(1).unwrap_or_else(|| "../shared/firmware".into());
    let only = env::args().nth(2).unwrap_or_default();
    let list = fs::read_to_string(format!("{dir}/pairs.tsv")).expect("the folder has no pairs.tsv");
    for line in list.lines().skip(1) {
        let fields: Vec<&str> = line.split('\t').collect();
        let [id, isa, old, new] = fields[..] else { continue };
        if !id.contains(&only) {
            continue;
        }
        let old = fs::read(format!("{dir}/{old}")).expect("an old image is missing");
        let new = fs::read(format!("{dir}/{new}")).expect("a new image is missing");
        print!("{id:14} {:8}", new.len());
        let profiles = env::args().nth(3).unwrap_or_else(|| "MS".into());
        for profile in [ProfileId::M, ProfileId::S] {
            if !profiles.contains(&format!("{profile:?}")) {
                continue;
            }
            let arch = match (env::args().nth(4).is_some(), isa) {
                (false, _) => ArchChoice::Auto,
                (_, "thumb") => ArchChoice::Fixed(Arch::Thumb),
                (_, "riscv32") => ArchChoice::Fixed(Arch::RiscV),
                _ => ArchChoice::Fixed(Arch::Xtensa),
            };
            let start = Instant::now();
            let made =
                encode(&old, &new, &mut Options { profile, arch, ..Options::default() }).expect("encoding failed");
            let took = start.elapsed();
            assert!(patch(&old, &made).as_deref() == Ok(&new[..]), "{id}: the round trip failed");
            print!("  {profile:?} {:7} {:6.2} s", made.len(), took.as_secs_f64());
        }
        println!();
    }
}
