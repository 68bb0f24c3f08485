//! `cargo xtask sweep` runs this.

use clap::Parser;

/// Cuts the power of a whole device everywhere, and looks at what becomes of it.
#[derive(Parser)]
#[command(name = "cargo xtask sweep")]
struct Options {
    /// Stop after so many seconds
    #[arg(long)]
    budget: Option<u64>,
}

fn main() {
    let _ = Options::parse().budget;
}
