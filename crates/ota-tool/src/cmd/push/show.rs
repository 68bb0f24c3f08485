//! The course of a push on the terminal, or as lines on standard error.

use super::report::State;
use crate::linkkit::DeviceName;
use crate::output::Output;
use indicatif::{MultiProgress, ProgressBar};
use serde_json::json;

/// Devices with a bar of their own; more share one.
const BARS_MAX: usize = 20;

/// Bars, or lines.
pub(super) struct Show {
    output: Output,
    waited: bool,
    bars: Vec<ProgressBar>,
    /// For all devices together, when there are too many for a bar each.
    total: Option<ProgressBar>,
    _all: MultiProgress,
}

impl Show {
    pub(super) fn new(devices: &[DeviceName], waited: bool, output: Output) -> Self {
        let all = MultiProgress::new();
        let few = waited && devices.len() <= BARS_MAX;
        let each = if few { devices } else { &[] };
        let bars = each.iter().map(|d| all.add(output.bar(100, &d.to_string()))).collect();
        let total = (waited && !few).then(|| all.add(output.bar(devices.len() as u64, "devices")));
        Self { output, waited, bars, total, _all: all }
    }

    /// Shows the new state of a device.
    pub(super) fn tell(&self, at: usize, device: Option<&DeviceName>, state: &State) {
        let Some(device) = device.filter(|_| self.waited) else { return };
        let (percent, text) = match state {
            State::Waiting => return,
            State::Offered { heard: true } => (0, "offered".to_owned()),
            State::Offered { heard: false } => (0, "offered, does not listen now".to_owned()),
            State::Progress(percent) => (*percent, String::new()),
            State::Done => (100, "done".to_owned()),
            State::Refused(why) => (0, format!("refused by the broker ({why})")),
            State::Failed { code, reason } => (0, format!("failed ({code}): {reason}")),
        };
        let over = matches!(state, State::Done | State::Refused(_) | State::Failed { .. });
        let hidden = match (self.bars.get(at), &self.total) {
            (Some(bar), _) => {
                bar.set_position(percent.into());
                bar.set_message(text.clone());
                bar.is_hidden()
            }
            (None, Some(total)) => {
                total.inc(u64::from(over));
                total.is_hidden()
            }
            (None, None) => true,
        };
        if self.output.is_json() || hidden {
            let event = json!({ "event": "report", "device": device.to_string(), "percent": percent, "text": text });
            // The result is one JSON document on standard output; reports on the way go to standard error.
            eprintln!(
                "{}",
                if self.output.is_json() { event.to_string() } else { format!("{device} {percent} % {text}") }
            );
        }
    }

    pub(super) fn end(&self) {
        self.bars.iter().chain(&self.total).for_each(ProgressBar::abandon);
    }
}
