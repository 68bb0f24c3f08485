//! What every decoder, the loader and the agent must bear: one body for each, which a fuzzer and an ordinary test share.
//!
//! A body takes any bytes and panics when a promise is broken. `fuzz/` in the root of the repository runs the bodies under
//! cargo-fuzz, `tests/fuzz_smoke.rs` of this crate on mutated seeds; `docs/fuzzing.md` says how.

pub mod agent;
mod boot;
mod coap;
mod http;
mod image;
mod journal;
mod messages;
mod mutate;
mod package;
mod recipe;
mod records;
mod script;
mod signed;
mod watch;

pub use mutate::{mutated, write_seeds};

/// Something that takes bytes from outside, and what it is tried with.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// What it is called on the command line.
    pub name: &'static str,
    /// Takes any bytes; panics when a promise is broken.
    pub body: fn(&[u8]),
    /// Inputs that get far.
    pub seeds: fn() -> Vec<Vec<u8>>,
    /// The longest input that is of use.
    pub len_max: usize,
    /// How many mutated inputs the ordinary test takes: about half a second's worth.
    pub rounds: u32,
}

impl Target {
    /// Makes what the first input would have to wait for, above all keys: under a fuzzer that takes many seconds.
    pub fn warm_up(&self) {
        (self.seeds)().iter().take(1).for_each(|seed| (self.body)(seed));
    }
}

/// Every target.
pub const TARGETS: [Target; 10] = [
    Target { name: "image", body: image::body, seeds: image::seeds, len_max: 1024, rounds: 10_000 },
    Target { name: "manifest", body: package::manifest, seeds: package::manifest_seeds, len_max: 512, rounds: 10_000 },
    Target { name: "package", body: package::package, seeds: package::package_seeds, len_max: 1024, rounds: 10_000 },
    Target { name: "journal", body: journal::body, seeds: journal::seeds, len_max: 640, rounds: 8000 },
    Target { name: "messages", body: messages::body, seeds: messages::seeds, len_max: 2048, rounds: 10_000 },
    Target { name: "http", body: http::body, seeds: http::seeds, len_max: 1024, rounds: 10_000 },
    Target { name: "coap", body: coap::body, seeds: coap::seeds, len_max: 1024, rounds: 25_000 },
    Target { name: "boot", body: boot::body, seeds: boot::seeds, len_max: boot::LEN, rounds: 4000 },
    Target { name: "agent", body: agent::body, seeds: agent::seeds, len_max: 64, rounds: 200 },
    Target { name: "records", body: records::body, seeds: records::seeds, len_max: records::LEN, rounds: 1000 },
];

/// The target of this name.
///
/// # Panics
/// When there is none.
#[must_use]
pub fn target(name: &str) -> &'static Target {
    let names = || TARGETS.map(|target| target.name).join(", ");
    TARGETS
        .iter()
        .find(|target| target.name == name)
        .unwrap_or_else(|| panic!("no target {name}; there are {}", names()))
}
