//! What the cloud knows and decides. Pure: messages and times come in, sends and events come out.

use crate::linkkit::{self, DeviceName, Up};
use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;

/// Devices a bench cloud remembers.
const DEVICES_MAX: usize = 10_000;
/// Modules of one device it remembers, beside the firmware.
const MODULES_MAX: usize = 16;
/// Tags of one device it remembers.
const TAGS_MAX: usize = 16;
/// After a restart in mid-update a device resumes by itself; if it does not within this time, it is told again.
const NUDGE_MS: u64 = 30_000;

/// How far an offer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// The device was not seen yet.
    Queued,
    /// The device was told.
    Offered,
    /// The device is at work.
    Progress,
    /// The device reported the offered version.
    Done,
    /// The device reported a failure, or fell back.
    Failed,
}

/// An update for one module of one device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offer {
    /// File name in the served directory.
    pub file: String,
    /// The version it brings.
    pub version: String,
    /// How far it is.
    pub status: Status,
    /// Last percentage.
    pub percent: u8,
    /// Why it failed.
    pub reason: Option<String>,
    /// Linkkit code of the failure, -1 to -4.
    pub code: Option<i32>,
    /// Counts the times that this module's device was to be told; tells one representation of its offers from the next.
    #[serde(default)]
    number: u32,
    /// The device is at work, and is to be told all the same.
    #[serde(skip)]
    again: bool,
    #[serde(skip)]
    nudge_at: Option<u64>,
    /// A failure told after success: the reason, should the device fall back.
    #[serde(skip)]
    late: Option<(i32, String)>,
}

/// What is known of one module.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Module {
    /// Reported version.
    pub version: Option<String>,
    /// The last offer.
    pub offer: Option<Offer>,
}

/// What is known of one device.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Device {
    /// Last message, milliseconds since 1970.
    pub last_seen: Option<u64>,
    /// Tags it sent.
    pub tags: BTreeMap<String, String>,
    /// Its modules; the empty name is the firmware.
    pub modules: BTreeMap<String, Module>,
    /// The module whose file it was told to fetch by its own name.
    #[serde(skip)]
    by_name: Option<String>,
    #[serde(skip)]
    greeted: bool,
}

/// Something to send.
#[derive(Debug, Clone, PartialEq)]
pub enum Send {
    /// Tell the device of its pending offer.
    Push(DeviceName, String),
    /// Answer a query; the module's offer if there is one, else "nothing".
    Reply(DeviceName, Value, String),
}

/// What follows from a message.
#[derive(Debug, Default)]
pub struct Reaction {
    /// To be sent.
    pub sends: Vec<Send>,
    /// To be told to people.
    pub events: Vec<Value>,
}

/// What the registry holds too many of already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoRoom {
    /// Devices.
    #[error("more than {DEVICES_MAX} devices")]
    Devices,
    /// Modules of one device.
    #[error("more than {MODULES_MAX} modules on one device, beside its firmware")]
    Modules,
}

/// The registry.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Cloud {
    devices: BTreeMap<String, Device>,
}

impl Cloud {
    /// Reads what an earlier run kept; empty when there is no file.
    ///
    /// # Errors
    /// When the file exists and is not ours: it is not overwritten.
    pub fn load(path: &Path) -> Result<Self> {
        match std::fs::read(path) {
            Ok(bytes) => serde_json::from_slice(&bytes).with_context(|| {
                format!("{} is not a state file of `ota serve`; remove it or give --state", path.display())
            }),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(Self::default()),
            Err(e) => Err(e).with_context(|| format!("cannot read {}", path.display())),
        }
    }

    /// The devices as the page shows them.
    pub fn snapshot(&self) -> Value {
        let list = self.devices.iter().map(|(name, d)| {
            let modules = d
                .modules
                .iter()
                .map(|(m, module)| json!({ "module": m, "version": module.version, "offer": module.offer }));
            json!({ "device": name, "last_seen": d.last_seen, "tags": d.tags, "modules": modules.collect::<Vec<_>>() })
        });
        json!({ "devices": list.collect::<Vec<_>>() })
    }

    /// Every known device.
    pub fn names(&self) -> Vec<DeviceName> {
        self.devices.keys().filter_map(|name| DeviceName::parse(name).ok()).collect()
    }

    /// The offer a device should hear of.
    pub fn pending(&self, name: &DeviceName, module: &str) -> Option<&Offer> {
        let offer = self.devices.get(&name.to_string())?.modules.get(module)?.offer.as_ref()?;
        matches!(offer.status, Status::Queued | Status::Offered | Status::Progress).then_some(offer)
    }

