//! `ota inspect` shows what is there, says which rule is broken, and survives anything.

mod support;

use ota_boot::RollbackReason;
use ota_boot::record::{Image, Phase, Record};
use ota_hal::{Journal, Kind, Partition, Region, ResetCause, SlotId};
use ota_testkit::SimFlash;
use serde_json::Value;
use std::fs;
use std::path::Path;
use support::{good, ota, release, scratch, text};

/// Inspects; any exit code but a crash, and always one JSON document.
fn inspect(dir: &Path, args: &[&str]) -> (bool, Value) {
    let out = ota().current_dir(dir).args(["--json", "inspect"]).args(args).output().unwrap();
    let code = out.status.code().expect("not killed by a signal");
    assert!(code == 0 || code == 1, "{args:?}: {code} {}", text(&out.stderr));
    assert!(out.stderr.is_empty(), "{}", text(&out.stderr));
    (code == 0, serde_json::from_slice(&out.stdout).unwrap())
}

fn problems(dir: &Path, file: &str, bytes: &[u8]) -> String {
    fs::write(dir.join(file), bytes).unwrap();
    let (fine, shown) = inspect(dir, &[file]);
    assert!(!fine, "{shown}");
    shown["problems"].to_string()
}

#[test]
fn the_broken_rule_is_named() {
    let (_guard, dir) = scratch();
    release(&dir, "ed25519", "1.0.0");
    let image = fs::read(dir.join("fw.img")).unwrap();
    let edit = |at: usize, value: u8| {
        let mut bytes = image.clone();
        bytes[at] = value;
        bytes
    };
    assert!(problems(&dir, "x", &image[..20]).contains("shorter than its header"));
    assert!(problems(&dir, "x", &image[..image.len() - 1]).contains("cut short: its TLVs reach past"));
    let cut = problems(&dir, "x", &image[..20_000]);
    assert!(cut.contains("at least 50564 bytes, 20000 are there"), "{cut}");
    assert!(problems(&dir, "x", &edit(16, 0x04)).contains("encrypted"));
    assert!(problems(&dir, "x", &edit(600, !image[600])).contains("digest mismatch"));
    // The first protected TLV becomes one that belongs outside.
    let tlv = 512 + 50_000 + 4;
    assert!(problems(&dir, "x", &edit(tlv, 0x10)).contains("wrong area"));
    let package = fs::read(dir.join("fw.ota")).unwrap();
    assert!(problems(&dir, "x", &package[..100]).contains("truncated"));
    assert!(problems(&dir, "x", &package[..package.len() - 9]).contains("cut short"));
    let mut blob = fs::read(dir.join("k.pub")).unwrap();
    blob[50] ^= 1;
    assert!(problems(&dir, "x", &blob).contains("damaged"));
    assert!(problems(&dir, "x", b"").contains("no bytes"));
    assert!(problems(&dir, "x", b"hello").contains("neither image"));
}

#[test]
fn a_journal_that_is_none_is_not_taken_for_a_new_one() {
    let (_guard, dir) = scratch();
    let inspect = |bytes: &[u8]| {
        fs::write(dir.join("j"), bytes).unwrap();
        inspect(&dir, &["j", "--kind", "journal"])
    };
    let noise: Vec<u8> = (0..8192_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 11) as u8).collect();
    let (fine, shown) = inspect(&noise);
    assert!(!fine && shown["problems"].to_string().contains("no journal"), "{shown}");
    let state = |shown: &Value| shown["records"]["boot"]["state"].as_str().unwrap().to_owned();
    assert!(state(&shown).contains("nothing readable"), "{shown}");
    let (fine, shown) = inspect(&[0xFF; 8192]);
    assert!(fine && state(&shown).contains("as from the factory"), "{shown}");
    // A journal that holds nothing of the boot loader is new, too; one whose headers decayed is not.
    let mut journal = Journal::mount(Region::new(SimFlash::<8>::new(8192), Partition::new(0, 8192))).unwrap();
    for n in 0..12 {
        journal.append(Kind::App, &[n; 700]).unwrap();
    }
    let mut bytes = vec![0; 8192];
    ota_hal::ReadAt::read_at(&mut journal.into_region(), 0, &mut bytes).unwrap();
    let (fine, shown) = inspect(&bytes);
    assert!(fine && state(&shown).contains("as from the factory"), "{shown}");
    assert_eq!(shown["bank_generations"], serde_json::json!([3, 2]));
    let headers: Vec<usize> = (0..8192).filter(|at| bytes[*at..].starts_with(b"OTJ2")).collect();
    assert_eq!(headers, [8, 24, 4104, 4120], "two copies in each bank");
    bytes[headers[0]] ^= 1;
    let (fine, shown) = inspect(&bytes);
    assert!(fine && shown["bank_generations"] == serde_json::json!([3, 2]), "{shown}");
    headers.iter().for_each(|at| bytes[at + 5] ^= 1);
    let (fine, shown) = inspect(&bytes);
    assert!(!fine && shown["problems"].to_string().contains("headers are damaged"), "{shown}");
}

#[test]
fn the_agents_records_are_told_in_words_and_others_in_bytes() {
    let (_guard, dir) = scratch();
    let mut journal = Journal::mount(Region::new(SimFlash::<8>::new(8192), Partition::new(0, 8192))).unwrap();
    let stored = [&[1, 1][..], &7_u64.to_le_bytes(), &4096_u32.to_le_bytes()].concat();
    journal.append(Kind::Progress, &stored).unwrap();
    journal.append(Kind::Job, b"of another time").unwrap();
    let mut bytes = vec![0; 8192];
    ota_hal::ReadAt::read_at(&mut journal.into_region(), 0, &mut bytes).unwrap();
    fs::write(dir.join("j"), bytes).unwrap();
    let (fine, shown) = inspect(&dir, &["j", "--kind", "journal"]);
    let records = &shown["records"];
    assert!(fine && records["progress"]["durable_bytes"] == 4096 && records["progress"]["job"] == 7, "{shown}");
    assert_eq!(records["job"]["start"], "6f6620616e6f746865722074696d65", "{shown}");
}

