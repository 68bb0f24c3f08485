//! The devices that the loader's tests start from: one for each phase of the record.

use super::{Device, Started, image};
use ota_boot::record::{Image, Phase};
use ota_boot::{Record, RollbackReason};
use ota_hal::{Kind, ResetCause, SlotId};

pub const A: SlotId = SlotId::A;
pub const B: SlotId = SlotId::B;

/// Image 1 in slot A, nothing else.
pub fn factory() -> Device {
    Device::factory(Device::blank())
}

pub fn runs(n: u8, slot: SlotId, trial: bool) -> Started {
    Started::Image { n, slot, trial }
}

/// Image 2, as a record holds it.
pub fn image_2() -> Image {
    let mut device = factory();
    device.write(B, &image(2)).unwrap();
    Image::of(&device.prove(B, 0).unwrap())
}

/// Image 1 accepted in A, image 2 in B, the record in this phase.
pub fn device_in(phase: Phase) -> Device {
    let mut device = factory();
    device.write(B, &image(2)).unwrap();
    device.append(Kind::Boot, &record_in(phase, 1).encode());
    device
}

pub fn record_in(phase: Phase, floor: u32) -> Record {
    let accepted = factory().prove(A, 0).unwrap();
    let image = if phase == Phase::Confirmed { Image::of(&accepted) } else { image_2() };
    Record { home: A, floor, phase, image: Some(image) }
}

/// Image 2 awaits its first start.
pub fn staged() -> Device {
    device_in(Phase::Pending)
}

/// One of each phase, and of each number of attempts.
pub fn phases() -> [Phase; 7] {
    let last_reset = ResetCause::Pin;
    let reason = RollbackReason::GateTimeout(4);
    [
        Phase::Confirmed,
        Phase::Pending,
        Phase::Testing { attempts_left: 2, last_reset },
        Phase::Testing { attempts_left: 1, last_reset },
        Phase::Testing { attempts_left: 0, last_reset },
        Phase::GivenUp { reason, last_reset },
        Phase::RolledBack { reason, last_reset },
    ]
}
