//! Messages to events.

use super::{Linkkit, URL_MAX, VERSION_MAX, encode::is_name};
use crate::json::{JsonError, Reader};
use crate::{Checksum, Component, Event, Locator, Offer, OfferError};

/// Longest module name, in bytes.
const MODULE_MAX: usize = 64;

type Result<T> = core::result::Result<T, OfferError>;

impl Linkkit<'_> {
    /// Reads a message; `None` when it is not for the agent. The payload is changed: the event borrows from it.
    ///
    /// What is taken, beyond the documented form: `code` 1000 or 200 as number or string, or none; `message` in any
    /// case; ids of any type; `null` for an absent field; sizes, flags and stream ids as numbers or strings;
    /// `signMethod` in any case, with a dash, or absent (then `md5`, or the length of `sign`, decides); digests in either
    /// case; `module` absent, empty or `default`; one file in a `files` array; unknown fields; one NUL after the text.
    ///
    /// What is refused, each as its [`OfferError`]: a version of other than 1 to 64 letters, digits, `.`, `-`, `_`; a
    /// URL longer than 2 KiB or with anything but printable ASCII; a size of 0 or 4 GiB and more; digests and signatures
    /// of a wrong length; more than one file.
    pub fn decode<'b>(&self, topic: &str, payload: &'b mut [u8]) -> Option<Event<'b>> {
        self.device_of(topic).map(|device| decode_payload(device, payload))
    }
}

/// Reads a payload that is known to be for `device`.
pub(crate) fn decode_payload(device: u8, payload: &mut [u8]) -> Event<'_> {
    let offer = read(payload).and_then(|fields| match fields {
        Some(fields) => fields.offer(device).map(Some),
        None => Ok(None),
    });
    match offer {
        Ok(Some(offer)) => Event::Offer(offer),
        Ok(None) => Event::NoUpdate,
        Err(error) => Event::Bad(error),
    }
}

/// The members of `data` that matter, as they came.
#[derive(Default)]
struct Fields<'a> {
    version: Option<&'a str>,
    size: Option<u32>,
    url: Option<&'a str>,
    module: Option<&'a str>,
    method: Option<&'a str>,
    sign: Option<&'a str>,
    md5: Option<&'a str>,
    cloud_signature: Option<&'a [u8]>,
    delta: Option<bool>,
    protocol: Option<&'a str>,
    stream: Option<u32>,
    file: Option<u32>,
    /// Entries of `files`.
    files: Option<u8>,
    /// The first field of a wrong type. Kept until the end: the refusal must not depend on the order of fields.
    wrong: Option<&'static str>,
}

/// The whole message; `None` when it carries no offer.
fn read(payload: &mut [u8]) -> Result<Option<Fields<'_>>> {
    let mut json = Reader::new(payload);
    let mut fields = Fields::default();
    let mut refused = false;
    json.object().map_err(malformed)?;
    while let Some(key) = json.key().map_err(malformed)? {
        match key {
            _ if json.null().map_err(malformed)? => {}
            "code" => refused |= !matches!(json.number(), Ok(200 | 1000)),
            "message" => refused |= !json.string().is_ok_and(|text| starts_with(text, "success")),
            "data" => fields.read(&mut json)?,
            _ => json.skip().map_err(malformed)?,
        }
    }
    json.finish().map_err(malformed)?;
    if refused {
        return Err(OfferError::Refused);
    }
    if let Some(name) = fields.wrong {
        return Err(OfferError::Invalid(name));
    }
    let empty = fields.url.is_none() && fields.size.is_none() && fields.stream.is_none() && fields.files.is_none();
    Ok((!empty).then_some(fields))
}

impl<'a> Fields<'a> {
    /// Reads the object `data`.
    fn read(&mut self, json: &mut Reader<'a>) -> Result<()> {
        if self.keep("data", json.object())?.is_none() {
            return Ok(());
        }
        while let Some(key) = json.key().map_err(malformed)? {
            match key {
                _ if json.null().map_err(malformed)? => {}
                "version" => self.version = self.keep("version", json.string())?,
                "module" => self.module = self.keep("module", json.string())?,
                "signMethod" => self.method = self.keep("signMethod", json.string())?,
                "digestsign" => self.cloud_signature = self.keep("digestsign", json.base64())?,
                "isDiff" => self.delta = self.keep("isDiff", json.flag())?,
                "dProtocol" => self.protocol = self.keep("dProtocol", json.string())?,
                "streamId" => self.stream = self.keep("streamId", json.number())?,
                "streamFileId" => self.file = self.keep("streamFileId", json.number())?,
                "files" => self.read_files(json)?,
                "size" => self.size = self.keep("size", json.number())?,
                "url" => self.url = self.keep("url", json.string())?,
                "sign" => self.sign = self.keep("sign", json.string())?,
                "md5" => self.md5 = self.keep("md5", json.string())?,
                _ => json.skip().map_err(malformed)?,
            }
        }
        Ok(())
    }

