//! The cloud's side of the Linkkit dialect: reads what devices say, writes what they are told.
//!
//! Tolerant reader: ids as numbers or strings, a counted NUL at the end of a message (old clients send it), steps as
//! numbers or strings. Strict writer.
//!
//! # Source
//! Alibaba Cloud IoT Platform, "OTA update": topics `/ota/device/...` and `thing/ota/firmware/get`.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use std::fmt;

/// Longest product key, device name or module name that is taken.
const NAME_MAX: usize = 64;
/// Longest text of a device that is kept.
const TEXT_MAX: usize = 200;

/// Product key and device name; written `pk/dn`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeviceName {
    /// Product key.
    pub product: String,
    /// Device name.
    pub device: String,
}

impl DeviceName {
    /// From its two parts.
    ///
    /// # Errors
    /// When a part is empty, long, or holds a character that means something in a topic.
    pub fn new(product: &str, device: &str) -> Result<Self> {
        for part in [product, device] {
            let ok = !part.is_empty()
                && part.len() <= NAME_MAX
                && !part.contains(|c: char| matches!(c, '/' | '+' | '#') || c.is_control() || c.is_whitespace());
            ensure!(ok, "`{product}/{device}` does not name a device; write PRODUCTKEY/DEVICENAME");
        }
        Ok(Self { product: product.to_owned(), device: device.to_owned() })
    }

    /// From `pk/dn`.
    ///
    /// # Errors
    /// As [`DeviceName::new`].
    pub fn parse(text: &str) -> Result<Self> {
        let (product, device) = text
            .split_once('/')
            .with_context(|| format!("`{text}` does not name a device; write PRODUCTKEY/DEVICENAME"))?;
        Self::new(product, device)
    }

    /// The topic offers go to.
    pub fn upgrade_topic(&self) -> String {
        format!("/ota/device/upgrade/{self}")
    }

    /// The topic answers to queries go to.
    pub fn reply_topic(&self) -> String {
        format!("/sys/{self}/thing/ota/firmware/get_reply")
    }

    /// What this device says about updates.
    pub fn up_topics(&self) -> [String; 4] {
        [
            format!("/ota/device/inform/{self}"),
            format!("/ota/device/progress/{self}"),
            format!("/sys/{self}/thing/ota/firmware/get"),
            format!("/sys/{self}/thing/deviceinfo/update"),
        ]
    }
}

impl fmt::Display for DeviceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.product, self.device)
    }
}

/// What all devices say about updates.
pub const UP_FILTERS: [&str; 4] = [
    "/ota/device/inform/+/+",
    "/ota/device/progress/+/+",
    "/sys/+/+/thing/ota/firmware/get",
    "/sys/+/+/thing/deviceinfo/update",
];

/// A message of a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Up {
    /// This version runs.
    Inform {
        /// Module; empty for the firmware.
        module: String,
        /// Version.
        version: String,
    },
    /// How far an update is; a negative step is a failure.
    Progress {
        /// Module.
        module: String,
        /// 0..=100, or -1 upgrade, -2 download, -3 verification, -4 burning.
        step: i32,
        /// Text for people.
        text: String,
    },
    /// Is there an update?
    Query {
        /// Id to answer with.
        id: Value,
        /// Module.
        module: String,
    },
    /// Tags of the device.
    Tags(Vec<(String, String)>),
    /// Could not be understood; why.
    Bad(&'static str),
}

/// Reads a message; `None` when the topic is none of [`UP_FILTERS`].
pub fn parse(topic: &str, payload: &[u8]) -> Option<(DeviceName, Up)> {
    let parts: Vec<&str> = topic.split('/').collect();
    let (product, device, kind) = match parts[..] {
        ["", "ota", "device", kind @ ("inform" | "progress"), product, device] => (product, device, kind),
        ["", "sys", product, device, "thing", "ota", "firmware", "get"] => (product, device, "get"),
        ["", "sys", product, device, "thing", "deviceinfo", "update"] => (product, device, "tags"),
        _ => return None,
    };
    let name = DeviceName::new(product, device).ok()?;
    // The original client counts the NUL of its C string as payload.
    let payload = payload.strip_suffix(b"\0").unwrap_or(payload);
    let up = match serde_json::from_slice::<Value>(payload) {
        Ok(message) => read(kind, &message),
        Err(_) => Up::Bad("not JSON"),
    };
    Some((name, up))
}

