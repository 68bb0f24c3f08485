//! What became of each device. Pure.

use crate::linkkit::{self, Announcement, DeviceName, Up};
use serde_json::{Value, json};
use std::collections::HashMap;

/// How far one device is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum State {
    /// Not told yet.
    Waiting,
    /// Told, as far as the broker knows; nothing came back.
    Offered {
        /// Whether anybody listens on the device's topic now.
        heard: bool,
    },
    /// The broker does not let us tell it; why.
    Refused(String),
    /// At work.
    Progress(u8),
    /// Reported the version.
    Done,
    /// Reported a failure.
    Failed { code: i32, reason: String },
}

impl State {
    const fn is_over(&self) -> bool {
        matches!(self, Self::Done | Self::Failed { .. } | Self::Refused(_))
    }
}

/// Every device's state.
#[derive(Debug)]
pub(super) struct Outcomes {
    /// Module and version; `None` when retained offers are taken back.
    wanted: Option<(String, String)>,
    waited: bool,
    states: Vec<(DeviceName, State)>,
    places: HashMap<DeviceName, usize>,
    /// States that are not over.
    open: usize,
}

impl Outcomes {
    pub(super) fn new(devices: &[DeviceName], update: Option<&Announcement>, waited: bool) -> Self {
        Self {
            wanted: update.map(|u| (u.module.clone(), u.version.clone())),
            waited,
            states: devices.iter().map(|d| (d.clone(), State::Waiting)).collect(),
            places: devices.iter().cloned().zip(0..).collect(),
            open: devices.len(),
        }
    }

    /// Where in the list a device is.
    pub(super) fn place(&self, name: &DeviceName) -> Option<usize> {
        self.places.get(name).copied()
    }

    /// The broker took the offer, or did not. A report may have been faster.
    pub(super) fn on_told(&mut self, at: usize, new: State) -> Option<&State> {
        let (_, state) = self.states.get(at)?;
        if *state == State::Waiting { self.set(at, new) } else { None }
    }

    /// Takes a report; returns the device's new state when it changed.
    pub(super) fn on_report(&mut self, at: usize, up: &Up) -> Option<&State> {
        let (wanted_module, wanted_version) = self.wanted.as_ref()?;
        let (_, state) = self.states.get(at)?;
        let new = match up {
            Up::Inform { module, .. } | Up::Progress { module, .. } if module != wanted_module => return None,
            Up::Inform { version, .. } if version == wanted_version => State::Done,
            Up::Inform { version, .. } if *state == State::Done => {
                State::Failed { code: -1, reason: format!("the device went back to {version}") }
            }
            // Late progress or failure of a job that is over; the first reason is the cause.
            Up::Progress { .. } if state.is_over() => return None,
            // It says so of a second offer; the first goes on.
            Up::Progress { step, text, .. } if linkkit::is_busy(*step, text) => return None,
            Up::Progress { step, text, .. } => match u8::try_from(*step) {
                Ok(percent) => State::Progress(percent.min(100)),
                Err(_) => State::Failed { code: *step, reason: text.clone() },
            },
            _ => return None,
        };
        self.set(at, new)
    }

    fn set(&mut self, at: usize, new: State) -> Option<&State> {
        let (_, state) = self.states.get_mut(at)?;
        if *state == new {
            return None;
        }
        match (state.is_over(), new.is_over()) {
            (false, true) => self.open -= 1,
            (true, false) => self.open += 1,
            _ => {}
        }
        *state = new;
        Some(state)
    }

    /// Whether there is nothing left to wait for.
    pub(super) const fn all_over(&self) -> bool {
        self.open == 0
    }

    /// Whether a device still wants the offer when it asks.
    pub(super) fn is_open(&self, at: usize) -> bool {
        self.states.get(at).is_some_and(|(_, state)| !state.is_over())
    }

