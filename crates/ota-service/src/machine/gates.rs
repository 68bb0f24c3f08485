//! Judging the health gates of an image on trial.

use crate::app::{GATES_MAX, Health};
use ota_hal::Millis;

/// What the gates say together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Some have not passed yet, none has failed.
    Pending,
    /// All have passed.
    Pass,
    /// This one failed.
    Failed(u8),
    /// This one did not pass in time.
    TimedOut(u8),
}

/// Remembers which gates have passed since the trial began.
#[derive(Debug, Clone, Copy, Default)]
pub struct Judge {
    since: Option<Millis>,
    passed: u32,
}

impl Judge {
    /// Asks the gates that have not passed yet; `ask` gives a gate's health and timeout in milliseconds.
    /// A gate that passes at its deadline has passed.
    pub fn judge(&mut self, count: usize, now: Millis, ask: &mut dyn FnMut(usize) -> (Health, u32)) -> Verdict {
        let since = *self.since.get_or_insert(now);
        let mut verdict = Verdict::Pass;
        for index in 0..count {
            let number = u8::try_from(index).unwrap_or(u8::MAX);
            if index >= GATES_MAX {
                return Verdict::Failed(number);
            }
            if self.passed >> index & 1 != 0 {
                continue;
            }
            match ask(index) {
                (Health::Pass, _) => self.passed |= 1 << index,
                (Health::Fail, _) => return Verdict::Failed(number),
                (Health::Pending, timeout_ms) if now >= since.after(timeout_ms) => return Verdict::TimedOut(number),
                (Health::Pending, _) => verdict = Verdict::Pending,
            }
        }
        verdict
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(judge: &mut Judge, at: u64, health: [Health; 2]) -> Verdict {
        judge.judge(2, Millis(at), &mut |index| (health[index], [100, 50][index]))
    }

    #[test]
    fn passed_gates_stay_passed_and_each_has_its_own_deadline() {
        use Health::{Fail, Pass, Pending};
        let mut j = Judge::default();
        assert_eq!(judge(&mut j, 1000, [Pending, Pass]), Verdict::Pending);
        // b would fail now, but it has passed.
        assert_eq!(judge(&mut j, 1060, [Pending, Fail]), Verdict::Pending);
        assert_eq!(judge(&mut j, 1099, [Pending, Fail]), Verdict::Pending);
        assert_eq!(judge(&mut j, 1100, [Pending, Fail]), Verdict::TimedOut(0));
        let mut j = Judge::default();
        assert_eq!(judge(&mut j, 0, [Pass, Pending]), Verdict::Pending);
        assert_eq!(judge(&mut j, 50, [Pass, Pending]), Verdict::TimedOut(1));
        let mut j = Judge::default();
        assert_eq!(judge(&mut j, 0, [Pass, Fail]), Verdict::Failed(1));
        let mut j = Judge::default();
        assert_eq!(judge(&mut j, 0, [Pass, Pending]), Verdict::Pending);
        assert_eq!(judge(&mut j, 50, [Fail, Pass]), Verdict::Pass);
    }

    #[test]
    fn no_gates_pass_and_too_many_fail() {
        assert_eq!(Judge::default().judge(0, Millis(0), &mut |_| (Health::Fail, 1)), Verdict::Pass);
        let many = Judge::default().judge(GATES_MAX + 1, Millis(0), &mut |_| (Health::Pass, 1));
        assert_eq!(many, Verdict::Failed(32));
    }
}