fn read(kind: &str, message: &Value) -> Up {
    let params = &message["params"];
    let module = match params["module"].as_str() {
        None | Some("default") => String::new(),
        Some(module) => clipped(module, NAME_MAX),
    };
    match kind {
        "inform" => match params["version"].as_str() {
            Some(version) if !version.is_empty() => Up::Inform { module, version: clipped(version, NAME_MAX) },
            _ => Up::Bad("no version"),
        },
        "progress" => match number(&params["step"]) {
            Some(step) => Up::Progress { module, step, text: clipped(params["desc"].as_str().unwrap_or(""), TEXT_MAX) },
            None => Up::Bad("no step"),
        },
        "get" => Up::Query { id: message["id"].clone(), module },
        _ => {
            let tags = params.as_array().map(Vec::as_slice).unwrap_or_default();
            let tag = |t: &Value| {
                Some((clipped(t["attrKey"].as_str()?, NAME_MAX), clipped(t["attrValue"].as_str()?, TEXT_MAX)))
            };
            Up::Tags(tags.iter().take(16).filter_map(tag).collect())
        }
    }
}

/// Whether a failure only says that the device is at work on another job: no job has failed.
pub fn is_busy(step: i32, text: &str) -> bool {
    step == -1 && text.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("busy"))
}

fn number(value: &Value) -> Option<i32> {
    match value {
        Value::String(text) => text.trim().parse().ok(),
        other => other.as_i64().and_then(|n| i32::try_from(n).ok()),
    }
}

fn clipped(text: &str, max: usize) -> String {
    text.chars().take(max).collect()
}

/// An update, as a device is told of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Announcement {
    /// Module; empty for the firmware.
    pub module: String,
    /// Version.
    pub version: String,
    /// Where the object is.
    pub url: String,
    /// Its size.
    pub size: u64,
    /// Its SHA-256, in hex.
    pub sha256: String,
    /// The cloud's signature over the digest, base64.
    pub digestsign: Option<String>,
}

impl Announcement {
    fn data(&self) -> Value {
        let mut data = json!({
            "size": self.size,
            "version": self.version,
            "url": self.url,
            "signMethod": "SHA256",
            "sign": self.sha256,
        });
        if let Some(signature) = &self.digestsign {
            data["digestsign"] = json!(signature);
        }
        if !self.module.is_empty() {
            data["module"] = json!(self.module);
        }
        data
    }

    /// The push message.
    pub fn upgrade(&self, id: u32) -> String {
        json!({ "code": "1000", "data": self.data(), "id": id, "message": "success" }).to_string()
    }
}

/// The answer to a query.
pub fn reply(id: &Value, update: Option<&Announcement>) -> String {
    let data = update.map_or_else(|| json!({}), Announcement::data);
    json!({ "id": id, "code": 200, "data": data, "message": "success" }).to_string()
}

/// Checks a version text against the cloud's rule.
///
/// # Errors
/// When it has no or more than 64 characters, or others than letters, digits, dot, dash and underscore.
pub fn check_version(text: &str) -> Result<()> {
    let ok = (1..=64).contains(&text.len())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_'));
    ensure!(ok, "`{text}` cannot be offered as a version: 1 to 64 letters, digits, dots, dashes, underscores");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_old_and_new_clients_send() {
        let (name, up) = parse("/ota/device/inform/pk/dn", b"{\"id\":0,\"params\":{\"version\":\"1.0\"}}\0").unwrap();
        assert_eq!(name.to_string(), "pk/dn");
        assert_eq!(up, Up::Inform { module: String::new(), version: "1.0".to_owned() });
        let step = |payload: &str| parse("/ota/device/progress/pk/dn", payload.as_bytes()).unwrap().1;
        let failed = Up::Progress { module: "mcu".to_owned(), step: -3, text: "bad".to_owned() };
        assert_eq!(step(r#"{"id":"7","params":{"step":"-3","desc":"bad","module":"mcu"}}"#), failed);
        assert_eq!(step(r#"{"id":7,"params":{"step":-3,"desc":"bad","module":"mcu"}}"#), failed);
        assert_eq!(step("{}"), Up::Bad("no step"));
        assert_eq!(step("{"), Up::Bad("not JSON"));
    }

    #[test]
    fn ignores_topics_and_names_it_does_not_know() {
        for topic in
            ["", "/", "/ota/device/upgrade/a/b", "/ota/device/inform/a", "/ota/device/inform/+/b", "/sys/a/b/thing/x"]
        {
            assert!(parse(topic, b"{}").is_none(), "{topic}");
        }
    }

    #[test]
    fn an_offer_has_the_fields_the_original_reads() {
        let update = Announcement {
            module: String::new(),
            version: "1.1.0".to_owned(),
            url: "http://h/f".to_owned(),
            size: 9,
            sha256: "ab".to_owned(),
            digestsign: None,
        };
        let message: Value = serde_json::from_str(&update.upgrade(5)).unwrap();
        assert_eq!(message["code"], "1000");
        assert_eq!(message["message"], "success");
        assert_eq!(message["data"]["signMethod"], "SHA256");
        assert!(message["data"].get("module").is_none());
        assert_eq!(reply(&json!("1"), None), r#"{"id":"1","code":200,"data":{},"message":"success"}"#);
    }
}
