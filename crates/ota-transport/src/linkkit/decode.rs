//! Messages to events.

use super::{Linkkit, URL_MAX, VERSION_MAX, encode::is_name};
use crate::json::{JsonError, Reader};
use crate::{Checksum, Component, Event, Locator, Offer, OfferError};

/// Longest module name, in bytes.
const MODULE_MAX: usize = 64;

impl Linkkit<'_> {
    /// Reads a message; `None` when it is not for the agent. The payload is changed: the event borrows from it.
    ///
    /// What is taken, beyond the documented form: `code` 1000 or 200 as number or string, or none; `message` in any
    /// case; ids of any type; `null` for an absent field; sizes, flags and stream ids as numbers or strings;
    /// `signMethod` in any case, with a dash, or absent (then `md5`, or the length of `sign`, decides); digests in either
    /// case; `module` absent, empty or `default`; one file in a `files` array; unknown fields; one NUL after the text. A
    /// payload of no bytes clears a retained offer and says nothing: [`Event::NoUpdate`].
    ///
    /// What is refused, each as its [`OfferError`]: a version of other than 1 to 64 letters, digits, `.`, `-`, `_`; a
    /// URL longer than 2 KiB or with anything but printable ASCII; a size of 0 or 4 GiB and more; digests and signatures
    /// of a wrong length; more than one file.
    pub fn decode<'b>(&self, topic: &str, payload: &'b mut [u8]) -> Option<Event<'b>> {
        self.device_of(topic).map(|device| decode_payload(device, payload))
    }
}

/// Reads a payload that is known to be for `device`.
#[inline(never)]
pub(crate) fn decode_payload(device: u8, payload: &mut [u8]) -> Event<'_> {
    if payload.is_empty() {
        // How a broker forgets a retained offer: those who listen at that moment get it too.
        return Event::NoUpdate;
    }
    let mut fields = Fields::default();
    if fields.read(Reader::new(payload)).is_err() {
        return Event::Bad(OfferError::Malformed);
    }
    if fields.refused {
        return Event::Bad(OfferError::Refused);
    }
    if let Some(name) = fields.wrong {
        return Event::Bad(OfferError::Invalid(name));
    }
    if fields.is_empty() {
        return Event::NoUpdate;
    }
    match fields.offer(device) {
        Ok(offer) => Event::Offer(offer),
        Err(error) => Event::Bad(error),
    }
}

/// The texts of an offer: indices of [`Fields::texts`].
#[derive(Clone, Copy)]
enum Text {
    Version,
    Url,
    Module,
    Method,
    Sign,
    Md5,
    Protocol,
}
const TEXTS: usize = Text::Protocol as usize + 1;

/// The numbers of an offer: indices of [`Fields::numbers`].
#[derive(Clone, Copy)]
enum Number {
    Size,
    Stream,
    File,
    Delta,
}
const NUMBERS: usize = Number::Delta as usize + 1;

/// What a member holds and where it goes.
#[derive(Clone, Copy)]
enum Member {
    Text(Text),
    Number(Number),
    Flag(Number),
    Signature,
    Files,
}

