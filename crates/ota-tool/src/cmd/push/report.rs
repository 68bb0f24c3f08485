//! What became of each device. Pure.

use crate::linkkit::{DeviceName, Up};
use serde_json::{Value, json};

/// How far one device is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum State {
    /// Told; nothing heard.
    Offered,
    /// At work.
    Progress(u8),
    /// Reported the version.
    Done,
    /// Reported a failure.
    Failed { code: i32, reason: String },
}

/// Every device's state.
#[derive(Debug)]
pub(super) struct Outcomes {
    module: String,
    version: String,
    waited: bool,
    states: Vec<(DeviceName, State)>,
}

impl Outcomes {
    pub(super) fn new(devices: &[DeviceName], module: &str, version: &str, waited: bool) -> Self {
        let states = devices.iter().map(|d| (d.clone(), State::Offered)).collect();
        Self { module: module.to_owned(), version: version.to_owned(), waited, states }
    }

    /// Takes a report; returns the device's place and new state when it changed.
    pub(super) fn on_report(&mut self, name: &DeviceName, up: &Up) -> Option<(usize, &State)> {
        let at = self.states.iter().position(|(device, _)| device == name)?;
        let (_, state) = self.states.get_mut(at)?;
        let new = match up {
            Up::Inform { module, version } if *module == self.module && *version == self.version => State::Done,
            Up::Progress { module, step, text } if *module == self.module => match u8::try_from(*step) {
                // Late progress of a job that is over.
                Ok(_) if matches!(state, State::Done | State::Failed { .. }) => return None,
                Ok(percent) => State::Progress(percent.min(100)),
                Err(_) => State::Failed { code: *step, reason: text.clone() },
            },
            _ => return None,
        };
        if *state == new {
            return None;
        }
        *state = new;
        Some((at, state))
    }

    /// Whether there is nothing left to wait for.
    pub(super) fn all_over(&self) -> bool {
        self.states.iter().all(|(_, state)| matches!(state, State::Done | State::Failed { .. }))
    }

    /// Whether a device still wants the offer when it asks.
    pub(super) fn is_open(&self, name: &DeviceName) -> bool {
        self.states.iter().any(|(device, state)| device == name && matches!(state, State::Offered | State::Progress(_)))
    }

    /// Whether the command succeeded.
    pub(super) fn all_good(&self) -> bool {
        !self.waited || self.states.iter().all(|(_, state)| *state == State::Done)
    }

    /// For the result.
    pub(super) fn json(&self) -> Value {
        let one = |(device, state): &(DeviceName, State)| {
            let mut value = json!({ "device": device.to_string() });
            let (status, reason) = match state {
                State::Offered if self.waited => ("no answer", None),
                State::Offered => ("offered", None),
                State::Progress(_) => ("not finished in time", None),
                State::Done => ("done", None),
                State::Failed { code, reason } => ("failed", Some(json!({ "code": code, "reason": reason }))),
            };
            value["status"] = json!(status);
            if let (Value::Object(fields), Some(Value::Object(more))) = (&mut value, reason) {
                fields.extend(more);
            }
            value
        };
        json!(self.states.iter().map(one).collect::<Vec<_>>())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn progress(step: i32) -> Up {
        Up::Progress { module: String::new(), step, text: "why".to_owned() }
    }

    #[test]
    fn only_the_version_report_is_success() {
        let device = DeviceName::new("pk", "dn").unwrap();
        let mut all = Outcomes::new(std::slice::from_ref(&device), "", "2.0", true);
        assert_eq!(all.on_report(&device, &progress(100)), Some((0, &State::Progress(100))));
        assert!(!all.all_over() && !all.all_good());
        let old = Up::Inform { module: String::new(), version: "1.0".to_owned() };
        assert_eq!(all.on_report(&device, &old), None);
        let other = Up::Inform { module: "mcu".to_owned(), version: "2.0".to_owned() };
        assert_eq!(all.on_report(&device, &other), None);
        let new = Up::Inform { module: String::new(), version: "2.0".to_owned() };
        assert_eq!(all.on_report(&device, &new), Some((0, &State::Done)));
        assert!(all.all_over() && all.all_good());
    }

    #[test]
    fn a_failure_is_over_and_bad() {
        let device = DeviceName::new("pk", "dn").unwrap();
        let mut all = Outcomes::new(std::slice::from_ref(&device), "", "2.0", true);
        all.on_report(&device, &progress(-2));
        assert!(all.all_over() && !all.all_good());
        assert_eq!(all.on_report(&device, &progress(60)), None);
        assert_eq!(all.json()[0]["reason"], "why");
    }
}
