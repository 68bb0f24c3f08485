//! One datagram.

use ota_coap::{Code, EncodeError, Encoder, Kind, Message, option};
use ota_download::url::Url;

/// Reads it; what is a message is the same when it is written again. As text it may be a URL.
pub(super) fn body(datagram: &[u8]) {
    url(datagram);
    let message = match Message::decode(datagram) {
        Ok(message) => message,
        Err(malformed) => {
            let reset = malformed.reply.datagram();
            assert!(reset.is_none() || datagram[0] >> 4 == 0b0100, "a reset of what was not confirmable");
            return;
        }
    };
    assert!(message.token.len() <= 8 && message.payload.len() < datagram.len());
    let refused = message.unrecognized(&option::IN_RESPONSES);
    assert!(refused.is_none_or(option::is_critical));
    assert_eq!(message.rejection().datagram().is_some(), message.kind == Kind::Confirmable);
    let mut bytes = vec![0; datagram.len() + 16];
    let mut again = Encoder::new(&mut bytes, message.kind, message.code, message.id, message.token);
    message.options().for_each(|(number, value)| {
        again.option(number, value);
    });
    match again.finish(message.payload) {
        Ok(len) => {
            // Lengths need not be written as short as can be, so the bytes may differ.
            let again = Message::decode(&bytes[..len]).expect("what was written is a message");
            assert!(again.options().eq(message.options()), "other options");
            let parts = |message: &Message<'_>| (message.kind, message.code, message.id);
            assert_eq!(parts(&again), parts(&message));
            assert_eq!((again.token, again.payload), (message.token, message.payload));
        }
        Err(error) => assert_eq!(error, EncodeError::Length, "only a value of impossible length cannot be written"),
    }
}

/// A URL that is taken has a host and a port, and is not of the other scheme.
fn url(text: &[u8]) {
    let Ok(text) = core::str::from_utf8(text) else { return };
    if let Ok(url) = Url::parse_coap(text) {
        assert!(!url.host().is_empty() && text.contains(url.host()));
        assert!(Url::parse(text).is_err(), "a URL of both schemes");
    }
}

/// Messages of RFC 7252, appendix A, and some with everything.
pub(super) fn seeds() -> Vec<Vec<u8>> {
    let mut bytes = [0; 256];
    let mut full = Encoder::new(&mut bytes, Kind::Confirmable, Code::GET, 0x7D34, b"12345678");
    full.option(option::URI_HOST, b"host.example").option(option::ETAG, b"12345678").uint(option::OBSERVE, 5);
    full.uint(option::URI_PORT, 5683).path("/fw/1").uint(option::MAX_AGE, 60).query("a=b&c").uint(option::BLOCK2, 0x1E);
    full.uint(option::SIZE2, 70_000).option(2_048, &[7; 14]).option(65_000, b"");
    let len = full.finish(b"payload").expect("it fits");
    vec![
        bytes[..len].to_vec(),
        b"\x40\x01\x7D\x34\xBBtemperature".to_vec(),
        b"\x60\x45\x7D\x34\xFF22.3 C".to_vec(),
        b"\x70\x00\x7D\x34".to_vec(),
        b"coap://host.example:99/a%20b/c?d=e&f".to_vec(),
        b"coaps://[fe80::1]/x".to_vec(),
    ]
}
