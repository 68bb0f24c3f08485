//! What must hold whatever happens to a device: known from outside, not from its records.

use super::agent::{FIRST, GENUINE};
use ota_hal::SlotId;
use ota_service::Health;

/// Starts that an image on trial may get.
const ATTEMPTS: u32 = 3;

/// A version and where it is: the same version may come again, for the other slot.
type Place = (u8, SlotId);

/// The device as its surroundings know it.
#[derive(Debug)]
pub(crate) struct Watch {
    /// What was last seen accepted.
    accepted: Place,
    /// What was last seen on trial, and its starts on trial.
    tried: Option<(Place, u32)>,
    /// The image on trial was at some time healthy while it ran.
    was_healthy: bool,
    floor: u32,
}

impl Watch {
    pub(crate) fn new() -> Self {
        Self { accepted: (FIRST, SlotId::A), tried: None, was_healthy: false, floor: 0 }
    }

    /// The version that is accepted.
    pub(crate) const fn accepted(&self) -> u8 {
        self.accepted.0
    }

    /// Checks a start.
    pub(crate) fn start(&mut self, place: Place, trial: bool, floor: u32) {
        let (version, _) = place;
        assert!(GENUINE.contains(&version), "version {version} starts, which nobody signed for this device");
        assert!(u32::from(version) >= self.floor, "version {version} starts below the floor {}", self.floor);
        let tried = self.tried.map(|(tried, _)| tried);
        // What was on trial is accepted: it starts without, or the floor moved and another one is on trial.
        let accepted = |before: &Place| if trial { *before != place && floor > self.floor } else { *before == place };
        if let Some(before) = tried.filter(accepted) {
            assert!(self.was_healthy, "{before:?} is accepted and was never healthy");
            self.accepted = before;
        }
        if trial {
            assert_ne!(place, self.accepted, "the accepted image is on trial");
            let starts = self.tried.filter(|_| tried == Some(place)).map_or(1, |(_, starts)| starts + 1);
            self.was_healthy &= starts > 1;
            assert!(starts <= ATTEMPTS, "version {version} gets {starts} starts on trial");
            self.tried = Some((place, starts));
        } else {
            assert_eq!(place, self.accepted, "accepted without a trial");
            self.tried = None;
        }
        self.raise(floor);
    }

    /// Checks the floor: it goes up only, and only to what was accepted.
    fn raise(&mut self, floor: u32) {
        assert!(floor >= self.floor, "the floor went from {} down to {floor}", self.floor);
        let raised = floor == u32::from(self.accepted());
        assert!(raised || floor == self.floor, "floor {floor} with version {} accepted", self.accepted());
        self.floor = floor;
    }

    /// The image that runs is now in this health.
    pub(crate) fn health(&mut self, health: Health) {
        self.was_healthy |= health == Health::Pass;
    }

    /// What the cloud was told happened.
    pub(crate) fn heard(&self, heard: &[String]) {
        for text in heard {
            let version = text.strip_prefix("version ").and_then(|rest| rest.split('.').next()?.parse().ok());
            assert!(version.is_none_or(|version| GENUINE.contains(&version)), "told: {text}");
        }
    }
}
