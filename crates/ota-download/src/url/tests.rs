extern crate std;

use super::*;
use proptest::prelude::*;
use std::string::String;

fn parts(text: &str) -> (bool, &str, u16, &str, &str) {
    let url = Url::parse(text).unwrap();
    (url.tls(), url.host(), url.port(), url.authority(), url.target())
}

#[test]
fn reads_what_is_legal() {
    assert_eq!(parts("http://host"), (false, "host", 80, "host", ""));
    assert_eq!(parts("HTTPS://Host/"), (true, "Host", 443, "Host", "/"));
    assert_eq!(parts("http://host:80/a"), (false, "host", 80, "host", "/a"));
    assert_eq!(parts("https://host:80/a"), (true, "host", 80, "host:80", "/a"));
    assert_eq!(parts("http://h?q=/#f"), (false, "h", 80, "h", "?q=/"));
    assert_eq!(parts("http://h#/f@x"), (false, "h", 80, "h", ""));
    assert_eq!(parts("http://10.0.2.2:8080/x"), (false, "10.0.2.2", 8080, "10.0.2.2:8080", "/x"));
    assert_eq!(parts("http://[fe80::1]/x"), (false, "fe80::1", 80, "[fe80::1]", "/x"));
    assert_eq!(parts("http://[::ffff:1.2.3.4]:81"), (false, "::ffff:1.2.3.4", 81, "[::ffff:1.2.3.4]:81", ""));
    assert_eq!(parts("http://a_b.c-d.example./@:x"), (false, "a_b.c-d.example.", 80, "a_b.c-d.example.", "/@:x"));
}

#[test]
fn refuses_with_the_reason() {
    let cases = [
        ("", UrlError::Scheme),
        ("http:/host/", UrlError::Scheme),
        ("ftp://host/", UrlError::Scheme),
        ("//host/", UrlError::Scheme),
        ("http://", UrlError::NoHost),
        ("http:///path", UrlError::NoHost),
        ("http://:80/", UrlError::NoHost),
        ("http://?q", UrlError::NoHost),
        ("http://user@host/", UrlError::UserInfo),
        ("http://user:pw@host/", UrlError::UserInfo),
        ("http://@host/", UrlError::UserInfo),
        ("http://host:/", UrlError::Port),
        ("http://host:0/", UrlError::Port),
        ("http://host:080/", UrlError::Port),
        ("http://host:65536/", UrlError::Port),
        ("http://host:+80/", UrlError::Port),
        ("http://host:8a/", UrlError::Port),
        ("http://[::1]:x/", UrlError::Port),
        ("http://a:b:80/", UrlError::Port),
        ("http://ho%73t/", UrlError::Host),
        ("http://ho\\st/", UrlError::Host),
        ("http://.host/", UrlError::Host),
        ("http://1.2.3/", UrlError::Host),
        ("http://1.2.3.256/", UrlError::Host),
        ("http://[::1/", UrlError::Host),
        ("http://[]/", UrlError::Host),
        ("http://[::1]x/", UrlError::Host),
        ("http://[fe80::1%25eth0]/", UrlError::Host),
        ("http://[1.2.3.4]/", UrlError::Host),
        ("http://host/a b", UrlError::Character),
        ("http://host/a\r\nX: y", UrlError::Character),
        ("http://host/\u{7f}", UrlError::Character),
        ("http://host/#\u{0}", UrlError::Character),
        ("http://höst/", UrlError::Character),
    ];
    for (text, error) in cases {
        assert_eq!(Url::parse(text), Err(error), "{text:?}");
    }
}

#[test]
fn long_urls_are_read_and_long_hosts_refused() {
    let text = String::from("http://host/?") + &"x".repeat(8192);
    assert_eq!(Url::parse(&text).unwrap().target().len(), 8192 + 2);
    let host = |n: usize| String::from("http://") + &"h".repeat(n) + "/";
    assert!(Url::parse(&host(253)).is_ok());
    assert_eq!(Url::parse(&host(254)), Err(UrlError::Host));
}

