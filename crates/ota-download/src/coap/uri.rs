//! From a URL to options.
//!
//! # Source
//! RFC 7252 §6.4 (decomposing URIs), §5.10.1 (`.` and `..`).

use crate::url::{Url, UrlError};
use ota_coap::option::{URI_HOST, URI_PATH, URI_QUERY};

/// Longest value of an option of the URI.
const PART_MAX: usize = 255;

/// Gives the options of a URL to `put`, in order: Uri-Host if the host is a name, each segment of the path, each argument
/// of the query. Uri-Port is never needed: it would repeat the datagram's own.
#[inline(never)]
pub(super) fn options(url: &Url<'_>, put: &mut dyn FnMut(u16, &[u8])) -> Result<(), UrlError> {
    let mut part = Part { bytes: [0; PART_MAX], len: 0 };
    if !url.host_is_address() {
        url.host().bytes().try_for_each(|byte| part.push(byte.to_ascii_lowercase()))?;
        put(URI_HOST, part.as_bytes());
    }
    let (path, query) = match url.target().split_at_checked(url.target().bytes().take_while(|b| *b != b'?').count()) {
        Some((path, query)) => (path.as_bytes(), query.as_bytes()),
        None => (url.target().as_bytes(), &b""[..]),
    };
    if let [b'/', segments @ ..] = path
        && !segments.is_empty()
    {
        for segment in segments.split(|b| *b == b'/') {
            part.decode(segment)?;
            if matches!(part.as_bytes(), b"." | b"..") {
                return Err(UrlError::Part);
            }
            put(URI_PATH, part.as_bytes());
        }
    }
    if let [b'?', arguments @ ..] = query
        && !arguments.is_empty()
    {
        for argument in arguments.split(|b| *b == b'&') {
            part.decode(argument)?;
            put(URI_QUERY, part.as_bytes());
        }
    }
    Ok(())
}

struct Part {
    bytes: [u8; PART_MAX],
    len: usize,
}

impl Part {
    fn push(&mut self, byte: u8) -> Result<(), UrlError> {
        *self.bytes.get_mut(self.len).ok_or(UrlError::Part)? = byte;
        self.len += 1;
        Ok(())
    }

    /// Holds the text with its escapes undone, in place of what was there.
    fn decode(&mut self, text: &[u8]) -> Result<(), UrlError> {
        self.len = 0;
        let mut rest = text;
        while let [byte, behind @ ..] = rest {
            rest = behind;
            let mut byte = *byte;
            if byte == b'%' {
                let [high, low, behind @ ..] = behind else {
                    return Err(UrlError::Escape);
                };
                byte = digit(*high)? << 4 | digit(*low)?;
                rest = behind;
            }
            self.push(byte)?;
        }
        Ok(())
    }

    fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }
}

fn digit(byte: u8) -> Result<u8, UrlError> {
    match byte {
        b'0'..=b'9' => Ok(byte - b'0'),
        b'a'..=b'f' => Ok(byte - b'a' + 10),
        b'A'..=b'F' => Ok(byte - b'A' + 10),
        _ => Err(UrlError::Escape),
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use std::vec::Vec;

    fn of(text: &str) -> Result<Vec<(u16, Vec<u8>)>, UrlError> {
        let mut all = Vec::new();
        options(&Url::parse_coap(text)?, &mut |number, value| all.push((number, value.to_vec())))?;
        Ok(all)
    }
    fn parts(text: &str) -> Vec<(u16, Vec<u8>)> {
        of(text).unwrap()
    }
    fn wanted(all: &[(u16, &[u8])]) -> Vec<(u16, Vec<u8>)> {
        all.iter().map(|(number, value)| (*number, value.to_vec())).collect()
    }

    #[test]
    fn the_examples_of_rfc_7252_become_its_options() {
        // Appendix B.
        assert_eq!(parts("coap://[2001:db8::2:1]/"), []);
        assert_eq!(parts("coap://example.net/"), wanted(&[(3, b"example.net")]));
        let sensors = wanted(&[(3, b"example.net"), (11, b".well-known"), (11, b"core")]);
        assert_eq!(parts("coap://example.net/.well-known/core"), sensors);
        let japanese = "coap://xn--18j4d.example/%E3%81%93%E3%82%93%E3%81%AB%E3%81%A1%E3%81%AF";
        assert_eq!(parts(japanese), wanted(&[(3, b"xn--18j4d.example"), (11, "こんにちは".as_bytes())]));
        let odd = "coap://198.51.100.1:61616//%2F//?%2F%2F&?%26";
        assert_eq!(parts(odd), wanted(&[(11, b""), (11, b"/"), (11, b""), (11, b""), (15, b"//"), (15, b"?&")]));
        // §6.3: three that are the same.
        let same = ["coap://example.com:5683/~sensors/temp.xml", "coap://EXAMPLE.com/%7Esensors/temp.xml"];
        assert_eq!(parts(same[0]), parts(same[1]));
        // The third has an empty port, which we refuse as in http.
        assert_eq!(of("coap://EXAMPLE.com:/%7esensors/temp.xml"), Err(UrlError::Port));
    }

    #[test]
    fn a_url_without_path_or_query_asks_for_the_root() {
        for text in ["coap://[::1]", "coap://[::1]/", "COAP://[::1]:5683/?"] {
            assert_eq!(parts(text), [], "{text}");
        }
        assert_eq!(parts("coap://10.0.0.1?a=1&b"), wanted(&[(15, b"a=1"), (15, b"b")]));
    }

    #[test]
    fn ports_and_schemes() {
        let of = |text| Url::parse_coap(text).map(|url| (url.port(), url.tls()));
        assert_eq!(of("coap://h/"), Ok((5683, false)));
        assert_eq!(of("CoAPs://h/"), Ok((5684, true)));
        assert_eq!(of("coap://h:80/"), Ok((80, false)));
        for other in ["http://h/", "coap:/h", "coap+tcp://h/", "coapss://h/", "coa", "coap", "coaps", ""] {
            assert_eq!(of(other), Err(UrlError::Scheme), "{other}");
        }
        assert_eq!(of("coap://h/#x"), Err(UrlError::Fragment));
        assert_eq!(of("coap://me@h/"), Err(UrlError::UserInfo));
        assert_eq!(Url::parse("coap://h/"), Err(UrlError::Scheme));
    }

    #[test]
    fn what_no_option_can_hold_is_refused() {
        for bad in ["%", "a%2", "%zz", "%2g", "%%20"] {
            assert_eq!(of(&std::format!("coap://h/{bad}")), Err(UrlError::Escape), "{bad}");
            assert_eq!(of(&std::format!("coap://h/?{bad}")), Err(UrlError::Escape), "{bad}");
        }
        for bad in [".", "a/..", "%2e%2E/b", "a/./b"] {
            assert_eq!(of(&std::format!("coap://h/{bad}")), Err(UrlError::Part), "{bad}");
        }
        let long = |n| std::format!("coap://h/{}", "%61".repeat(n));
        assert_eq!(of(&long(255)).unwrap()[1].1.len(), 255);
        assert_eq!(of(&long(256)), Err(UrlError::Part));
    }
}
