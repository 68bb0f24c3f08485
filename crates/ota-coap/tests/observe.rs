//! An observation from registration to its end, as a driver would keep it; the server is a script of coap-lite messages.

use coap_lite::{CoapOption, MessageClass, MessageType, Packet, ResponseType};
use ota_coap::observe::{DEREGISTER, REGISTER};
use ota_coap::{Code, Endpoint, Event, ExchangeConfig, Failure, Message, Notice, Observation, Opening, Step, option};
use ota_hal::Millis;
use ota_testkit::Rng;

fn server_says(kind: MessageType, id: u16, token: &[u8], number: Option<u32>, text: &str) -> Vec<u8> {
    let mut packet = Packet::new();
    packet.header.set_type(kind);
    packet.header.code = MessageClass::Response(ResponseType::Content);
    packet.header.message_id = id;
    packet.set_token(token.to_vec());
    if let Some(number) = number {
        packet.set_observe_value(number);
    }
    packet.add_option(CoapOption::MaxAge, vec![30]);
    packet.payload = text.as_bytes().to_vec();
    packet.to_bytes().unwrap()
}

/// Encodes a request with Observe and sees what coap-lite reads: its message id and token.
fn register(endpoint: &mut Endpoint, now: Millis, opening: Opening, value: u32) -> (u16, Vec<u8>) {
    let mut bytes = [0; 64];
    let mut request = opening.encode(&mut bytes, Code::GET);
    request.uint(option::OBSERVE, value).path("offer");
    let len = request.finish(b"").unwrap();
    assert_eq!(endpoint.poll(now), Step::Send);
    let packet = Packet::from_bytes(&bytes[..len]).unwrap();
    assert_eq!(packet.get_observe_value().unwrap().unwrap(), value);
    (packet.header.message_id, packet.get_token().to_vec())
}

fn response<'a>(endpoint: &mut Endpoint, now: Millis, datagram: &'a [u8]) -> Message<'a> {
    match endpoint.on_datagram(now, datagram).event {
        Event::Response(message) => message,
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_observation_lives_is_renewed_and_ends() {
    let (mut rng, start) = (Rng::new(4), Millis(77_000));
    let mut endpoint = Endpoint::new(ExchangeConfig::default(), &mut rng);
    let opening = endpoint.begin(start, true, &mut rng).unwrap();
    let token = opening.token();
    let (id, bytes) = register(&mut endpoint, start, opening, REGISTER);
    assert_eq!(bytes, token.0);
    let answer = server_says(MessageType::Acknowledgement, id, &bytes, Some(100), "1.0");
    let mut observation = Observation::begin(start, &response(&mut endpoint, start, &answer), &mut rng).unwrap();
    endpoint.watch(token);

    // Two notifications change places on the way; the older one is confirmable and acknowledged all the same.
    let mut hear = |endpoint: &mut Endpoint, now, kind, id, number| {
        let datagram = server_says(kind, id, &bytes, Some(number), "2.0");
        let incoming = endpoint.on_datagram(now, &datagram);
        let notice = match incoming.event {
            Event::Notification(message) => Some(observation.on_notification(now, &message, &mut rng)),
            _ => None,
        };
        (notice, incoming.reply.is_some(), observation.next_deadline())
    };
    let now = start.after(20_000);
    let (notice, _, until) = hear(&mut endpoint, now, MessageType::NonConfirmable, 2, 102);
    assert_eq!(notice, Some(Notice::Fresh));
    assert!((35_000..45_000).contains(&until.since(now)), "Max-Age 30 s and a random grace");
    assert_eq!(hear(&mut endpoint, now, MessageType::Confirmable, 1, 101), (Some(Notice::Stale), true, until));
    assert_eq!(hear(&mut endpoint, now, MessageType::Confirmable, 1, 101), (None, true, until));

    // Silence beyond Max-Age: renewed under the same token; the numbers may begin anew.
    let opening = endpoint.begin_as(until, true, token, &mut rng).unwrap();
    let (id, again) = register(&mut endpoint, until, opening, REGISTER);
    assert_eq!(again, bytes);
    let answer = server_says(MessageType::Acknowledgement, id, &bytes, Some(5), "2.0");
    assert!(Observation::begin(until, &response(&mut endpoint, until, &answer), &mut rng).is_some());

    // Ended in words, or by the reset of the next notification.
    let opening = endpoint.begin_as(until, true, token, &mut rng).unwrap();
    let (id, _) = register(&mut endpoint, until, opening, DEREGISTER);
    endpoint.unwatch();
    let answer = server_says(MessageType::Acknowledgement, id, &bytes, None, "2.0");
    assert_eq!(Observation::begin(until, &response(&mut endpoint, until, &answer), &mut rng), None);
    let late = server_says(MessageType::Confirmable, 9, &bytes, Some(6), "3.0");
    let incoming = endpoint.on_datagram(until, &late);
    assert_eq!((incoming.reply, incoming.event), (Some([0x70, 0, 0, 9]), Event::Nothing));
}

/// A server that lost its memory: the renewal is reset, and the observation with it.
#[test]
fn a_reset_renewal_ends_it() {
    let (mut rng, now) = (Rng::new(9), Millis(1));
    let mut endpoint = Endpoint::new(ExchangeConfig::default(), &mut rng);
    let opening = endpoint.begin(now, true, &mut rng).unwrap();
    let (id, _) = register(&mut endpoint, now, opening, REGISTER);
    let [high, low] = id.to_be_bytes();
    assert_eq!(endpoint.on_datagram(now, &[0x70, 0, high, low]).event, Event::Failed(Failure::Reset));
    assert_eq!(endpoint.poll(now), Step::Idle);
}
