//! To whom.

use super::Devices;
use crate::files;
use crate::linkkit::DeviceName;
use anyhow::{Context, Result, ensure};
use std::collections::HashSet;
use std::path::Path;

/// The devices of every list, without repetition.
pub(super) fn devices(lists: &[String], group: Option<&Path>, product: Option<&str>) -> Result<Devices> {
    let mut names = Vec::new();
    for list in lists {
        match list.strip_prefix('@') {
            Some(path) => names.extend(lines(Path::new(path))?),
            None => names.extend(list.split(',').map(|name| name.trim().to_owned())),
        }
    }
    if let Some(path) = group {
        names.extend(lines(path)?);
    }
    let mut devices = Devices::new();
    let mut known = HashSet::new();
    for name in names {
        let device = match (name.contains('/'), product) {
            (false, Some(product)) => DeviceName::new(product, &name)?,
            (false, None) => DeviceName::parse(&name).context("give the product key with --product, or in the name")?,
            (true, _) => DeviceName::parse(&name)?,
        };
        if known.insert(device.clone()) {
            devices.push(device);
        }
    }
    ensure!(!devices.is_empty(), "the list of devices is empty");
    Ok(devices)
}

fn lines(path: &Path) -> Result<Vec<String>> {
    let text =
        String::from_utf8(files::read_list(path)?).ok().with_context(|| format!("{} is not text", path.display()))?;
    let name = |line: &str| line.split('#').next().unwrap_or_default().trim().to_owned();
    Ok(text.lines().map(name).filter(|name| !name.is_empty()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_files_and_products() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("group");
        std::fs::write(&file, "# lab\npk/three\n\npk/one # again\n").unwrap();
        let at = format!("@{}", file.display());
        let all = devices(&["one, other/two".to_owned(), at], Some(&file), Some("pk")).unwrap();
        let all: Vec<String> = all.iter().map(ToString::to_string).collect();
        assert_eq!(all, ["pk/one", "other/two", "pk/three"]);
        assert!(devices(&["one".to_owned()], None, None).is_err());
        assert!(devices(&["pk/#".to_owned()], None, None).is_err());
    }
    #[test]
    fn a_fleet_of_a_hundred_thousand_is_read_at_once() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("fleet");
        // Twice the same 2.7 MB: repetitions must not cost a search through the list.
        let names: String = (0..100_000).map(|i| format!("product-key/device-{i:06}\n")).collect();
        std::fs::write(&file, names.repeat(2)).unwrap();
        let start = std::time::Instant::now();
        let all = devices(&[], Some(&file), None).unwrap();
        assert_eq!(all.len(), 100_000);
        assert_eq!(all[99_999].device, "device-099999");
        assert!(start.elapsed() < std::time::Duration::from_secs(10), "{:?}", start.elapsed());
    }
}
