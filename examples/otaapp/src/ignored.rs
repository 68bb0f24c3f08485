//! Offers that were not looked at, for `ota status`.

use ota_service::Notice;

/// How many since the start, and why the last one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ignored {
    /// How many; no more are counted than the number holds.
    pub count: u32,
    /// Why the last one.
    pub text: &'static str,
    /// Of which field, if that is why.
    pub detail: &'static str,
}

impl Ignored {
    /// None yet.
    pub const NONE: Self = Self { count: 0, text: "", detail: "" };

    /// Takes note of what the agent tells.
    pub const fn note(&mut self, notice: &Notice<'_>) {
        if let Notice::Ignored { text, detail } = *notice {
            *self = Self { count: self.count.saturating_add(1), text, detail };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_one_is_kept_and_all_are_counted() {
        let mut ignored = Ignored::NONE;
        ignored.note(&Notice::Accepted);
        assert_eq!(ignored, Ignored::NONE);
        ignored.note(&Notice::Ignored { text: "offer refused: malformed message", detail: "" });
        ignored.note(&Notice::Ignored { text: "offer refused: missing field ", detail: "url" });
        assert_eq!(ignored, Ignored { count: 2, text: "offer refused: missing field ", detail: "url" });
    }
}
