//! Vendor and class ids, versions and numbers as people write them.

use anyhow::{Context, Result};
use ota_verify::{Identity, Uuid, Version};

/// A vendor id: a UUID, or a domain name that becomes one (version 5 in the DNS namespace, as imgtool does).
pub fn vendor(text: &str) -> Uuid {
    Uuid::vendor(text)
}

/// A class id: a UUID, or a name that becomes one (version 5 in the vendor's namespace, as imgtool does).
pub fn class(vendor: Uuid, text: &str) -> Uuid {
    Uuid::class(vendor, text)
}

/// Both.
pub fn identity(vendor_text: &str, class_text: &str) -> Identity {
    Identity::named(vendor_text, class_text)
}

/// Reads `MAJOR.MINOR[.REVISION[+BUILD]]`; `.BUILD` is taken too.
///
/// # Errors
/// When a field is missing or too large.
pub fn version(text: &str) -> Result<Version> {
    parse_version(text).with_context(|| {
        format!("`{text}` is not a version; write MAJOR.MINOR.REVISION or MAJOR.MINOR.REVISION+BUILD (0-255.0-255.0-65535+0-4294967295)")
    })
}

fn parse_version(text: &str) -> Option<Version> {
    let (numbers, build) = match text.split_once('+') {
        Some((numbers, build)) => (numbers, Some(build)),
        None => (text, None),
    };
    let fields: Vec<&str> = numbers.split('.').collect();
    let (major, minor, revision, dotted) = match fields[..] {
        [major, minor] => (major, minor, "0", None),
        [major, minor, revision] => (major, minor, revision, None),
        [major, minor, revision, build] => (major, minor, revision, Some(build)),
        _ => return None,
    };
    let build = match (build, dotted) {
        (Some(_), Some(_)) => return None,
        (Some(build), None) | (None, Some(build)) => build.parse().ok()?,
        (None, None) => 0,
    };
    Some(Version { major: major.parse().ok()?, minor: minor.parse().ok()?, revision: revision.parse().ok()?, build })
}

/// As imgtool writes it: `1.2.3+4`.
pub fn version_text(v: Version) -> String {
    let Version { major, minor, revision, build } = v;
    if build == 0 { format!("{major}.{minor}.{revision}") } else { format!("{major}.{minor}.{revision}+{build}") }
}

/// As a cloud takes it (letters, digits, dot, dash, underscore): `1.2.3.4`.
pub fn cloud_version_text(v: Version) -> String {
    version_text(v).replace('+', ".")
}

/// The counter imgtool derives from a version when told `auto`.
pub fn auto_counter(v: Version) -> u32 {
    u32::from(v.major) << 24 | u32::from(v.minor) << 16 | u32::from(v.revision)
}

/// Reads a number in decimal, hex (`0x`), or with a suffix `K` or `M` (1024, 1048576).
///
/// # Errors
/// When it is none or larger than 32 bits.
pub fn number(text: &str) -> Result<u32> {
    let parsed = match text.strip_prefix("0x") {
        Some(hex) => u32::from_str_radix(hex, 16).ok(),
        None => match text.strip_suffix(['K', 'k']) {
            Some(kilo) => kilo.parse::<u32>().ok().and_then(|n| n.checked_mul(1 << 10)),
            None => match text.strip_suffix(['M', 'm']) {
                Some(mega) => mega.parse::<u32>().ok().and_then(|n| n.checked_mul(1 << 20)),
                None => text.parse().ok(),
            },
        },
    };
    parsed.with_context(|| format!("`{text}` is not a number below 4 GiB (examples: 65536, 0x10000, 64K, 4M)"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_the_uuids_that_imgtool_makes() {
        // python3 -c 'import uuid; v=uuid.uuid5(uuid.NAMESPACE_DNS,"example.com"); print(v, uuid.uuid5(v,"board-a"))'
        let id = identity("example.com", "board-a");
        assert_eq!(id.vendor.to_string(), "cfbff0d1-9375-5685-968c-48ce8b15ae17");
        assert_eq!(id.class.to_string(), "5f363112-95cf-534f-a3d1-fc8ef6f4962a");
        assert_eq!(vendor("cfbff0d1-9375-5685-968c-48ce8b15ae17"), id.vendor);
    }

    #[test]
    fn versions_read_and_print() {
        for (text, printed) in [("1.2", "1.2.0"), ("1.2.3", "1.2.3"), ("1.2.3+4", "1.2.3+4"), ("1.2.3.4", "1.2.3+4")] {
            assert_eq!(version_text(version(text).unwrap()), printed);
        }
        for bad in ["", "1", "256.0.0", "1.2.65536", "1.2.3.4+5", "1.2.x", "1.2.3+", "v1.2"] {
            assert!(version(bad).is_err(), "{bad}");
        }
        assert_eq!(auto_counter(version("1.2.3").unwrap()), 0x0102_0003);
    }

    #[test]
    fn numbers_in_every_spelling() {
        assert_eq!(number("64K").unwrap(), 65536);
        assert_eq!(number("0x10000").unwrap(), 65536);
        assert_eq!(number("4M").unwrap(), 4 << 20);
        assert!(number("4096M").is_err());
        assert!(number("-1").is_err());
    }
}
