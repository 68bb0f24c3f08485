//! The half of the driver that delivers reports.

use super::{Coap, CoapError, Dialect, FOREVER, JSON, Open, PATH_MAX, Result, TAIL, message};
use crate::Report;
use ota_coap::{Arrived, Code, Datagram, Szx, Upload, option};
use ota_hal::{Entropy, Timer};

/// Room for the payload of a report, at the end of the scratch buffer while its request is written.
const PAYLOAD_MAX: usize = 416;

impl<S: Datagram, T: Timer, E: Entropy, D: Dialect> Coap<'_, S, T, E, D> {
    /// Opens a POST of `report`, or of its next block.
    pub(super) fn open_report(&mut self, report: &Report<'_>, id: u32, upload: &mut Option<Upload>) -> Result<(), S> {
        let mut path = [0; PATH_MAX];
        let path = self.dialect.path(report, &mut path)?;
        let front = self.scratch.len() - PAYLOAD_MAX.min(self.scratch.len() / 2);
        let (bytes, back) = self.scratch.split_at_mut_checked(front).ok_or(CoapError::Room)?;
        let payload = self.dialect.payload(report, id, back)?.as_bytes();
        let opening = self.line.endpoint().begin(self.timer.now(), true, &mut self.entropy);
        let mut message = opening.map_err(|_| CoapError::Room)?.encode(bytes, Code::POST);
        message.path(path).uint(option::CONTENT_FORMAT, JSON);
        let room = front.saturating_sub(message.mark().len() + TAIL);
        let upload = match upload {
            Some(upload) => upload,
            None => upload.insert(Upload::new(payload.len() as u32, Szx::fitting(room))?),
        };
        upload.write(&mut message);
        let part = payload.get(upload.range()).unwrap_or_default();
        match message.finish(part) {
            Ok(len) => self.request = len,
            Err(_) => {
                self.line.reset();
                return Err(CoapError::Room);
            }
        }
        Ok(())
    }

    /// One request of a report, to its response; whether the server has all of the report.
    pub(super) async fn deliver(
        &mut self,
        report: &Report<'_>,
        id: u32,
        upload: &mut Option<Upload>,
    ) -> Result<bool, S> {
        self.open_report(report, id, upload)?;
        self.open = Open::Report;
        let (len, cut) = loop {
            match self.next(FOREVER).await {
                Ok(Some(Arrived::Response(len))) => break (len, false),
                Ok(Some(Arrived::Notification(len))) => self.notified(len),
                Ok(None) => {}
                // A notification that does not fit.
                Err(CoapError::Oversize) if self.line.is_busy() => self.offers.ask_again(),
                // The front of the response fills the buffer: its code, and what it is for.
                Err(CoapError::Oversize) => break (self.scratch.len() - self.request, true),
                Err(error) => return Err(error),
            }
        };
        self.delivered(report, (len, cut), upload)
    }

    /// What the response of this length says, of which more was `cut` off or not.
    fn delivered(
        &mut self,
        report: &Report<'_>,
        (len, cut): (usize, bool),
        upload: &mut Option<Upload>,
    ) -> Result<bool, S> {
        let (now, ask) = (self.timer.now(), self.ask());
        let message = message(self.scratch, self.request, len).ok_or(CoapError::Oversize)?;
        let upload = upload.as_mut().ok_or(CoapError::Room)?;
        if upload.on_response(&message)? == ota_coap::Progress::More {
            return Ok(false);
        }
        self.heard = true;
        if matches!(report, Report::Query { .. }) {
            self.offers.tell_again();
        }
        match !D::OBSERVED && D::asks(report) {
            true if cut => self.offers.too_large(true, now, ask, &mut self.entropy),
            true => self.offers.on_answer(now, &message, ask, &mut self.entropy),
            false => {}
        }
        Ok(true)
    }
}
