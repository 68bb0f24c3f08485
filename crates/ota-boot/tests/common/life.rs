//! A whole life cycle as the application and its operator live it, and what must hold at each start.
//!
//! The checks know nothing of the boot record: they compare what ran with what was asked for.

use super::{Device, Started, image};
use ota_boot::{BootControl, BootState, RollbackReason};
use ota_hal::{ResetCause, SlotId};

/// How the new image fares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It confirms itself.
    Confirm,
    /// It hangs at each start.
    Hang,
    /// Its health gate 3 fails and it asks to go back.
    AskBack,
}

pub const FATES: [Fate; 3] = [Fate::Confirm, Fate::Hang, Fate::AskBack];

/// One update from image `old`, which runs, to image `new`.
pub struct Life<'d, const W: usize, const E: u8> {
    pub device: &'d mut Device<W, E>,
    pub fate: Fate,
    pub old: u8,
    pub new: u8,
    /// Power cuts so far.
    pub cuts: u32,
    /// Starts of the new image on trial.
    pub trials: u32,
    stage: Request,
    confirm: Request,
    back: Request,
    loads_since_stage: u32,
    floor: u32,
}

/// What the checks know of something that was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Request {
    Not,
    /// Asked, but the power went: it may stand or not.
    Maybe,
    Done,
}

impl Request {
    /// `result` is that of the call; a failure without a power cut is a defect.
    fn settle<E: std::fmt::Debug>(&mut self, powered: bool, result: Result<(), E>) {
        *self = if powered {
            result.unwrap();
            Self::Done
        } else {
            Self::Maybe
        };
    }
}

impl<'d, const W: usize, const E: u8> Life<'d, W, E> {
    pub fn new(device: &'d mut Device<W, E>, fate: Fate, old: u8, new: u8) -> Self {
        let floor = device.record().floor;
        let (stage, confirm, back) = (Request::Not, Request::Not, Request::Not);
        Self { device, fate, old, new, cuts: 0, trials: 0, stage, confirm, back, loads_since_stage: 0, floor }
    }

    /// Lives until the update is through, for better or worse. Returns the slot that runs.
    pub fn run(&mut self) -> SlotId {
        let mut cause = ResetCause::PowerOn;
        for _ in 0..30 {
            if self.stage != Request::Not {
                self.loads_since_stage += 1;
            }
            let started = self.device.start(cause);
            let end = match started {
                Started::Image { n, slot, trial } => {
                    self.check(n, slot, trial);
                    self.session(n, slot, trial)
                }
                Started::Recovery => panic!("no image starts"),
                Started::NoPower => None,
            };
            cause = if self.device.flash.get_mut().is_powered() {
                if let Some(slot) = end {
                    return slot;
                }
                if self.fate == Fate::Hang { ResetCause::Watchdog } else { ResetCause::Software }
            } else {
                self.cuts += 1;
                self.device.flash.get_mut().power_on();
                ResetCause::PowerOn
            };
        }
        panic!("the update never ends");
    }

    /// What may have been started, by what was asked for.
    fn check(&mut self, n: u8, slot: SlotId, trial: bool) {
        assert!(n == self.old || n == self.new, "image {n} of slot {slot:?} runs");
        if n == self.new {
            assert_ne!(self.stage, Request::Not, "an image runs that nobody staged");
            assert_ne!(self.back, Request::Done, "an image runs that was given up");
            assert!(trial || self.confirm != Request::Not, "an image counts as accepted that nobody confirmed");
            assert!(!trial || self.confirm != Request::Done, "a confirmed image is on trial");
            self.trials += u32::from(trial);
            assert!(self.trials <= 3, "the trial got {} starts", self.trials);
        } else {
            assert!(!trial, "the accepted image is on trial");
            assert_ne!(self.confirm, Request::Done, "the confirmed image does not run");
            let used_up = self.loads_since_stage > 3;
            assert!(
                self.stage != Request::Done || self.back != Request::Not || used_up,
                "the staged image is not tried"
            );
        }
        let floor = self.device.record().floor;
        let raised = self.floor.max(self.new.into());
        match self.confirm {
            Request::Not => assert_eq!(floor, self.floor, "the floor moved before the confirm"),
            Request::Maybe => assert!(floor == self.floor || floor == raised),
            Request::Done => assert_eq!(floor, raised),
        }
        // The floor has moved exactly when the new image is the accepted one.
        assert_eq!(n == self.new && !trial, floor == raised && raised != self.floor, "floor {floor}");
    }

