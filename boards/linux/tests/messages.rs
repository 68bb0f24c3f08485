//! Every error names its file and says what to do.

use ota_tool::keys::{KeyType, PrivateKey, Scheme};
use std::process::Command;

/// What the board says when it is called like this in a directory with nothing but a directory `d`, a file `short`, an
/// erased flash file `flash` and a key `key.pub`.
fn said(args: &str) -> String {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("d")).unwrap();
    std::fs::write(dir.path().join("short"), "no flash").unwrap();
    std::fs::write(dir.path().join("flash"), vec![0xFF; ota_board_linux::FLASH_LEN as usize]).unwrap();
    let key = PrivateKey::generate(KeyType::Ed25519).unwrap().public().unwrap().blob(Scheme::Pss).unwrap();
    std::fs::write(dir.path().join("key.pub"), key).unwrap();
    let mut board = Command::new(env!("CARGO_BIN_EXE_ota-board-linux"));
    let out = board.args(args.split_whitespace()).current_dir(&dir).output().unwrap();
    assert_eq!(out.status.code(), Some(1), "{args}: {out:?}");
    String::from_utf8(out.stderr).unwrap()
}

#[test]
fn every_error_names_its_file_and_says_what_to_do() {
    const IDS: &str = "--vendor example.com --class sensor";
    let cases = [
        (format!("run --flash nofile --keys nokey {IDS}"), "nofile", "ota-board-linux flash"),
        (format!("run --flash short --keys nokey {IDS}"), "short", "give the flash file of this board"),
        (format!("run --flash flash --keys nokey {IDS}"), "nokey", "ota keygen"),
        (format!("run --flash flash --keys short {IDS}"), "short", "ota keygen"),
        (
            format!("run --flash flash --keys key.pub {IDS} --console-socket none/uart"),
            "none/uart",
            "is its directory there",
        ),
        (format!("run --flash flash --keys key.pub {IDS} --console-socket short"), "short", "another name"),
        ("flash --flash flash noimage".to_owned(), "noimage", "ota sign"),
        ("flash --flash flash flash".to_owned(), "flash has", "smaller image"),
        ("flash --flash none/flash short".to_owned(), "none/flash", "is its directory there"),
        ("flash --flash short short".to_owned(), "short", "give the flash file of this board"),
        ("erase --flash d".to_owned(), "the flash file d:", "give the flash file of this board"),
        ("dump --flash nofile out".to_owned(), "nofile", "ota-board-linux flash"),
        ("dump --flash flash none/out".to_owned(), "none/out", "is its directory there"),
    ];
    for (args, file, advice) in cases {
        let said = said(&args);
        assert!(said.contains(file) && said.contains(advice), "{args}: {said}");
    }
}
