//! Real peers: what others wrote must understand us, and we them.

mod bench;
mod broker;
mod coap;
mod coap_client;
mod coap_cloud;
mod imgtool;
mod openssl;
mod peers;
mod relay;
mod web;

use crate::world::{Programs, Scratch};
use anyhow::{Result, bail};
use peers::Peers;
use std::time::Instant;

/// What one peer came to.
struct Outcome {
    peer: &'static str,
    version: String,
    exchanged: String,
}

type Check = fn(&Programs, &Peers, &Scratch) -> Result<Outcome>;

/// In the order of what they need: files, one link, both links.
const CHECKS: [(&str, Check); 11] = [
    ("openssl", openssl::check),
    ("imgtool", imgtool::check),
    ("nginx", web::nginx),
    ("http.server", web::python),
    ("libcoap", coap::libcoap),
    ("aiocoap", coap::aiocoap),
    ("coap-client", coap_client::check),
    ("aiocoap-cloud", coap_cloud::check),
    ("mosquitto", broker::mosquitto),
    ("mosquitto-tls", broker::mosquitto_tls),
    ("paho-mqtt", broker::paho),
];

/// What a peer may be called on the command line.
pub(crate) fn names() -> [&'static str; CHECKS.len()] {
    CHECKS.map(|(name, _)| name)
}

/// Runs every peer; one line each. Fails when one of them did not understand us.
pub(crate) fn run(only: Option<&str>) -> Result<()> {
    let peers = Peers::ready()?;
    let programs = Programs::build()?;
    let scratch = Scratch::new("interop", false)?;
    let (mut passed, mut failed) = (0, 0);
    println!("{:<13} {:<10} {:<7} exchanged", "peer", "version", "result");
    for (name, check) in CHECKS.into_iter().filter(|(name, _)| only.is_none_or(|only| only == *name)) {
        let started = Instant::now();
        match check(&programs, &peers, &scratch) {
            Ok(outcome) => {
                passed += 1;
                let time = started.elapsed().as_secs_f32();
                println!("{:<13} {:<10} pass    {} ({time:.1} s)", outcome.peer, outcome.version, outcome.exchanged);
            }
            Err(error) => {
                failed += 1;
                println!("{name:<13} {:<10} FAIL    {error:#}", "");
            }
        }
    }
    println!("{passed} passed, {failed} failed");
    if failed > 0 {
        bail!("interop: {failed} of {} peers failed", passed + failed);
    }
    Ok(())
}
