//! URLs: a strict reader that copies nothing, and the resolution of redirects in place.
//!
//! # Source
//! RFC 3986 §3 (syntax), §5.2 (resolution), §5.2.4 (dot segments); RFC 9110 §4.2 (`http`, `https`), §7.2 (Host);
//! RFC 7252 §6 (`coap`, `coaps`).

mod host;

use crate::http::decimal;
use host::{check_name, has_leading_zero, is_ipv4, is_ipv6};

#[cfg(test)]
mod tests;

/// Why a text is not a URL we fetch. Trying the same text again cannot help.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum UrlError {
    /// A space, a control byte or a byte outside ASCII. Such bytes must be percent-encoded by whoever made the URL.
    Character,
    /// Neither `http://` nor `https://`; for CoAP neither `coap://` nor `coaps://`.
    Scheme,
    /// A user name or password before the host. They would be sent in the clear, or hide the true host.
    UserInfo,
    /// No host.
    NoHost,
    /// The host is no name, no IPv4 address and no bracketed IPv6 address.
    Host,
    /// The port is no number from 1 to 65535.
    Port,
    /// The resolved URL does not fit the buffer. A larger one makes it work.
    TooLong,
    /// A percent sign without two hexadecimal digits, where escapes are read: in URLs of CoAP.
    Escape,
    /// A part of a CoAP path or query that no option can hold: above 255 bytes, or `.` or `..` in the path.
    Part,
    /// A fragment, which a URL of CoAP must not have.
    Fragment,
}

impl UrlError {
    /// A short text for the report.
    pub const fn text(self) -> &'static str {
        match self {
            Self::Character => "URL: bad character",
            Self::Scheme => "URL: not http or https",
            Self::UserInfo => "URL: user info",
            Self::NoHost => "URL: no host",
            Self::Host => "URL: bad host",
            Self::Port => "URL: bad port",
            Self::TooLong => "URL: too long",
            Self::Escape => "URL: bad escape",
            Self::Part => "URL: bad part",
            Self::Fragment => "URL: fragment",
        }
    }
}

/// A URL that was read. All parts are slices of the text; its length is bounded by the text's owner alone.
///
/// # Examples
/// ```
/// use ota_download::url::{Url, UrlError};
///
/// let url = Url::parse("http://[::1]:8080/fw.ota?token=x#part").unwrap();
/// assert_eq!((url.host(), url.port(), url.tls()), ("::1", 8080, false));
/// assert_eq!((url.authority(), url.target()), ("[::1]:8080", "/fw.ota?token=x"));
/// assert_eq!(Url::parse("http://me:secret@host/"), Err(UrlError::UserInfo));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Url<'a> {
    tls: bool,
    host: &'a str,
    authority: &'a str,
    port: u16,
    target: &'a str,
}

impl<'a> Url<'a> {
    /// Reads `text`. A fragment is dropped: it is never sent (RFC 9110 §7.1).
    ///
    /// # Errors
    /// The first rule that the text breaks.
    pub fn parse(text: &'a str) -> Result<Self, UrlError> {
        Self::read(text, "http", [80, 443])
    }

    /// Reads a URL of CoAP: `coap://`, or `coaps://` for DTLS. Escapes in path and query are not looked at.
    ///
    /// # Errors
    /// The first rule that the text breaks.
    ///
    /// # Source
    /// RFC 7252 §6.1, §6.2, §6.4.
    pub fn parse_coap(text: &'a str) -> Result<Self, UrlError> {
        if text.bytes().any(|b| b == b'#') {
            return Err(UrlError::Fragment);
        }
        Self::read(text, "coap", [5683, 5684])
    }

    fn read(text: &'a str, scheme: &str, ports: [u16; 2]) -> Result<Self, UrlError> {
        check_characters(text.as_bytes())?;
        let (tls, rest) = split_scheme(text, scheme).ok_or(UrlError::Scheme)?;
        let (authority, target) = split_at_any(rest, b"/?#");
        let (target, _fragment) = split_at_any(target, b"#");
        if authority.bytes().any(|b| b == b'@') {
            return Err(UrlError::UserInfo);
        }
        let (host, bracketed, after) = split_host(authority)?;
        let [plain, secure] = ports;
        let default = if tls { secure } else { plain };
        let port = match after.strip_prefix(':') {
            Some(digits) => read_port(digits)?,
            None if after.is_empty() => default,
            None => return Err(UrlError::Host),
        };
        // The Host field leaves a default port out, as every signer of URLs expects.
        let authority = if port == default { bracketed } else { authority };
        Ok(Self { tls, host, authority, port, target })
    }

