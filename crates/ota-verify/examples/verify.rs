//! Verifies an image file with a key blob, like a boot loader would.
//!
//! `verify IMAGE BLOB VENDOR-UUID CLASS-UUID [FLOOR]`; without arguments it shows what a damaged image gets.

use ota_hal::SlotId;
use ota_verify::{Identity, ImageInfo, PublicKey, Rules, Uuid, verify_image};
use std::process::ExitCode;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let result = match args.as_slice() {
        [] => demo(),
        [image, blob, vendor, class, floor @ ..] => check(image, blob, vendor, class, floor.first()),
        _ => Err("usage: verify IMAGE BLOB VENDOR-UUID CLASS-UUID [FLOOR]".into()),
    };
    match result {
        Ok(text) => println!("{text}"),
        Err(text) => {
            eprintln!("refused: {text}");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

fn check(image: &str, blob: &str, vendor: &str, class: &str, floor: Option<&String>) -> Result<String, String> {
    let read = |path: &str| std::fs::read(path).map_err(|e| format!("{path}: {e}"));
    let uuid = |text: &str| Uuid::parse(text).ok_or(format!("{text}: not a UUID"));
    let (image, blob) = (read(image)?, read(blob)?);
    let key = PublicKey::from_blob(&blob).map_err(|e| e.text())?;
    let identity = Identity { vendor: uuid(vendor)?, class: uuid(class)? };
    let floor = floor.map_or(Ok(0), |text| text.parse()).map_err(|e| format!("floor: {e}"))?;
    let rules = Rules { keys: &key, identity, floor };
    let proof = verify_image(&mut image.as_slice(), SlotId::A, &rules).map_err(|e| e.text())?;
    let v = proof.version();
    Ok(format!(
        "verified: version {}.{}.{}+{}, security counter {}, {} bytes of payload at {}",
        v.major,
        v.minor,
        v.revision,
        v.build,
        proof.security_counter(),
        proof.payload_len(),
        proof.payload_offset()
    ))
}

fn demo() -> Result<String, String> {
    let mut image = vec![0u8; 64];
    image[..4].copy_from_slice(&ota_verify::image::MAGIC.to_le_bytes());
    image[8] = 32; // header size
    image[12] = 200; // payload size: more than there is
    let error = ImageInfo::read(&mut image.as_slice()).expect_err("the payload ends past the file");
    Ok(format!("a header that promises too much: code {}, \"{}\"", error.code(), error.text()))
}
