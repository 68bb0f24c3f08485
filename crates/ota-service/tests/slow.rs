//! A messaging link on which a report takes long: the download does not wait for it.

mod common;

use common::{End, Opening, World};
use ota_hal::Clock;

/// Lives until the image is staged; the milliseconds that took.
fn staged(world: &mut World) -> u64 {
    world.product.ready.set(false);
    world.server.chunk.set(100);
    let start = world.clock.now();
    assert_eq!(world.session(|w| w.notices().contains(&"Staged".into())), End::Quit);
    world.clock.now().since(start)
}

#[test]
fn the_source_is_read_while_a_report_is_on_its_way() {
    let mut world = World::offered();
    world.cloud.slow.set(30);
    let ms = staged(&mut world);
    // At most the one report that was on its way when the last byte came was waited for.
    assert!(ms <= 15_000, "{ms} ms: the download waited for reports");
    let heard = world.cloud.heard.borrow().clone();
    let percents: Vec<u8> = heard.iter().filter_map(|t| t.strip_prefix("progress ")?.parse().ok()).collect();
    // Without reading meanwhile, none of them would ever be through.
    assert!(percents.len() > 4 && percents.is_sorted(), "{percents:?}");
    assert_eq!(world.server.offsets(), [0, 1000]);
    world.product.ready.set(true);
    world.until_heard("version 2.0.0");
}

#[test]
fn a_source_that_falls_silent_or_breaks_meanwhile_is_a_fault_like_any_other() {
    for fault in [Opening::Stalls(9_000), Opening::Breaks(9_000), Opening::Ends(9_000)] {
        let mut world = World::offered();
        world.cloud.slow.set(100_000);
        world.server.script.borrow_mut().extend([Opening::Breaks(40_000), fault]);
        staged(&mut world);
        assert_eq!(world.server.offsets().len(), 3, "{:?}", world.server.offsets());
        world.cloud.slow.set(0);
        world.product.ready.set(true);
        world.until_heard("version 2.0.0");
    }
}

#[test]
fn a_report_may_never_take_the_time_of_the_source() {
    let mut world = World::offered();
    world.policy.timing.send_ms = 3_600_000;
    world.cloud.slow.set(100_000);
    world.server.script.borrow_mut().push_back(Opening::Stalls(300));
    let ms = staged(&mut world);
    assert!(ms < 200_000, "{ms} ms: a report held everything up");
}