/// RFC 3986 §5.4, with the cases whose result is no http URL left out.
#[test]
fn resolves_the_examples_of_the_rfc() {
    let cases = [
        ("http:g", None), // no authority: refused
        ("g", Some("http://a/b/c/g")),
        ("./g", Some("http://a/b/c/g")),
        ("g/", Some("http://a/b/c/g/")),
        ("/g", Some("http://a/g")),
        ("//g", Some("http://g")),
        ("?y", Some("http://a/b/c/d;p?y")),
        ("g?y", Some("http://a/b/c/g?y")),
        ("#s", Some("http://a/b/c/d;p?q")),
        ("g#s", Some("http://a/b/c/g")),
        ("g?y#s", Some("http://a/b/c/g?y")),
        (";x", Some("http://a/b/c/;x")),
        ("g;x", Some("http://a/b/c/g;x")),
        ("", Some("http://a/b/c/d;p?q")),
        (".", Some("http://a/b/c/")),
        ("./", Some("http://a/b/c/")),
        ("..", Some("http://a/b/")),
        ("../", Some("http://a/b/")),
        ("../g", Some("http://a/b/g")),
        ("../..", Some("http://a/")),
        ("../../", Some("http://a/")),
        ("../../g", Some("http://a/g")),
        ("../../../g", Some("http://a/g")),
        ("../../../../g", Some("http://a/g")),
        ("/./g", Some("http://a/g")),
        ("/../g", Some("http://a/g")),
        ("g.", Some("http://a/b/c/g.")),
        (".g", Some("http://a/b/c/.g")),
        ("g..", Some("http://a/b/c/g..")),
        ("..g", Some("http://a/b/c/..g")),
        ("./../g", Some("http://a/b/g")),
        ("./g/.", Some("http://a/b/c/g/")),
        ("g/./h", Some("http://a/b/c/g/h")),
        ("g/../h", Some("http://a/b/c/h")),
        ("g;x=1/../y", Some("http://a/b/c/y")),
        ("g?y/../x", Some("http://a/b/c/g?y/../x")),
        ("https://h:8/x/../y", Some("https://h:8/y")),
        ("ftp://h/", None),
        ("javascript:x", None),
        ("//user@g", None),
        ("a b", None),
    ];
    for (reference, want) in cases {
        let mut out = [0; 64];
        assert_eq!(resolve("http://a/b/c/d;p?q#f", reference, &mut out).ok(), want, "{reference:?}");
    }
    for (base, reference, want) in [
        ("http://h", "x", "http://h/x"),
        ("http://h?q", "x", "http://h/x"),
        ("http://h?q/r", "?z", "http://h?z"),
        ("https://h:1/p", "//g/x", "https://g/x"),
    ] {
        assert_eq!(resolve(base, reference, &mut [0; 64]), Ok(want), "{base} {reference}");
    }
}

#[test]
fn a_chain_in_one_buffer() {
    let mut buf = [0; 40];
    buf[..5].copy_from_slice(b"/a/b/");
    let n = resolve_in(&mut buf, Some("https://host/x"), 0, 5).unwrap();
    assert_eq!(&buf[..n], b"https://host/a/b/");
    buf[n..n + 3].copy_from_slice(b"c/d");
    let n = resolve_in(&mut buf, None, n, 3).unwrap();
    assert_eq!(&buf[..n], b"https://host/a/b/c/d");
    buf[n..n + 8].copy_from_slice(b"//g/../z");
    let n = resolve_in(&mut buf, None, n, 8).unwrap();
    assert_eq!(&buf[..n], b"https://g/z");
}

#[test]
fn too_long_is_said() {
    assert_eq!(resolve("http://host/", "abc", &mut [0; 14]), Err(UrlError::TooLong));
    assert_eq!(resolve("http://host/", "abc", &mut [0; 15]), Ok("http://host/abc"));
    assert_eq!(resolve("http://host/", "abc", &mut [0; 2]), Err(UrlError::TooLong));
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in "(https?://)?[\\PC]{0,40}", reference in "[a-z./?#:@\\[\\]]{0,24}") {
        let mut out = [0; 96];
        if let Ok(url) = Url::parse(&text) {
            prop_assert!(!url.host().is_empty() && url.port() != 0);
            if let Ok(to) = resolve(&text, &reference, &mut out) {
                prop_assert!(Url::parse(to).is_ok());
                prop_assert!(!to.contains('#'));
            }
        }
    }

    #[test]
    fn any_bytes_resolve_or_are_refused(bytes in prop::collection::vec(any::<u8>(), 0..64), at in 0usize..70, len in 0usize..70) {
        let mut buf = bytes;
        if let Ok(n) = resolve_in(&mut buf, None, at, len) {
            prop_assert!(n <= buf.len());
        }
    }

    #[test]
    fn addresses_are_those_of_core(v6 in "([0-9a-fA-F]{0,5}:|::|1:){0,9}[0-9a-f.]{0,9}", v4 in "([0-9]{0,4}\\.){0,4}[0-9]{0,4}") {
        use core::net::{Ipv4Addr, Ipv6Addr};
        prop_assert_eq!(is_ipv4(v4.as_bytes()), v4.parse::<Ipv4Addr>().is_ok(), "{}", v4);
        for text in [v6.clone(), v6.clone() + &v4, v6 + "1.2.3.4"] {
            prop_assert_eq!(is_ipv6(&text), text.parse::<Ipv6Addr>().is_ok(), "{}", text);
        }
    }
}
