//! A whole update in one process, on simulated parts: offer, download, a power cut in the middle, trial, confirm.
//!
//! `cargo run -p ota-service --example in_memory`

#[path = "../tests/common/mod.rs"]
mod common;

use common::{Draft, End, World};
use ota_hal::ResetCause;
use ota_service::{Gate, Health};

fn main() {
    // The vendor signs version 2 and puts it on a server; the cloud offers it to a device that runs version 1.
    let mut world = World::new(Draft::new(2).package());
    world.product.gates = vec![Gate::app("sensor", 10_000), Gate::acknowledged("cloud", 60_000)];
    world.set_health(&[Health::Pass]);
    world.offer("2.0.0");

    println!("== first start, power cut after 20000 bytes");
    let end = world.session(|w| w.server.served() > 20_000);
    assert_eq!(end, End::Quit);
    show(&world);

    println!("== second start: continues at the checkpoint, verifies, stages");
    world.cause = ResetCause::PowerOn;
    let end = world.session(|_| false);
    assert_eq!(end, End::Reset);
    show(&world);

    println!("== third start: on trial, gates pass, confirmed");
    world.cause = ResetCause::Software;
    let end = world.session(|w| w.cloud.has_heard("version 2.0.0"));
    assert_eq!(end, End::Quit);
    show(&world);
    println!("requests as (offset, bytes): {:?}", world.server.log.borrow());
}

fn show(world: &World) {
    println!("   the application was told: {:?}", world.product.notices.borrow_mut().drain(..).collect::<Vec<_>>());
    println!("   the cloud heard: {:?}", world.cloud.heard.borrow_mut().drain(..).collect::<Vec<_>>());
}
