//! Real firmware, when it is there: `OTA_FIRMWARE` names a folder with `pairs.tsv`, else `../shared/firmware` beside the
//! repository is looked for.

mod common;

use common::{Feed, decode};
use ota_diff::{Options, ProfileId, encode, patch};
use std::fs;
use std::path::{Path, PathBuf};

/// Larger ones are the benchmark's.
const SIZE_MAX: usize = 110_000;

fn folder() -> Option<PathBuf> {
    let named = std::env::var_os("OTA_FIRMWARE").map(PathBuf::from);
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/firmware");
    named.or(Some(beside)).filter(|folder| folder.join("pairs.tsv").is_file())
}

#[test]
fn small_pairs_come_back_from_small_patches() {
    let Some(folder) = folder() else {
        println!("no firmware folder: nothing was tried");
        return;
    };
    let list = fs::read_to_string(folder.join("pairs.tsv")).unwrap();
    for line in list.lines().skip(1) {
        let fields: Vec<&str> = line.split('\t').collect();
        let [id, _, old, new] = fields[..] else { panic!("a line of pairs.tsv has not four fields: {line}") };
        let (old, new) = (fs::read(folder.join(old)).unwrap(), fs::read(folder.join(new)).unwrap());
        if new.len() > SIZE_MAX {
            continue;
        }
        for profile in [ProfileId::S, ProfileId::M] {
            let made = encode(&old, &new, &mut Options { profile, ..Options::default() }).unwrap();
            assert!(patch(&old, &made).as_ref() == Ok(&new), "{id}");
            assert!(decode(&old, &made, &Feed { piece: 517, sector: 4096 }) == Ok(new.clone()), "{id}");
            println!("{id}: {} bytes for {} with {profile:?}, resumed at each sector", made.len(), new.len());
            assert!(made.len() * 5 < new.len(), "{id}: {} bytes", made.len());
        }
    }
}