    fn read_files(&mut self, json: &mut Reader<'a>) -> Result<()> {
        if self.keep("files", json.array())?.is_none() {
            return Ok(());
        }
        let mut count = 0_u8;
        while json.element().map_err(malformed)? {
            count = count.saturating_add(1);
            if self.keep("files", json.object())?.is_some() {
                self.read_file(json)?;
            }
        }
        self.files = Some(count);
        Ok(())
    }

    fn read_file(&mut self, json: &mut Reader<'a>) -> Result<()> {
        while let Some(key) = json.key().map_err(malformed)? {
            match key {
                _ if json.null().map_err(malformed)? => {}
                "fileSize" => self.size = self.keep("fileSize", json.number())?,
                "fileUrl" => self.url = self.keep("fileUrl", json.string())?,
                "fileSign" => self.sign = self.keep("fileSign", json.string())?,
                "fileMd5" => self.md5 = self.keep("fileMd5", json.string())?,
                _ => json.skip().map_err(malformed)?,
            }
        }
        Ok(())
    }

    /// Notes a field of a wrong type and goes on.
    fn keep<T>(&mut self, name: &'static str, read: core::result::Result<T, JsonError>) -> Result<Option<T>> {
        match read {
            Ok(value) => Ok(Some(value)),
            Err(JsonError::Type) => {
                self.wrong.get_or_insert(name);
                Ok(None)
            }
            Err(error) => Err(malformed(error)),
        }
    }

    fn offer(self, device: u8) -> Result<Offer<'a>> {
        if self.files.is_some_and(|count| count != 1) {
            return Err(OfferError::Invalid("files"));
        }
        let version = self.version.ok_or(OfferError::Missing("version"))?;
        check(is_name(version, VERSION_MAX), "version")?;
        check(self.size != Some(0), "size")?;
        let module = match self.module {
            None | Some("" | "default") => "",
            Some(name) => name,
        };
        check(module.is_empty() || is_name(module, MODULE_MAX), "module")?;
        let cloud_signature = self.cloud_signature.unwrap_or_default();
        check(matches!(cloud_signature.len(), 0 | 256..=512), "digestsign")?;
        Ok(Offer {
            component: Component { device, module },
            version,
            size: self.size,
            locator: self.locator()?,
            checksum: self.checksum()?,
            cloud_signature,
            delta: self.delta.unwrap_or(false),
        })
    }

    fn locator(&self) -> Result<Locator<'a>> {
        let by_mqtt = self.protocol.is_some_and(|name| name.eq_ignore_ascii_case("mqtt"));
        match self.url {
            Some(url) if !by_mqtt => {
                let plain = url.bytes().all(|byte| byte.is_ascii_graphic());
                check(plain && (1..=URL_MAX).contains(&url.len()), "url")?;
                Ok(Locator::Url(url))
            }
            None if !by_mqtt && self.stream.is_none() => Err(OfferError::Missing("url")),
            _ => {
                let stream = self.stream.ok_or(OfferError::Missing("streamId"))?;
                let file = self.file.ok_or(OfferError::Missing("streamFileId"))?;
                self.size.ok_or(OfferError::Missing("size"))?;
                Ok(Locator::Stream { stream, file })
            }
        }
    }

    fn checksum(&self) -> Result<Option<Checksum>> {
        let is = |name: &str| self.method.is_some_and(|method| method.eq_ignore_ascii_case(name));
        if is("sha256") || is("sha-256") {
            let sign = self.sign.ok_or(OfferError::Missing("sign"))?;
            return digest(sign, "sign").map(|digest| Some(Checksum::Sha256(digest)));
        }
        check(self.method.is_none() || is("md5"), "signMethod")?;
        match (self.sign, self.md5) {
            (Some(sign), _) if self.method.is_some() => digest(sign, "sign").map(|digest| Some(Checksum::Md5(digest))),
            (_, Some(md5)) => digest(md5, "md5").map(|digest| Some(Checksum::Md5(digest))),
            (Some(sign), None) if sign.len() == 64 => digest(sign, "sign").map(|digest| Some(Checksum::Sha256(digest))),
            (Some(sign), None) => digest(sign, "sign").map(|digest| Some(Checksum::Md5(digest))),
            (None, None) if self.method.is_some() => Err(OfferError::Missing("sign")),
            (None, None) => Ok(None),
        }
    }
}

/// Exactly `2 * N` hexadecimal digits.
fn digest<const N: usize>(hex: &str, name: &'static str) -> Result<[u8; N]> {
    let mut bytes = [0; N];
    check(hex.len() == 2 * N, name)?;
    for (byte, pair) in bytes.iter_mut().zip(hex.as_bytes().chunks_exact(2)) {
        for &digit in pair {
            let digit = char::from(digit).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
            *byte = *byte << 4 | digit.ok_or(OfferError::Invalid(name))?;
        }
    }
    Ok(bytes)
}

fn check(holds: bool, name: &'static str) -> Result<()> {
    if holds { Ok(()) } else { Err(OfferError::Invalid(name)) }
}

fn starts_with(text: &str, start: &str) -> bool {
    text.get(..start.len()).is_some_and(|head| head.eq_ignore_ascii_case(start))
}

fn malformed(_: JsonError) -> OfferError {
    OfferError::Malformed
}