    /// What a device that looks is to see: the first of its modules with an offer that it was not told of, or is to be told
    /// again; any that is pending, when `all`. The module, and the number of this telling.
    pub fn offered(&self, name: &DeviceName, all: bool) -> Option<(&str, u32)> {
        let modules = &self.devices.get(&name.to_string())?.modules;
        modules.iter().find_map(|(module, slot)| {
            let offer = slot.offer.as_ref()?;
            let shown = match offer.status {
                Status::Queued | Status::Offered => true,
                Status::Progress => all || offer.again,
                Status::Done | Status::Failed => false,
            };
            shown.then_some((module.as_str(), offer.number))
        })
    }

    /// The offer whose file a device fetches by its own name: of the module of which it was told so, if that still is pending,
    /// else the first that is.
    pub fn by_name(&self, name: &DeviceName) -> Option<&Offer> {
        let told = self.devices.get(&name.to_string())?.by_name.as_deref();
        let told = told.and_then(|module| self.pending(name, module));
        told.or_else(|| self.pending(name, self.offered(name, true)?.0))
    }

    /// The device is told to fetch the file of this module by its own name.
    pub fn tell_by_name(&mut self, name: &DeviceName, module: &str) {
        if let Some(device) = self.devices.get_mut(&name.to_string()) {
            device.by_name = Some(module.to_owned());
        }
    }

    /// The device asks: what is pending is offered once more.
    pub fn offer_again(&mut self, name: &DeviceName) {
        let device = self.devices.get_mut(&name.to_string());
        for offer in
            device.into_iter().flat_map(|device| device.modules.values_mut()).filter_map(|slot| slot.offer.as_mut())
        {
            tell_again(offer);
        }
    }

    /// Offers `file` as `version`; an earlier offer for the same module is replaced.
    ///
    /// # Errors
    /// When there are too many devices or modules.
    pub fn offer(&mut self, name: &DeviceName, module: &str, file: &str, version: &str) -> Result<Reaction> {
        let device = self.device(name)?;
        let known = device.last_seen.is_some();
        let slot = module_of(device, module)?;
        let runs_it = slot.version.as_deref() == Some(version);
        let status = match (runs_it, known) {
            (true, _) => Status::Done,
            (false, true) => Status::Offered,
            (false, false) => Status::Queued,
        };
        let number = slot.offer.as_ref().map_or(1, |before| before.number.wrapping_add(1));
        slot.offer = Some(Offer {
            number,
            again: false,
            file: file.to_owned(),
            version: version.to_owned(),
            status,
            percent: 0,
            reason: runs_it.then(|| "the device already runs this version".to_owned()),
            code: None,
            nudge_at: None,
            late: None,
        });
        let mut reaction = Reaction::default();
        if status == Status::Offered {
            reaction.sends.push(Send::Push(name.clone(), module.to_owned()));
        }
        reaction.events.push(event(
            "offered",
            name,
            module,
            json!({ "file": file, "version": version, "status": status }),
        ));
        Ok(reaction)
    }

    /// Takes a message of a device.
    ///
    /// # Errors
    /// When there are too many devices, or modules: the message was not looked at.
    pub fn on_message(&mut self, name: &DeviceName, up: &Up, now: u64) -> Result<Reaction, NoRoom> {
        let mut reaction = Reaction::default();
        let device = self.device(name)?;
        // Before anything is kept of it.
        if let Up::Inform { module, .. } | Up::Progress { module, .. } = up {
            module_of(device, module)?;
        }
        device.last_seen = Some(now);
        if !std::mem::replace(&mut device.greeted, true) {
            reaction.events.push(json!({ "event": "online", "device": name.to_string() }));
        }
        match up {
            Up::Inform { module, version } => {
                on_version(module_of(device, module)?, name, module, version, now, &mut reaction);
            }
            Up::Progress { module, step, text } => {
                on_progress(module_of(device, module)?, name, module, (*step, text), now, &mut reaction);
            }
            Up::Query { id, module } => reaction.sends.push(Send::Reply(name.clone(), id.clone(), module.clone())),
            Up::Tags(tags) => remember(&mut device.tags, tags),
            Up::Bad(why) => reaction.events.push(json!({ "event": "bad", "device": name.to_string(), "reason": why })),
        }
        Ok(reaction)
    }

    /// To be called about once a second: tells devices again that went silent after a restart.
    pub fn on_tick(&mut self, now: u64) -> Vec<Send> {
        let mut sends = Vec::new();
        for (name, device) in &mut self.devices {
            for (module, slot) in &mut device.modules {
                let Some(offer) = &mut slot.offer else { continue };
                if offer.nudge_at.is_some_and(|at| at <= now) {
                    offer.nudge_at = None;
                    tell_again(offer);
                    sends.extend(DeviceName::parse(name).ok().map(|name| Send::Push(name, module.clone())));
                }
            }
        }
        sends
    }

    fn device(&mut self, name: &DeviceName) -> Result<&mut Device, NoRoom> {
        let key = name.to_string();
        if self.devices.len() >= DEVICES_MAX && !self.devices.contains_key(&key) {
            return Err(NoRoom::Devices);
        }
        Ok(self.devices.entry(key).or_default())
    }
}

