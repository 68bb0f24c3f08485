//! Saying it.

use super::Agent;
use crate::codec::Writer;
use crate::machine::Item;
use crate::{App, Target};
use ota_boot::BootControl;
use ota_hal::{Entropy, Flash, Kind};
use ota_transport::{Component, Report};
use ota_verify::Keys;

impl<B: BootControl, T: Target, F: Flash, K: Keys, A: App, E: Entropy> Agent<'_, B, T, F, K, A, E> {
    /// What to send for the item that is due. An item that turns out to be nothing is struck off.
    /// It borrows nothing but `buf`: the download goes on while it is sent.
    pub(super) fn report_in<'b>(&mut self, mut buf: &'b mut [u8]) -> Option<Report<'b>> {
        let item = self.core.sending?;
        if !self.exists(item) {
            self.core.sending = None;
            self.core.reporter.skip(item);
            return None;
        }
        match item {
            Item::Version(0) => {
                let version = lay(&mut buf, self.parts.app.version())?;
                Some(Report::Version { component: Component::default(), version })
            }
            Item::Version(n) => {
                let (component, version) = self.parts.app.component(n - 1)?;
                let version = lay(&mut buf, version)?;
                let component = lay_component(&mut buf, component)?;
                Some(Report::Version { component, version })
            }
            Item::Outbox => self.core.outbox.first(buf),
            Item::Reply => {
                let reply = self.core.reply.as_ref()?;
                let component = Component { device: reply.device, module: &reply.module };
                let component = lay_component(&mut buf, component)?;
                let mut text = Writer::new(buf);
                reply.text.iter().try_for_each(|part| text.bytes(part.as_bytes()))?;
                let text = core::str::from_utf8(text.finish()).ok()?;
                Some(Report::Failed { component, stage: reply.stage, text })
            }
            Item::Progress(percent) => {
                let component = self.core.job.as_ref().map_or_else(Component::default, |job| job.component());
                Some(Report::Progress { component: lay_component(&mut buf, component)?, percent })
            }
            Item::Query => Some(Report::Query { component: Component::default() }),
        }
    }

    fn exists(&self, item: Item) -> bool {
        match item {
            Item::Version(0) | Item::Progress(_) | Item::Query => true,
            Item::Version(n) => self.parts.app.component(n - 1).is_some(),
            // What is in there was looked at when it became due; an empty one sends nothing.
            Item::Outbox => true,
            Item::Reply => self.core.reply.is_some(),
        }
    }

    pub(super) fn sent(&mut self, item: Item, acknowledged: bool) {
        if !acknowledged {
            return self.core.reporter.not_sent(self.core.now, &mut self.parts.entropy);
        }
        self.core.reporter.sent(item, self.core.now);
        self.told(item);
    }

    /// The item is done with: the other side has it, or never will.
    pub(super) fn told(&mut self, item: Item) {
        match item {
            // Only now: until the other side has it, every start sends it again.
            Item::Outbox => self.clear_outcome(),
            Item::Reply => self.core.reply = None,
            _ => {}
        }
    }

    fn clear_outcome(&mut self) {
        // The record of a job that is over goes first: without its outcome it would be taken for one to continue.
        let job_stays = self.core.job.is_none() && self.parts.journal.remove(Kind::Job).is_err();
        let changed = !job_stays && self.core.outbox.pop();
        if job_stays || self.keep_outbox(changed).is_err() {
            // It is sent again after the next start; not in a loop now.
            self.core.reporter.outbox_due(false);
        }
    }
}

/// Copies a text to the front of `buf`, which keeps the rest.
fn lay<'b>(buf: &mut &'b mut [u8], text: &str) -> Option<&'b str> {
    let (place, rest) = core::mem::take(buf).split_at_mut_checked(text.len())?;
    *buf = rest;
    place.copy_from_slice(text.as_bytes());
    core::str::from_utf8(place).ok()
}

fn lay_component<'b>(buf: &mut &'b mut [u8], of: Component<'_>) -> Option<Component<'b>> {
    Some(Component { device: of.device, module: lay(buf, of.module)? })
}