type Table = [(&'static str, Member)];

/// Members of `data`. A table, because a branch for each costs five times the code.
const DATA: &Table = &[
    ("version", Member::Text(Text::Version)),
    ("url", Member::Text(Text::Url)),
    ("size", Member::Number(Number::Size)),
    ("sign", Member::Text(Text::Sign)),
    ("signMethod", Member::Text(Text::Method)),
    ("md5", Member::Text(Text::Md5)),
    ("module", Member::Text(Text::Module)),
    ("isDiff", Member::Flag(Number::Delta)),
    ("digestsign", Member::Signature),
    ("dProtocol", Member::Text(Text::Protocol)),
    ("streamId", Member::Number(Number::Stream)),
    ("streamFileId", Member::Number(Number::File)),
    ("files", Member::Files),
];

/// Members of an entry of `files`.
const FILE: &Table = &[
    ("fileUrl", Member::Text(Text::Url)),
    ("fileSize", Member::Number(Number::Size)),
    ("fileSign", Member::Text(Text::Sign)),
    ("fileMd5", Member::Text(Text::Md5)),
];

/// What matters of a message, as it came.
#[derive(Default)]
struct Fields<'a> {
    texts: [Option<&'a str>; TEXTS],
    numbers: [Option<u32>; NUMBERS],
    signature: &'a [u8],
    /// Entries of `files`.
    files: Option<u8>,
    /// The other side says that it has no offer but an error.
    refused: bool,
    /// The first member of a wrong type. Kept until the end: the refusal must not depend on their order.
    wrong: Option<&'static str>,
}

impl<'a> Fields<'a> {
    /// Reads the whole message.
    fn read(&mut self, mut json: Reader<'a>) -> Result<(), JsonError> {
        json.object()?;
        while let Some(key) = json.key()? {
            match key {
                _ if json.null()? => {}
                "code" => self.refused |= !matches!(json.number(), Ok(200 | 1000)),
                "message" => self.refused |= !json.string().is_ok_and(is_success),
                "data" => self.read_data(&mut json)?,
                _ => json.skip()?,
            }
        }
        json.finish()
    }

    fn read_data(&mut self, json: &mut Reader<'a>) -> Result<(), JsonError> {
        if !self.fits("data", json.object())? {
            return Ok(());
        }
        while let Some(key) = json.key()? {
            match find(DATA, key) {
                _ if json.null()? => {}
                Some((name, Member::Files)) => self.read_files(name, json)?,
                member => self.read_member(member, json)?,
            }
        }
        Ok(())
    }

    fn read_files(&mut self, name: &'static str, json: &mut Reader<'a>) -> Result<(), JsonError> {
        if !self.fits(name, json.array())? {
            return Ok(());
        }
        let mut count = 0_u8;
        while json.element()? {
            count = count.saturating_add(1);
            if !self.fits(name, json.object())? {
                continue;
            }
            while let Some(key) = json.key()? {
                if !json.null()? {
                    self.read_member(find(FILE, key), json)?;
                }
            }
        }
        self.files = Some(count);
        Ok(())
    }

    fn read_member(&mut self, member: Option<(&'static str, Member)>, json: &mut Reader<'a>) -> Result<(), JsonError> {
        let Some((name, member)) = member else { return json.skip() };
        let read = match member {
            Member::Text(at) => json.string().map(|text| self.set_text(at, text)),
            Member::Number(at) => json.number().map(|number| self.set_number(at, number)),
            Member::Flag(at) => json.flag().map(|flag| self.set_number(at, flag.into())),
            Member::Signature | Member::Files => json.base64().map(|signature| self.signature = signature),
        };
        self.fits(name, read).map(drop)
    }

    /// Whether a member was of its type; notes it if not, so that reading can go on.
    fn fits(&mut self, name: &'static str, read: Result<(), JsonError>) -> Result<bool, JsonError> {
        if matches!(read, Err(JsonError::Type)) {
            self.wrong.get_or_insert(name);
            return Ok(false);
        }
        read.map(|()| true)
    }

    fn set_text(&mut self, at: Text, text: &'a str) {
        if let Some(slot) = self.texts.get_mut(at as usize) {
            *slot = Some(text);
        }
    }

    fn set_number(&mut self, at: Number, number: u32) {
        if let Some(slot) = self.numbers.get_mut(at as usize) {
            *slot = Some(number);
        }
    }

    fn text(&self, at: Text) -> Option<&'a str> {
        self.texts.get(at as usize).copied().flatten()
    }

    fn number(&self, at: Number) -> Option<u32> {
        self.numbers.get(at as usize).copied().flatten()
    }

    /// Nothing says where or how large an object is.
    fn is_empty(&self) -> bool {
        self.text(Text::Url).is_none()
            && self.number(Number::Size).is_none()
            && self.number(Number::Stream).is_none()
            && self.files.is_none()
    }

    fn offer(&self, device: u8) -> Result<Offer<'a>, OfferError> {
        let version = self.text(Text::Version).ok_or(OfferError::Missing("version"))?;
        let module = self.text(Text::Module).filter(|name| *name != "default").unwrap_or_default();
        let size = self.number(Number::Size);
        let wrong = if self.files.is_some_and(|count| count != 1) {
            Some("files")
        } else if !is_name(version, VERSION_MAX) {
            Some("version")
        } else if size == Some(0) {
            Some("size")
        } else if !module.is_empty() && !is_name(module, MODULE_MAX) {
            Some("module")
        } else if !matches!(self.signature.len(), 0 | 256..=512) {
            Some("digestsign")
        } else {
            None
        };
        if let Some(name) = wrong {
            return Err(OfferError::Invalid(name));
        }
        Ok(Offer {
            component: Component { device, module },
            version,
            size,
            locator: self.locator()?,
            checksum: self.checksum()?,
            cloud_signature: self.signature,
            delta: self.number(Number::Delta) == Some(1),
        })
    }

    fn locator(&self) -> Result<Locator<'a>, OfferError> {
        let stream = self.number(Number::Stream);
        let by_mqtt = self.text(Text::Protocol).is_some_and(|name| same(name, "mqtt"));
        match self.text(Text::Url) {
            Some(url) if !by_mqtt => {
                if !(1..=URL_MAX).contains(&url.len()) || !url.bytes().all(|byte| byte.is_ascii_graphic()) {
                    return Err(OfferError::Invalid("url"));
                }
                Ok(Locator::Url(url))
            }
            None if !by_mqtt && stream.is_none() => Err(OfferError::Missing("url")),
            _ => match (stream, self.number(Number::File), self.number(Number::Size)) {
                (Some(stream), Some(file), Some(_)) => Ok(Locator::Stream { stream, file }),
                (None, ..) => Err(OfferError::Missing("streamId")),
                (_, None, _) => Err(OfferError::Missing("streamFileId")),
                _ => Err(OfferError::Missing("size")),
            },
        }
    }

    fn checksum(&self) -> Result<Option<Checksum>, OfferError> {
        let (method, sign, md5) = (self.text(Text::Method), self.text(Text::Sign), self.text(Text::Md5));
        let sha256 = match method {
            Some(name) if same(name, "sha256") || same(name, "sha-256") => true,
            Some(name) if same(name, "md5") => false,
            Some(_) => return Err(OfferError::Invalid("signMethod")),
            None => md5.is_none() && sign.is_some_and(|sign| sign.len() == 64),
        };
        let (name, text) = match (sign, md5) {
            (_, Some(md5)) if !sha256 && (method.is_none() || sign.is_none()) => ("md5", md5),
            (Some(sign), _) => ("sign", sign),
            (None, _) if method.is_some() => return Err(OfferError::Missing("sign")),
            (None, _) => return Ok(None),
        };
        let mut digest = [0; 32];
        let digest_len = if sha256 { 32 } else { 16 };
        if !digest.get_mut(..digest_len).is_some_and(|digest| hex(text, digest)) {
            return Err(OfferError::Invalid(name));
        }
        Ok(match digest.first_chunk() {
            Some(md5) if !sha256 => Some(Checksum::Md5(*md5)),
            _ => Some(Checksum::Sha256(digest)),
        })
    }
}

fn find(table: &Table, key: &str) -> Option<(&'static str, Member)> {
    table.iter().find(|(name, _)| *name == key).copied()
}

// Inlined, it is there five times.
#[inline(never)]
fn same(text: &str, name: &str) -> bool {
    text.eq_ignore_ascii_case(name)
}

/// Fills `bytes` from exactly as many hexadecimal digits; says whether it could.
fn hex(text: &str, bytes: &mut [u8]) -> bool {
    let mut digits =
        text.bytes().map(|digit| char::from(digit).to_digit(16).and_then(|digit| u8::try_from(digit).ok()));
    text.len() == 2 * bytes.len()
        && bytes.iter_mut().all(|byte| match (digits.next().flatten(), digits.next().flatten()) {
            (Some(high), Some(low)) => {
                *byte = high << 4 | low;
                true
            }
            _ => false,
        })
}

/// The original's rule: it begins with `success`.
fn is_success(text: &str) -> bool {
    text.get(..7).is_some_and(|head| same(head, "success"))
}
