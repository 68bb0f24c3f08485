//! A patch, or a compressed image.

use super::Found;
use crate::delta;
use ota_diff::Header;
use serde_json::json;

/// Shows what the header says, and whether the patch is there as a whole.
pub(super) fn inspect(bytes: &[u8]) -> Found {
    let header = match Header::parse(bytes) {
        Ok(header) => header,
        Err(e) => return Found::broken(json!({ "kind": "patch, broken" }), e.to_string()),
    };
    let mut value = json!({ "kind": if header.old_size() == 0 { "compressed image" } else { "patch" } });
    super::merge(&mut value, delta::describe(&header));
    let (is, said) = (bytes.len(), header.patch_len() as usize);
    if is < said {
        return Found::broken(value, format!("cut short: {is} of {said} bytes are there"));
    }
    if is > said {
        return Found::broken(value, format!("{} bytes follow the patch", is - said));
    }
    Found::good(value)
}
