//! Patches as this tool's commands name and show them.

use crate::files;
use ota_diff::{Arch, ArchChoice, Decoder, Header, M, ProfileId, S};
use serde_json::{Value, json};

/// How a patch begins.
pub const MAGIC: [u8; 3] = *b"ODP";

/// How much the device's decoder remembers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Profile {
    /// 2,304 bytes at most
    S,
    /// 4,096 bytes at most; smaller patches
    M,
}

impl Profile {
    /// As `ota-diff` calls it.
    pub const fn id(self) -> ProfileId {
        match self {
            Self::S => ProfileId::S,
            Self::M => ProfileId::M,
        }
    }
}

/// The instruction set of the images.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Isa {
    /// The one that gives the smallest patch
    Auto,
    /// Arm Cortex-M
    Thumb,
    /// RISC-V, 32 bits
    Riscv32,
    /// ESP8266, ESP32
    Xtensa,
    /// Plain data, or an instruction set not named here
    None,
}

impl Isa {
    /// As `ota-diff` calls it.
    pub const fn choice(self) -> ArchChoice {
        match self {
            Self::Auto => ArchChoice::Auto,
            Self::Thumb => ArchChoice::Fixed(Arch::Thumb),
            Self::Riscv32 => ArchChoice::Fixed(Arch::RiscV),
            Self::Xtensa => ArchChoice::Fixed(Arch::Xtensa),
            Self::None => ArchChoice::Fixed(Arch::None),
        }
    }
}

/// What a patch's header says.
pub fn describe(header: &Header) -> Value {
    let (profile, state) = match header.profile() {
        ProfileId::S => ("S", size_of::<Decoder<S>>()),
        ProfileId::M => ("M", size_of::<Decoder<M>>()),
    };
    let base = (header.old_size() > 0)
        .then(|| json!({ "bytes": header.old_size(), "sha256_begins": files::hex(header.base_digest()) }));
    json!({
        "profile": profile,
        "decoder_state_bytes": state,
        "arch": arch_name(header.arch()),
        "patch_bytes": header.patch_len(),
        "percent_of_new": percent(u64::from(header.patch_len()), u64::from(header.new_size())),
        "base": base,
        "new": { "bytes": header.new_size(), "sha256_begins": files::hex(header.target_digest()) },
    })
}

/// As `--arch` takes it.
const fn arch_name(arch: Arch) -> &'static str {
    match arch {
        Arch::None => "none",
        Arch::Thumb => "thumb",
        Arch::RiscV => "riscv32",
        Arch::Xtensa => "xtensa",
    }
}

/// With two digits behind the point.
fn percent(part: u64, whole: u64) -> f64 {
    let hundredths = part.saturating_mul(10_000).checked_div(whole).unwrap_or(0);
    hundredths as f64 / 100.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percents_have_two_digits_and_nothing_is_of_nothing() {
        assert_eq!(percent(1, 3).to_string(), "33.33");
        assert_eq!(percent(5, 0).to_string(), "0");
    }

    #[test]
    fn a_patch_begins_as_detection_expects() {
        let patch = ota_diff::compress(b"abc", &mut ota_diff::Options::default()).unwrap();
        assert!(patch.starts_with(&MAGIC));
        let shown = describe(&Header::parse(&patch).unwrap());
        assert_eq!((&shown["profile"], &shown["base"]), (&"M".into(), &Value::Null));
        assert_eq!(shown["new"]["bytes"], 3);
    }
}