#[test]
fn any_bytes_get_an_answer() {
    let (_guard, dir) = scratch();
    release(&dir, "p256", "1.0.0");
    let mut seed = 1_u64;
    let mut random = move || {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed
    };
    // Valid files with a few bytes changed, behind each magic, with every kind forced.
    let files = ["fw.img", "fw.ota", "k.pub", "k.pem"].map(|name| fs::read(dir.join(name)).unwrap());
    for round in 0..120_usize {
        let mut bytes = files[round % 4].clone();
        bytes.truncate(bytes.len() - random() as usize % bytes.len() / (1 + round % 3));
        for _ in 0..1 + round % 8 {
            let at = random() as usize % bytes.len().min(700);
            bytes[at] = random() as u8;
        }
        fs::write(dir.join("x"), &bytes).unwrap();
        let kind = ["auto", "image", "package", "key", "journal"][round % 5];
        inspect(&dir, &["x", "--kind", kind, "-k", "k.pub"]);
    }
    let noise: Vec<u8> = (0..40_000).map(|_| random() as u8).collect();
    fs::write(dir.join("noise"), noise).unwrap();
    let layout = ["--slot-a", "0:12K", "--slot-b", "12K:12K", "--journal", "24K:8K"];
    assert!(!inspect(&dir, &[&["noise"][..], &layout[..]].concat()).0);
}

#[test]
fn erased_flash_is_no_problem_and_a_slot_shows_its_rest() {
    let (_guard, dir) = scratch();
    release(&dir, "ed25519", "1.2.3");
    fs::write(dir.join("blank"), [0xFF; 4096]).unwrap();
    assert_eq!(inspect(&dir, &["blank"]).1["kind"], "erased flash");
    let mut slot = fs::read(dir.join("fw.img")).unwrap();
    slot.resize(1 << 17, 0xFF);
    fs::write(dir.join("slot"), slot).unwrap();
    let shown = good(&dir, &["inspect", "slot", "-k", "k.pub"]);
    assert_eq!((&shown["kind"], &shown["signature"]), (&"slot with an image".into(), &"good".into()));
    assert_eq!(shown["slot"]["of_them_not_erased"], 0);
}

#[test]
fn a_flash_dump_shows_slots_boot_record_and_other_records() {
    let (_guard, dir) = scratch();
    release(&dir, "ed25519", "1.2.3");
    let image = fs::read(dir.join("fw.img")).unwrap();
    let flash = SimFlash::<8>::new(8192);
    let mut journal = Journal::mount(Region::new(flash, Partition::new(0, 8192))).unwrap();
    let record = Record {
        home: SlotId::A,
        floor: 3,
        phase: Phase::RolledBack { reason: RollbackReason::GateFailed(2), last_reset: ResetCause::Watchdog },
        image: Some(Image { digest: [7; 32], security_counter: 4, version: ota_tool::ids::version("1.3.0").unwrap() }),
    };
    journal.append(Kind::App, b"a secret of the device").unwrap();
    journal.append(Kind::Boot, &record.encode()).unwrap();
    let mut dump = image;
    dump.resize(1 << 16, 0xFF);
    dump.resize(1 << 17, 0x00);
    let mut bytes = vec![0; 8192];
    ota_hal::ReadAt::read_at(&mut journal.into_region(), 0, &mut bytes).unwrap();
    fs::write(dir.join("journal"), &bytes).unwrap();
    dump.extend(&bytes);
    fs::write(dir.join("flash"), dump).unwrap();

    let layout = ["--slot-a", "0:64K", "--slot-b", "64K:64K", "--journal", "0x20000:8K"];
    let shown = good(&dir, &[&["inspect", "flash", "-k", "k.pub"][..], &layout[..]].concat());
    assert_eq!(shown["slot_a"]["signature"], "good");
    assert_eq!(shown["slot_b"]["kind"], "erased flash");
    for boot in [&shown["journal"]["records"]["boot"], &good(&dir, &["inspect", "journal"])["records"]["boot"]] {
        assert_eq!((&boot["state"], &boot["reason"]), (&"rolled back".into(), &"health gate 2 failed".into()));
        assert_eq!((&boot["security_floor"], &boot["last_reset"]), (&3.into(), &"Watchdog".into()));
        assert_eq!(boot["image"]["version"], "1.3.0");
    }
    assert!(!shown.to_string().contains("6120736563726574"), "the application's record is not shown");
    // The slot that is to start matters.
    let mut broken = fs::read(dir.join("flash")).unwrap();
    broken[700] ^= 1;
    fs::write(dir.join("flash"), broken).unwrap();
    let (fine, shown) = inspect(&dir, &[&["flash"][..], &layout[..]].concat());
    assert!(!fine && shown["problems"].to_string().contains("slot A: digest mismatch"), "{shown}");
    // Bytes that are no such layout.
    let why =
        support::bad(&dir, &["inspect", "flash", "--slot-a", "0:64K", "--slot-b", "64K:64K", "--journal", "4M:8K"]);
    assert!(why.contains("layout needs"), "{why}");
    let why =
        support::bad(&dir, &["inspect", "flash", "--slot-a", "0:64K", "--slot-b", "32K:64K", "--journal", "128K:8K"]);
    assert!(why.contains("overlap"), "{why}");
}
