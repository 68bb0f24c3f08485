//! A cloud that offers and listens.

use super::server::LOCATOR;
use super::yield_once;
use crate::build::sha256;
use ota_transport::{Checksum, Component, Event, FailStage, Locator, Offer, OfferError, Report, Transport};
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;

/// A message to the device.
#[derive(Debug, Clone)]
pub enum Say {
    /// An offer.
    Offer(OwnedOffer),
    /// A call to give the update up.
    Cancel,
    /// A message that the codec refused.
    Bad(OfferError),
}

/// An offer that owns its texts.
#[derive(Debug, Clone)]
pub struct OwnedOffer {
    /// The version it names.
    pub version: String,
    /// Where the object is.
    pub url: String,
    /// The component; empty for the firmware.
    pub module: String,
    /// Length of the object.
    pub size: Option<u32>,
    /// Digest of the object.
    pub checksum: Option<Checksum>,
    /// The signature of the cloud.
    pub cloud_signature: Vec<u8>,
}

/// The other end of offers and reports.
#[derive(Default)]
pub struct Cloud {
    /// What the device will be told.
    pub to_device: RefCell<VecDeque<Say>>,
    /// What the device reported, as text.
    pub heard: RefCell<Vec<String>>,
    /// So many of the next reports arrive and are acknowledged, whatever [`Cloud::deaf`] says.
    pub hears: Cell<u32>,
    /// So many of the next reports are not acknowledged.
    pub deaf: Cell<u32>,
    /// So many polls of the driver it takes to send the progress of a download under way.
    pub slow: Cell<u32>,
    /// Reports whose text begins so cannot be written.
    pub unwritable: RefCell<String>,
    /// Links that were lost although the test did not end them.
    pub lost: Cell<u32>,
    /// Reports that arrived, whether acknowledged or not.
    pub arrived: Cell<u32>,
}

impl Cloud {
    /// The failures among what was reported.
    pub fn failures(&self) -> Vec<String> {
        self.heard.borrow().iter().filter(|text| text.starts_with("failed")).cloned().collect()
    }
    /// Whether exactly this was reported.
    pub fn has_heard(&self, text: &str) -> bool {
        self.heard.borrow().iter().any(|heard| heard == text)
    }
}

/// One device's connection to the cloud. `quit` ends it: the test has seen enough, or the power is off.
pub struct Session<'w, Q> {
    /// The cloud.
    pub cloud: &'w Cloud,
    /// Whether the session is to end.
    pub quit: Q,
}

/// Why a report did not go out.
#[derive(Debug)]
pub enum Failed {
    /// The link is lost.
    Link,
    /// This report can never be sent.
    Report,
}

impl<Q: FnMut() -> bool> Transport for Session<'_, Q> {
    type Error = Failed;

    async fn recv<'b>(&mut self, buf: &'b mut [u8]) -> Result<Event<'b>, Failed> {
        if (self.quit)() {
            return Err(Failed::Link);
        }
        let next = self.cloud.to_device.borrow_mut().pop_front();
        match next {
            Some(Say::Cancel) => Ok(Event::Cancel),
            Some(Say::Bad(error)) => Ok(Event::Bad(error)),
            Some(Say::Offer(offer)) => Ok(Event::Offer(offer.lay(buf))),
            None => core::future::pending().await,
        }
    }

    async fn send(&mut self, report: &Report<'_>) -> Result<(), Failed> {
        if (self.quit)() {
            return Err(Failed::Link);
        }
        let unwritable = self.cloud.unwritable.borrow().clone();
        if !unwritable.is_empty() && text(report).starts_with(&unwritable) {
            return Err(Failed::Report);
        }
        if matches!(report, Report::Progress { percent: 1..100, .. }) {
            for _ in 0..self.cloud.slow.get() {
                yield_once().await;
            }
        }
        self.cloud.arrived.set(self.cloud.arrived.get() + 1);
        if let Some(left) = self.cloud.hears.get().checked_sub(1) {
            self.cloud.hears.set(left);
        } else if let Some(left) = self.cloud.deaf.get().checked_sub(1) {
            self.cloud.deaf.set(left);
            return Err(Failed::Link);
        }
        self.cloud.heard.borrow_mut().push(text(report));
        Ok(())
    }

    fn is_permanent(&self, error: &Failed) -> bool {
        matches!(error, Failed::Report)
    }
}

fn text(report: &Report<'_>) -> String {
    let name = |c: &Component<'_>| if c.module.is_empty() { String::new() } else { format!("{} ", c.module) };
    match report {
        Report::Version { component, version } => format!("version {}{version}", name(component)),
        Report::Progress { component, percent } => format!("progress {}{percent}", name(component)),
        Report::Failed { component, stage, text } => {
            let code = match stage {
                FailStage::Upgrade => -1,
                FailStage::Download => -2,
                FailStage::Verify => -3,
                FailStage::Burn => -4,
            };
            format!("failed {}{code} {text}", name(component))
        }
        Report::Query { .. } => "query".into(),
        Report::Tag { key, value } => format!("tag {key} {value}"),
    }
}

impl OwnedOffer {
    /// An offer of `object`.
    pub fn new(version: &str, object: &[u8]) -> Self {
        Self {
            version: version.into(),
            url: LOCATOR.into(),
            module: String::new(),
            size: Some(object.len() as u32),
            checksum: Some(Checksum::Sha256(sha256(object))),
            cloud_signature: vec![],
        }
    }

    /// The offer as the agent sees it.
    pub fn view(&self) -> Offer<'_> {
        Offer {
            component: Component { device: 0, module: &self.module },
            version: &self.version,
            size: self.size,
            locator: Locator::Url(&self.url),
            checksum: self.checksum,
            cloud_signature: &self.cloud_signature,
            delta: false,
        }
    }

    /// In the receiver's buffer, as a driver would.
    pub fn lay<'b>(&self, buf: &'b mut [u8]) -> Offer<'b> {
        let (version, rest) = put(buf, self.version.as_bytes());
        let (url, rest) = put(rest, self.url.as_bytes());
        let (module, rest) = put(rest, self.module.as_bytes());
        let (cloud_signature, _) = put(rest, &self.cloud_signature);
        let utf8 = |bytes| core::str::from_utf8(bytes).unwrap();
        Offer {
            component: Component { device: 0, module: utf8(module) },
            version: utf8(version),
            locator: Locator::Url(utf8(url)),
            cloud_signature,
            ..self.view_without_texts()
        }
    }
    fn view_without_texts(&self) -> Offer<'static> {
        Offer {
            component: Component::default(),
            version: "",
            size: self.size,
            locator: Locator::Url(""),
            checksum: self.checksum,
            cloud_signature: &[],
            delta: false,
        }
    }
}

fn put<'b>(buf: &'b mut [u8], bytes: &[u8]) -> (&'b [u8], &'b mut [u8]) {
    let (place, rest) = buf.split_at_mut(bytes.len());
    place.copy_from_slice(bytes);
    (place, rest)
}
