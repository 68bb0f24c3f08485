//! The codec alone, over plain text: a line is a topic and a payload, as `mosquitto_sub -v` prints them.
//!
//! ```text
//! echo '/ota/device/upgrade/a1B2c3D4e5F/lamp-7 {"code":"1000","data":{"version":"2","url":"http://h/f"}}' |
//!     cargo run -p ota-transport --example codec
//! ```

use std::error::Error;
use std::io::{self, BufRead};

use ota_hal::Entropy;
use ota_transport::linkkit::{Identity, Linkkit, MESSAGE_MAX};
use ota_transport::{Component, Event, FailStage, Report};

/// A number that differs between starts.
struct ProcessId;
impl Entropy for ProcessId {
    fn next_u32(&mut self) -> u32 {
        std::process::id()
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let device = Identity::new("a1B2c3D4e5F", "lamp-7")?;
    let mut linkkit = Linkkit::new(&device, &[], &mut ProcessId);
    say(&mut linkkit, &Report::Version { component: Component::default(), version: "1.0.0" })?;
    for line in io::stdin().lock().lines() {
        let line = line?;
        let (topic, payload) = line.split_once(' ').unwrap_or((&line, ""));
        let mut payload = payload.as_bytes().to_vec();
        let report = match linkkit.decode(topic, &mut payload) {
            Some(Event::Offer(offer)) => {
                println!("# version {} at {:?}", offer.version, offer.locator);
                Report::Progress { component: offer.component, percent: 1 }
            }
            Some(Event::Bad(error)) => {
                println!("# {error:?}");
                let text = "offer not understood";
                Report::Failed { component: Component::default(), stage: FailStage::Upgrade, text }
            }
            other => {
                println!("# {other:?}");
                continue;
            }
        };
        say(&mut linkkit, &report)?;
    }
    Ok(())
}

/// Prints what a client would publish.
fn say(linkkit: &mut Linkkit<'_>, report: &Report<'_>) -> Result<(), Box<dyn Error>> {
    let mut buf = [0; MESSAGE_MAX];
    let id = linkkit.next_id();
    let message = linkkit.encode(report, id, &mut buf)?;
    println!("{} {}", message.topic, message.payload);
    Ok(())
}
