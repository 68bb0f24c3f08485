//! A whole life cycle on a flash in memory, start by start: an update that works, one that hangs, one that is damaged.
//!
//! `cargo run -p ota-boot --example two_slots`

use ota_boot::loader::{Config, Decision, boot};
use ota_boot::{Boot, BootControl, Copied};
use ota_hal::reset::NoWatchdog;
use ota_hal::{Journal, Layout, Partition, Region, ResetCause, Shared, SharedJournal, SlotId};
use ota_testkit::SimFlash;
use ota_verify::{Algorithm, Identity, KeyId, Keys, Rules, SignatureError, Uuid, digest_region, verify_image};
use std::cell::RefCell;

type Flash = SimFlash<8>;
const LAYOUT: Layout = const {
    Layout::new(Partition::new(0, 0x2000), Partition::new(0x2000, 0x2000), Partition::new(0x4000, 0x2000), 0x1000)
};
const RULES: Rules<'_, ToyKey> =
    Rules { keys: &ToyKey, identity: Identity { vendor: Uuid([1; 16]), class: Uuid([2; 16]) }, floor: 0 };

/// Stands for a real key set such as `ota_verify`'s RSA or Ed25519 keys. Anybody can forge it: never ship such a thing.
struct ToyKey;
impl Keys for ToyKey {
    fn verify(&self, _: &KeyId, _: Algorithm, digest: &[u8; 32], signature: &[u8]) -> Result<(), SignatureError> {
        if signature == [*digest, *digest].concat() { Ok(()) } else { Err(SignatureError::Mismatch) }
    }
}

/// A minimal image in MCUboot's format; `ota sign` and `imgtool` make real ones.
fn image(major: u8, counter: u32) -> Vec<u8> {
    let tlv = |kind: u16, value: &[u8]| {
        let head = [kind.to_le_bytes(), (value.len() as u16).to_le_bytes()].concat();
        [&head[..], value].concat()
    };
    let payload = format!("program {major}.0.0").into_bytes();
    let mut image = 0x96F3_B83D_u32.to_le_bytes().to_vec(); // magic
    image.extend([0, 0, 0, 0, 32, 0, 52, 0]); // load address, header size, protected TLV size
    image.extend((payload.len() as u32).to_le_bytes());
    image.extend([0, 0, 0, 0, major, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]); // flags, version, pad
    image.extend(payload);
    image.extend([0x08, 0x69, 52, 0]); // protected: security counter, vendor, class
    image.extend([tlv(0x50, &counter.to_le_bytes()), tlv(0x74, &[1; 16]), tlv(0x75, &[2; 16])].concat());
    let len = image.len() as u32;
    let digest = digest_region(&mut image.as_slice(), len).expect("a slice can be read");
    image.extend([0x07, 0x69, 144, 0]); // unprotected: digest, key id, signature
    image.extend([tlv(0x10, &digest), tlv(0x01, &[0; 32]), tlv(0x24, &[digest, digest].concat())].concat());
    image
}

struct Device {
    flash: RefCell<Flash>,
    running: SlotId,
}

impl Device {
    fn region(&self, partition: Partition) -> Region<Shared<'_, Flash>> {
        Region::new(Shared::new(&self.flash), partition)
    }

    fn write(&self, slot: SlotId, image: &[u8]) {
        let mut padded = image.to_vec();
        padded.resize(image.len().next_multiple_of(8), 0xFF);
        let mut region = self.region(LAYOUT.slot(slot));
        region.erase(0, region.len()).expect("the flash works");
        region.write(0, &padded).expect("the flash works");
    }

    /// What a board does after each reset.
    fn reset(&mut self, cause: ResetCause) {
        let mut journal = Journal::mount(self.region(LAYOUT.journal())).expect("the flash works");
        let mut slots = [SlotId::A, SlotId::B].map(|slot| self.region(LAYOUT.slot(slot)));
        // The programs of this example run from anywhere; a board that executes them in their slots says `InPlace`.
        let config = Config::new(Copied);
        let decision = boot(&mut journal, &mut slots, &RULES, cause, &config, &mut NoWatchdog);
        let Decision::Boot { proof, trial } = decision else {
            panic!("nothing to start");
        };
        self.running = proof.slot();
        let (slot, version) = (self.running, proof.version().major);
        let kind = if trial { "on trial" } else { "accepted" };
        print!("reset by {cause:?}: image {version}.0.0 of slot {slot:?} starts, {kind}; ");
        self.with_boot(|mut boot| {
            println!("floor {}, {:?}", boot.security_floor().unwrap(), boot.state().unwrap());
        });
    }

    fn with_boot<R>(&self, act: impl FnOnce(Boot<'_, Shared<'_, Flash>>) -> R) -> R {
        let journal = RefCell::new(Journal::mount(self.region(LAYOUT.journal())).expect("the flash works"));
        act(Boot::new(SharedJournal::new(&journal), self.running))
    }

    /// What the update agent does when all bytes are there.
    fn update(&self, image: &[u8]) {
        let slot = self.running.other();
        self.write(slot, image);
        let proof = verify_image(&mut self.region(LAYOUT.slot(slot)), slot, &RULES).expect("a good image");
        println!("-- image {}.0.0 written to slot {slot:?}, proven, staged", proof.version().major);
        self.with_boot(|mut boot| boot.stage(proof)).expect("may be staged");
    }
}

fn main() {
    let mut device = Device { flash: RefCell::new(Flash::new(0x6000)), running: SlotId::A };
    device.write(SlotId::A, &image(1, 1));
    device.reset(ResetCause::PowerOn);

    device.update(&image(2, 2));
    device.reset(ResetCause::Software);
    println!("-- its health gates pass: confirm");
    device.with_boot(|mut boot| boot.confirm()).expect("the journal works");
    device.reset(ResetCause::PowerOn);

    device.update(&image(3, 3));
    device.reset(ResetCause::Software);
    println!("-- it hangs, each time");
    for _ in 0..3 {
        device.reset(ResetCause::Watchdog);
    }
    println!("-- outcome to report: {:?}", device.with_boot(|boot| boot.last_outcome()).expect("the journal works"));

    device.update(&image(4, 4));
    println!("-- one bit of the staged image flips");
    let at = LAYOUT.slot(device.running.other()).start + 40;
    device.flash.borrow_mut().decay(at, 1);
    device.reset(ResetCause::Software);
}
