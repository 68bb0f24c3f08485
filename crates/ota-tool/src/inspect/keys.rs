//! A key: blob or PEM. A private key's secret is never printed.

use super::Found;
use crate::files;
use crate::keys::{self, Public, Scheme};
use ota_verify::{Blob, PublicKey, blob};
use serde_json::json;

/// Shows algorithm and id.
pub(super) fn inspect(bytes: &[u8]) -> Found {
    if bytes.starts_with(&blob::MAGIC) {
        return match Blob::parse(bytes) {
            Ok(parsed) => {
                let value = json!({
                    "kind": "key blob",
                    "algorithm": keys::name(parsed.algorithm),
                    "key_id": files::hex(&parsed.key_id.0),
                    "material_bytes": parsed.material.len(),
                });
                match PublicKey::from_blob(bytes) {
                    Ok(_) => Found::good(value),
                    Err(e) => Found::broken(value, e.text()),
                }
            }
            Err(e) => Found::broken(json!({ "kind": "key blob, broken" }), e.text()),
        };
    }
    let text = String::from_utf8_lossy(bytes);
    let kind = if text.contains("PRIVATE KEY") { "private key" } else { "public key" };
    match Public::from_pem(&text).and_then(|key| Ok((key.id()?, key))) {
        Ok((id, key)) => {
            let mut algorithms = vec![keys::name(key.algorithm(Scheme::Pss))];
            if key.is_rsa() {
                algorithms.push(keys::name(key.algorithm(Scheme::Pkcs1)));
            }
            Found::good(json!({ "kind": kind, "algorithms": algorithms, "key_id": files::hex(&id.0) }))
        }
        Err(e) => Found::broken(json!({ "kind": kind }), format!("{e:#}")),
    }
}
