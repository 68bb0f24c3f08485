//! Strips the probe, so that even its debug build fits a slot.
fn main() {
    println!("cargo::rustc-link-arg-bin=ota-board-probe=-s");
}