    /// Whether the command succeeded.
    pub(super) fn all_good(&self) -> bool {
        let good = |state: &State| match state {
            State::Offered { .. } => !self.waited,
            other => *other == State::Done,
        };
        self.states.iter().all(|(_, state)| good(state))
    }

    /// For the result.
    pub(super) fn json(&self) -> Value {
        json!(self.states.iter().map(|(device, state)| self.one(device, state)).collect::<Vec<_>>())
    }

    fn one(&self, device: &DeviceName, state: &State) -> Value {
        let mut value = json!({ "device": device.to_string() });
        value["status"] = json!(match state {
            State::Waiting => "not offered",
            State::Offered { .. } if self.wanted.is_none() => "cleared",
            State::Offered { .. } if self.waited => "no answer",
            State::Offered { .. } => "offered",
            State::Refused(_) => "refused by the broker",
            State::Progress(_) => "not finished in time",
            State::Done => "done",
            State::Failed { .. } => "failed",
        });
        match state {
            State::Offered { heard: false } if self.wanted.is_some() => {
                value["reason"] = json!("it does not listen now; --retain leaves the offer for later");
            }
            State::Refused(why) => value["reason"] = json!(why),
            State::Failed { code, reason } => {
                value["code"] = json!(code);
                value["reason"] = json!(reason);
            }
            _ => {}
        }
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn progress(step: i32, text: &str) -> Up {
        Up::Progress { module: String::new(), step, text: text.to_owned() }
    }
    fn inform(version: &str) -> Up {
        Up::Inform { module: String::new(), version: version.to_owned() }
    }
    fn one() -> Outcomes {
        let update = Announcement {
            module: String::new(),
            version: "2.0".to_owned(),
            url: "http://h/f".to_owned(),
            size: 9,
            sha256: "ab".to_owned(),
            digestsign: None,
        };
        Outcomes::new(&[DeviceName::new("pk", "dn").unwrap()], Some(&update), true)
    }

    #[test]
    fn only_the_version_report_is_success() {
        let mut all = one();
        assert_eq!(all.on_report(0, &progress(100, "")), Some(&State::Progress(100)));
        assert!(!all.all_over() && !all.all_good());
        assert_eq!(all.on_report(0, &inform("1.0")), None);
        let other = Up::Inform { module: "mcu".to_owned(), version: "2.0".to_owned() };
        assert_eq!(all.on_report(0, &other), None);
        assert_eq!(all.on_report(0, &inform("2.0")), Some(&State::Done));
        assert!(all.all_over() && all.all_good());
    }

    #[test]
    fn a_failure_is_over_and_its_first_reason_stays() {
        let mut all = one();
        all.on_report(0, &progress(-2, "why"));
        assert!(all.all_over() && !all.all_good());
        assert_eq!(all.on_report(0, &progress(60, "")), None);
        assert_eq!(all.on_report(0, &progress(-1, "later")), None);
        assert_eq!(all.json()[0]["reason"], "why");
    }

    #[test]
    fn what_comes_late_does_not_undo_a_success_but_a_fall_back_does() {
        let mut all = one();
        all.on_report(0, &inform("2.0"));
        assert_eq!(all.on_report(0, &progress(-2, "timed out")), None);
        assert!(all.all_good());
        all.on_report(0, &inform("1.0"));
        assert!(all.all_over() && !all.all_good());
    }

    #[test]
    fn a_busy_answer_fails_nothing() {
        let mut all = one();
        all.on_report(0, &progress(40, ""));
        assert_eq!(all.on_report(0, &progress(-1, "busy: another update is under way")), None);
        assert!(!all.all_over());
    }

    #[test]
    fn what_the_broker_refuses_is_over_and_bad() {
        let mut all = one();
        assert!(all.on_told(0, State::Refused("NotAuthorized: ...".to_owned())).is_some());
        assert!(all.all_over() && !all.all_good());
        assert_eq!(all.json()[0]["status"], "refused by the broker");
    }
}
