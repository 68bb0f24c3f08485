use ota_diff::*;
use std::{env, fs};
fn main() {
    let a: Vec<String> = env::args().collect();
    let (old, new) = (fs::read(&a[1]).unwrap(), fs::read(&a[2]).unwrap());
    let arch = match &a[3][..] { "thumb" => Arch::Thumb, "riscv32" => Arch::RiscV, "xtensa" => Arch::Xtensa, _ => Arch::None };
    for (p, l) in [(ProfileId::S, "s"), (ProfileId::M, "m")] {
        let made = encode(&old, &new, &mut Options { profile: p, arch: ArchChoice::Fixed(arch), progress: None }).unwrap();
        fs::write(format!("{}-{l}.patch", a[4]), &made).unwrap();
    }
}