    /// Whether the connection must be TLS.
    pub const fn tls(&self) -> bool {
        self.tls
    }
    /// Name or address, an IPv6 one without its brackets.
    pub const fn host(&self) -> &'a str {
        self.host
    }
    /// Whether the host is an address and not a name.
    pub fn host_is_address(&self) -> bool {
        let host = self.host.as_bytes();
        host.contains(&b':') || is_ipv4(host)
    }
    /// The port, the scheme's own when none was written.
    pub const fn port(&self) -> u16 {
        self.port
    }
    /// What the `Host` field carries: the host, and the port unless it is the scheme's own.
    pub const fn authority(&self) -> &'a str {
        self.authority
    }
    /// Path and query as written. May be empty or begin with `?`: the request then puts `/` before it.
    pub const fn target(&self) -> &'a str {
        self.target
    }
}

/// Resolves `reference` (the `Location` of a redirect) against the URL `base`, into `out`.
///
/// The result is a URL that [`Url::parse`] accepts. `out` must hold it whole.
///
/// # Errors
/// [`UrlError::TooLong`], or the rule that the result breaks.
///
/// # Examples
/// ```
/// let mut out = [0; 64];
/// let to = ota_download::url::resolve("http://host/a/b?q", "../c", &mut out);
/// assert_eq!(to, Ok("http://host/c"));
/// ```
pub fn resolve<'b>(base: &str, reference: &str, out: &'b mut [u8]) -> Result<&'b str, UrlError> {
    let reference = reference.as_bytes();
    out.get_mut(..reference.len()).ok_or(UrlError::TooLong)?.copy_from_slice(reference);
    let len = resolve_in(out, Some(base), 0, reference.len())?;
    as_text(out.get(..len).unwrap_or_default())
}

/// Resolves the reference at `buf[at..at + len]` and leaves the result at the front of `buf`; returns its length.
/// The base is `base`, or `buf[..at]` when that is `None`: a chain of redirects then needs room for the present URL
/// and the next, and for nothing else.
pub(crate) fn resolve_in(buf: &mut [u8], base: Option<&str>, at: usize, len: usize) -> Result<usize, UrlError> {
    let reference = buf.get(at..at.saturating_add(len)).ok_or(UrlError::TooLong)?;
    check_characters(reference)?;
    let len = find(reference, b"#");
    let reference = reference.get(..len).unwrap_or_default();
    let (keep, slash) = match base {
        Some(base) => kept(base.as_bytes(), reference),
        None => kept(buf.get(..at).unwrap_or_default(), reference),
    };
    let start = keep + usize::from(slash);
    let total = start + len;
    if total > buf.len() {
        return Err(UrlError::TooLong);
    }
    buf.copy_within(at..at + len, start);
    if let (Some(base), Some(front)) = (base.and_then(|b| b.as_bytes().get(..keep)), buf.get_mut(..keep)) {
        front.copy_from_slice(base);
    }
    if let (true, Some(byte)) = (slash, buf.get_mut(keep)) {
        *byte = b'/';
    }
    let total = remove_dot_segments(buf.get_mut(..total).unwrap_or_default());
    Url::parse(as_text(buf.get(..total).unwrap_or_default())?)?;
    Ok(total)
}

/// How much of `base` stands before `reference` in the result, and whether a `/` goes between (RFC 3986 §5.2.2, §5.2.3).
fn kept(base: &[u8], reference: &[u8]) -> (usize, bool) {
    let scheme = find(base, b":") + 1;
    let authority = path_start(base);
    let path = base.get(authority..).unwrap_or_default();
    let path = path.get(..find(path, b"?#")).unwrap_or_default();
    match reference {
        [b'/', b'/', ..] => (scheme, false),
        [b'/', ..] => (authority, false),
        [b'?', ..] => (authority + path.len(), false),
        [] => (find(base, b"#"), false),
        _ if has_scheme(reference) => (0, false),
        _ => match path.iter().rposition(|b| *b == b'/') {
            Some(slash) => (authority + slash + 1, false),
            None => (authority, true),
        },
    }
}