/// The firmware, whose module has no name, always has a place.
fn module_of<'d>(device: &'d mut Device, module: &str) -> Result<&'d mut Module, NoRoom> {
    let named = device.modules.keys().filter(|known| !known.is_empty()).count();
    if named >= MODULES_MAX && !module.is_empty() && !device.modules.contains_key(module) {
        return Err(NoRoom::Modules);
    }
    Ok(device.modules.entry(module.to_owned()).or_default())
}

fn remember(known: &mut BTreeMap<String, String>, tags: &[(String, String)]) {
    for (key, value) in tags {
        if known.len() < TAGS_MAX || known.contains_key(key) {
            known.insert(key.clone(), value.clone());
        }
    }
}

fn on_version(slot: &mut Module, name: &DeviceName, module: &str, version: &str, now: u64, reaction: &mut Reaction) {
    slot.version = Some(version.to_owned());
    reaction.events.push(event("version", name, module, json!({ "version": version })));
    let Some(offer) = &mut slot.offer else { return };
    offer.nudge_at = None;
    if offer.version == version {
        if offer.status != Status::Done {
            (offer.status, offer.percent, offer.reason, offer.code) = (Status::Done, 100, None, None);
            offer.late = None;
            reaction.events.push(event("done", name, module, json!({ "version": version })));
        }
        return;
    }
    match offer.status {
        Status::Queued | Status::Offered => {
            offer.status = Status::Offered;
            reaction.sends.push(Send::Push(name.clone(), module.to_owned()));
        }
        // Telling it again would make it install the same file for ever. Should it only not have restarted yet, its
        // next report of the offered version still counts.
        Status::Progress if offer.percent == 100 => {
            fail(offer, name, module, None, &format!("installed, but the device reports {version}"), reaction);
        }
        // It restarted in mid-update: it resumes, or reports why not, or asks. Telling it at once would only make
        // a device that just rolled back try the same image again.
        Status::Progress => offer.nudge_at = Some(now.saturating_add(NUDGE_MS)),
        Status::Done => {
            let (code, why) = match offer.late.take() {
                Some((code, why)) => (Some(code), why),
                None => (None, format!("the device went back to {version}")),
            };
            fail(offer, name, module, code, &why, reaction);
        }
        Status::Failed => {}
    }
}

fn on_progress(
    slot: &mut Module,
    name: &DeviceName,
    module: &str,
    (step, text): (i32, &str),
    now: u64,
    reaction: &mut Reaction,
) {
    let Some(offer) = &mut slot.offer else {
        let what = json!({ "percent": step, "text": text, "unasked": true });
        reaction.events.push(event("progress", name, module, what));
        return;
    };
    if linkkit::is_busy(step, text) {
        // The job that keeps it busy goes on, if it is this one; if it is another one, this one is told again later.
        if matches!(offer.status, Status::Queued | Status::Offered) {
            offer.nudge_at = Some(now.saturating_add(NUDGE_MS));
        }
        reaction.events.push(event("busy", name, module, json!({ "version": offer.version })));
        return;
    }
    (offer.nudge_at, offer.again) = (None, false);
    match (u8::try_from(step), offer.status) {
        (Ok(percent), Status::Queued | Status::Offered | Status::Progress) => {
            (offer.status, offer.percent) = (Status::Progress, percent.min(100));
            reaction.events.push(event("progress", name, module, json!({ "percent": offer.percent })));
        }
        // Late progress of a job that is over.
        (Ok(_), Status::Done | Status::Failed) => {}
        // The version report is what counts: a late failure does not undo it. A device that then falls back reports
        // its old version.
        (Err(_), Status::Done) => offer.late = Some((step, text.to_owned())),
        // The device's first reason is the cause; what follows says less. Our own guess says least.
        (Err(_), Status::Failed) if offer.code.is_some() => {}
        (Err(_), _) => fail(offer, name, module, Some(step), text, reaction),
    }
}

fn tell_again(offer: &mut Offer) {
    (offer.again, offer.number) = (true, offer.number.wrapping_add(1));
}

fn fail(offer: &mut Offer, name: &DeviceName, module: &str, code: Option<i32>, text: &str, reaction: &mut Reaction) {
    offer.status = Status::Failed;
    offer.code = code;
    offer.reason = Some(if text.is_empty() { "no reason given".to_owned() } else { text.to_owned() });
    let what = json!({ "version": offer.version, "code": code, "reason": offer.reason });
    reaction.events.push(event("failed", name, module, what));
}

fn event(kind: &str, name: &DeviceName, module: &str, more: Value) -> Value {
    let mut event = json!({ "event": kind, "device": name.to_string() });
    if !module.is_empty() {
        event["module"] = json!(module);
    }
    if let (Value::Object(event), Value::Object(more)) = (&mut event, more) {
        event.extend(more);
    }
    event
}

#[cfg(test)]
mod tests;
