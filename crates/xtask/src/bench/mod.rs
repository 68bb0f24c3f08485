//! `cargo xtask bench`: what things cost, counted.

mod board;
pub(crate) mod delta;
mod report;

use crate::run::root;
use anyhow::Result;
use board::Counts;
use clap::{Args, Subcommand};
use report::Figure;

/// What is measured.
#[derive(Debug, Clone, Subcommand)]
pub(crate) enum What {
    /// From reset to the application, and the journal, in instructions on the emulated Cortex-M4
    Boot(Options),
    /// SHA-256 and every signature algorithm, in instructions on the emulated Cortex-M4
    Verify(Options),
    /// Patches and compressed images against the tools of others: size, time, memory, and the cost on a device
    Delta(delta::Options),
}

/// How figures are shown.
#[derive(Debug, Clone, Args)]
pub(crate) struct Options {
    /// As JSON
    #[arg(long)]
    json: bool,
    /// Rewrites the table in docs/performance.md
    #[arg(long)]
    update: bool,
}

/// Measures and prints.
pub(crate) fn run(what: &What) -> Result<()> {
    let (name, options) = match what {
        What::Boot(options) => ("boot", options),
        What::Verify(options) => ("verify", options),
        What::Delta(options) => return delta::run(options),
    };
    let (small, large) = board::measure()?;
    let (figures, stack) = match what {
        What::Boot(_) => (boot(&small, &large)?, Some(small.get("loader-stack")?)),
        _ => (verify(&small)?, None),
    };
    let table = report::table(&figures) + &stack.map(report::stack).unwrap_or_default();
    if options.json {
        println!("{:#}", report::json(name, &figures, stack)?);
    } else {
        print!("{table}");
    }
    if options.update {
        let block = format!("{table}\n{}\n", report::note(name)?);
        crate::block::write(&root().join("docs/performance.md"), &format!("bench-{name}"), &block)?;
    }
    Ok(())
}

fn boot(small: &Counts, large: &Counts) -> Result<Vec<Figure>> {
    let (a, b) = (small.get("boot")?, large.get("boot")?);
    let mut figures = vec![
        Figure::new("boot-100-kib", "reset to application, image of 100 KiB", a),
        Figure::new("boot-200-kib", "the same, image of 200 KiB", b),
        Figure::new("boot-per-100-kib", "each further 100 KiB of image", b.saturating_sub(a)),
    ];
    for (name, what) in [
        ("journal-append-progress-12", "journal: append 12 bytes (a checkpoint)"),
        ("journal-append-boot-56", "journal: append 56 bytes (a boot record)"),
        ("journal-append-job-1200", "journal: append 1,200 bytes (a job with its URL)"),
        ("journal-mount-blank", "journal: mount, blank"),
        ("journal-mount-rotated", "journal: mount, bank just rotated"),
        ("journal-mount-300-records", "journal: mount, 300 records"),
        ("journal-rotate", "journal: append that rotates the bank"),
    ] {
        figures.push(Figure::new(name, what, small.get(name)?));
    }
    Ok(figures)
}

fn verify(counts: &Counts) -> Result<Vec<Figure>> {
    let figure = |(name, what)| Ok(Figure::new(name, what, counts.get(name)?));
    [
        ("sha256-flash-per-kib", "SHA-256 through the flash driver, per KiB"),
        ("sha256-memory-per-kib", "SHA-256 of memory, per KiB"),
        ("verify-rsa2048-pss", "RSA-2048, PSS"),
        ("verify-rsa2048-pkcs1", "RSA-2048, PKCS#1 v1.5"),
        ("verify-rsa3072-pss", "RSA-3072, PSS"),
        ("verify-rsa4096-pss", "RSA-4096, PSS"),
        ("verify-ed25519", "Ed25519"),
        ("verify-p256", "ECDSA, P-256"),
    ]
    .map(figure)
    .into_iter()
    .collect()
}