    /// One run of the application; `Some` when nothing is left to do.
    fn session(&mut self, n: u8, slot: SlotId, trial: bool) -> Option<SlotId> {
        let state = self.device.with_boot(slot, |mut boot| boot.state().unwrap())?;
        if n == self.new {
            return self.trial_session(slot, trial, state);
        }
        let outcome = self.device.with_boot(slot, |boot| boot.last_outcome().unwrap())?;
        let failed = outcome.and_then(|outcome| outcome.failed).map(|version| version.major);
        match state {
            // Of the update before this one.
            BootState::RolledBack { running, .. } if failed != Some(self.new) => {
                assert_eq!(running, slot);
                assert_ne!(self.stage, Request::Done);
                self.update(slot)
            }
            BootState::RolledBack { running, reason, .. } => {
                assert_eq!(running, slot);
                let attempts = reason == RollbackReason::AttemptsUsedUp;
                let asked = reason == RollbackReason::GateFailed(3);
                match self.fate {
                    Fate::Hang => assert!(attempts, "{reason:?}"),
                    // Cuts can use up the attempts before the request is stored.
                    Fate::AskBack => assert!(asked || (attempts && self.cuts > 1), "{reason:?}"),
                    Fate::Confirm => assert!(attempts && self.cuts > 1, "{reason:?}"),
                }
                if self.fate != Fate::Confirm {
                    return Some(slot);
                }
                // Bad luck with the supply, not the image: once more.
                (self.stage, self.confirm, self.trials) = (Request::Not, Request::Not, 0);
                self.update(slot)
            }
            BootState::Confirmed { running } => {
                assert_eq!(running, slot);
                assert_ne!(self.stage, Request::Done);
                self.update(slot)
            }
            // Only with power: the loader would have tried it otherwise.
            other => panic!("the accepted image runs in {other:?}"),
        }
    }

    fn update(&mut self, slot: SlotId) -> Option<SlotId> {
        let target = slot.other();
        self.device.write(target, &image(self.new)).ok()?;
        let proof = self.device.prove(target, self.floor)?;
        self.loads_since_stage = 0;
        self.stage = Request::Maybe;
        let result = self.device.with_boot(slot, |mut boot| boot.stage(proof))?;
        self.stage.settle(self.device.flash.get_mut().is_powered(), result);
        None
    }

    fn trial_session(&mut self, slot: SlotId, trial: bool, state: BootState) -> Option<SlotId> {
        if !trial {
            assert_eq!(state, BootState::Confirmed { running: slot });
            return Some(slot);
        }
        assert!(matches!(state, BootState::Testing { running, .. } if running == slot), "{state:?}");
        match self.fate {
            Fate::Confirm => {
                self.confirm = Request::Maybe;
                let result = self.device.with_boot(slot, |mut boot| boot.confirm())?;
                self.confirm.settle(self.device.flash.get_mut().is_powered(), result);
                (self.confirm == Request::Done).then_some(slot)
            }
            Fate::Hang => None,
            Fate::AskBack => {
                self.back = Request::Maybe;
                let reason = RollbackReason::GateFailed(3);
                let result = self.device.with_boot(slot, |mut boot| boot.roll_back(reason))?;
                self.back.settle(self.device.flash.get_mut().is_powered(), result);
                None
            }
        }
    }
}

/// Lives through an update with whatever faults the flash has in store, then proves that the device is well:
/// it runs what it should, broke no rule of the part, and takes another update. Returns the number of cuts.
pub fn survive<const W: usize, const E: u8>(device: &mut Device<W, E>, fate: Fate, old: u8, new: u8) -> u32 {
    let mut life = Life::new(device, fate, old, new);
    let slot = life.run();
    let cuts = life.cuts;
    device.flash.get_mut().reset_counters();
    let expected = if fate == Fate::Confirm { new } else { old };
    let started = device.start(ResetCause::PowerOn);
    assert_eq!(started, Started::Image { n: expected, slot, trial: false });
    assert_eq!(device.flash.get_mut().violation(), None);
    let mut next = Life::new(device, Fate::Confirm, expected, new + 1);
    let slot = next.run();
    assert_eq!(next.trials, 1);
    assert_eq!(device.start(ResetCause::PowerOn), Started::Image { n: new + 1, slot, trial: false });
    assert_eq!(device.record().floor, u32::from(new) + 1);
    cuts
}
