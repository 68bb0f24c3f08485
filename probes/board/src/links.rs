//! Links that may say anything, for the agent without real ones.

use crate::product::{ready, text};
use crate::{anything, register, set_register};
use ota_download::{Failure, Opened, Request, Source, SourceError, Validator};
use ota_transport::{Event, Report, Transport};

/// A source of bytes.
pub struct Bytes;

/// Its errors.
#[derive(Debug)]
pub struct BytesError(u32);

impl SourceError for BytesError {
    fn failure(&self) -> Failure {
        match self.0 {
            0 => Failure::Retry { after_ms: register(20) },
            1 => Failure::Restart,
            _ => Failure::Permanent,
        }
    }
    fn text(&self) -> &'static str {
        text(21)
    }
}
#[inline(never)]
fn open(request: &Request<'_>, opened: &mut Opened) -> u32 {
    set_register(21, request.offset);
    set_register(22, request.locator.len() as u32);
    set_register(23, request.end.unwrap_or(0));
    set_register(24, request.validator.len() as u32);
    opened.offset = register(25);
    opened.total = (register(26) > 0).then_some(register(27));
    opened.validator = Validator::from_slice(text(28).as_bytes()).unwrap_or_default();
    register(24)
}
#[inline(never)]
fn receive(bytes: &mut [u8]) -> Result<usize, u32> {
    bytes.iter_mut().for_each(|byte| *byte = register(28) as u8);
    anything(29)
}
impl Source for Bytes {
    type Error = BytesError;
    async fn open(&mut self, request: Request<'_>) -> Result<Opened, BytesError> {
        ready().await;
        let mut opened = Opened { offset: 0, total: None, validator: Validator::new() };
        match open(&request, &mut opened) {
            0 => Ok(opened),
            n => Err(BytesError(n)),
        }
    }
    async fn read(&mut self, bytes: &mut [u8]) -> Result<usize, BytesError> {
        ready().await;
        receive(bytes).map_err(BytesError)
    }
    async fn close(&mut self) {
        set_register(30, 1);
    }
}

/// A messaging link.
pub struct Cloud;

#[inline(never)]
fn message<'b>(bytes: &'b mut [u8]) -> Result<Event<'b>, ()> {
    bytes.iter_mut().for_each(|byte| *byte = register(40) as u8);
    anything::<Result<Event<'static>, ()>>(41)
}
#[inline(never)]
fn report(report: &Report<'_>) -> Result<(), ()> {
    set_register(42, core::ptr::from_ref(report) as usize as u32);
    // SAFETY: never run. It makes every byte of the report needed.
    set_register(43, unsafe { core::ptr::from_ref(report).cast::<u32>().read_volatile() });
    anything(44)
}
impl Transport for Cloud {
    type Error = ();
    async fn recv<'b>(&mut self, buf: &'b mut [u8]) -> Result<Event<'b>, ()> {
        ready().await;
        message(buf)
    }
    async fn send(&mut self, what: &Report<'_>) -> Result<(), ()> {
        ready().await;
        report(what)
    }
}
