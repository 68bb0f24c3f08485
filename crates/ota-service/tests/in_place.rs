//! A board that executes in place: an image goes to the slot it is linked for, or nowhere.

mod common;

use common::{Draft, World, program};
use ota_boot::InPlace;
use ota_hal::SlotId;

const SLOTS: InPlace = InPlace([0x0801_0000, 0x0809_0000]);

fn linked(n: u8, address: Option<u32>) -> Draft {
    Draft { linked: address, ..Draft::new(n) }
}

fn linked_for(n: u8, slot: SlotId) -> Draft {
    linked(n, Some(SLOTS.address(slot)))
}

/// Runs image 1 in slot A, and is offered `object`.
fn offered(object: Vec<u8>) -> World {
    let mut world = World::new(object);
    program(&mut world.flash.borrow_mut(), 0, &linked_for(1, SlotId::A).image());
    world.in_place = Some(SLOTS);
    world.policy.bare_image = true;
    world.offer("2.0.0");
    world
}

/// What is linked for slot A, for no slot, and for the payload instead of the slot.
fn strangers() -> [Draft; 3] {
    let payload = SLOTS.address(SlotId::B) + 32;
    [linked_for(2, SlotId::A), linked(2, None), linked(2, Some(payload))]
}

#[test]
fn an_image_of_its_slot_is_installed_in_either() {
    for bare in [true, false] {
        let object = |draft: Draft| if bare { draft.image() } else { draft.package() };
        let mut world = offered(object(linked_for(2, SlotId::B)));
        world.until_heard("version 2.0.0");
        world.server.put(object(linked_for(3, SlotId::A)), "\"3\"");
        world.offer("3.0.0");
        world.until_heard("version 3.0.0");
        assert_eq!(world.load(), Some((3, SlotId::A, false)));
        world.is_well(3);
    }
}

#[test]
fn another_image_is_refused_with_its_reason_and_before_it_could_start() {
    for draft in strangers() {
        for object in [draft.image(), draft.package()] {
            let mut world = offered(object);
            let resets = world.live(|world| !world.cloud.failures().is_empty());
            assert_eq!(world.cloud.failures(), ["failed -3 refused: image not linked for this slot"]);
            assert_eq!(resets, 0, "staged before it was refused");
            assert_eq!(world.other_slot()[..8], [0xFF; 8], "the slot may look complete");
            world.is_well(1);
        }
    }
}

#[test]
fn an_agent_that_was_not_told_is_held_by_the_loader() {
    for draft in strangers() {
        let mut world = offered(draft.image());
        world.forgetful = true;
        assert_eq!(world.until_failed(), "failed -1 rolled back: image not valid at boot (reset: software)");
        assert_eq!(world.load(), Some((1, SlotId::A, false)));
        world.forgetful = false;
        world.is_well(1);
    }
}