/// Takes `.` and `..` segments out of the path of a URL, in place; returns the new length (RFC 3986 §5.2.4).
fn remove_dot_segments(url: &mut [u8]) -> usize {
    let start = path_start(url);
    let end = start + find(url.get(start..).unwrap_or_default(), b"?#");
    let (mut read, mut write) = (start, start);
    while read < end {
        let segment = url.get(read..end).unwrap_or_default();
        let len = 1 + find(segment.get(1..).unwrap_or_default(), b"/");
        let last = read + len >= end;
        match segment.get(..len).unwrap_or_default() {
            b"/." | b"/.." => {
                if len == 3 {
                    let done = url.get(start..write).unwrap_or_default();
                    write = start + done.iter().rposition(|b| *b == b'/').unwrap_or(0);
                }
                if let (true, Some(byte)) = (last, url.get_mut(write)) {
                    *byte = b'/';
                    write += 1;
                }
            }
            _ => {
                url.copy_within(read..read + len, write);
                write += len;
            }
        }
        read += len;
    }
    url.copy_within(end.., write);
    write + (url.len() - end)
}

/// Where the path of a URL begins.
fn path_start(url: &[u8]) -> usize {
    let authority = (find(url, b":") + 3).min(url.len());
    authority + find(url.get(authority..).unwrap_or_default(), b"/?#")
}

/// Whether a reference begins with a scheme (RFC 3986 §4.1: a colon before the first slash).
fn has_scheme(reference: &[u8]) -> bool {
    reference.get(find(reference, b":/?#")) == Some(&b':')
}

/// Whether the scheme is the secure form of `scheme`, and what follows it.
fn split_scheme<'a>(text: &'a str, scheme: &str) -> Option<(bool, &'a str)> {
    let (head, rest) = text.split_at_checked(scheme.len())?;
    let tls = matches!(rest.as_bytes(), [b's' | b'S', ..]);
    let rest = rest.get(usize::from(tls)..)?.strip_prefix("://")?;
    head.eq_ignore_ascii_case(scheme).then_some((tls, rest))
}

/// The host bare, the host as written, and what follows it.
fn split_host(authority: &str) -> Result<(&str, &str, &str), UrlError> {
    if let Some(inner) = authority.strip_prefix('[') {
        let (host, _) = split_at_any(inner, b"]");
        let (bracketed, after) = authority.split_at_checked(host.len() + 2).ok_or(UrlError::Host)?;
        return if is_ipv6(host) { Ok((host, bracketed, after)) } else { Err(UrlError::Host) };
    }
    let (host, after) = split_at_any(authority, b":");
    check_name(host)?;
    Ok((host, host, after))
}

fn read_port(digits: &str) -> Result<u16, UrlError> {
    let digits = digits.as_bytes();
    match decimal(digits).map(u16::try_from) {
        Some(Ok(port)) if port > 0 && !has_leading_zero(digits) => Ok(port),
        _ => Err(UrlError::Port),
    }
}

fn check_characters(text: &[u8]) -> Result<(), UrlError> {
    if text.iter().all(|b| (0x21..=0x7E).contains(b)) { Ok(()) } else { Err(UrlError::Character) }
}

fn as_text(bytes: &[u8]) -> Result<&str, UrlError> {
    core::str::from_utf8(bytes).map_err(|_| UrlError::Character)
}

/// Position of the first byte that is one of `any`; the length when there is none.
#[inline(never)]
fn find(text: &[u8], any: &[u8]) -> usize {
    text.iter().position(|b| any.contains(b)).unwrap_or(text.len())
}

fn split_at_any<'a>(text: &'a str, any: &[u8]) -> (&'a str, &'a str) {
    text.split_at_checked(find(text.as_bytes(), any)).unwrap_or((text, ""))
}
