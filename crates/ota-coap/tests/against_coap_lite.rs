//! Our codec against coap-lite's, in both directions. coap-lite is laxer: it takes any version, a payload marker without
//! payload, and codes that cannot be carried; everything else must agree.

use coap_lite::block_handler::BlockValue;
use coap_lite::{CoapOption, MessageClass, MessageType, Packet};
use ota_coap::{Block, Code, Encoder, Fault, Kind, Message, Szx, option};
use ota_testkit::Rng;

const ROUNDS: u32 = 20_000;

/// Numbers and values in ascending order.
type Options = Vec<(u16, Vec<u8>)>;

struct Random {
    kind: Kind,
    code: Code,
    id: u16,
    token: Vec<u8>,
    options: Options,
    payload: Vec<u8>,
}

fn random(rng: &mut Rng) -> Random {
    let kinds = [Kind::Confirmable, Kind::NonConfirmable, Kind::Acknowledgement];
    let kind = kinds[rng.below(3) as usize];
    let code = match kind {
        Kind::Acknowledgement => [Code::CONTENT, Code::CONTINUE, Code::NOT_FOUND][rng.below(3) as usize],
        _ => [Code::GET, Code::POST, Code::CONTENT, Code::UNAVAILABLE][rng.below(4) as usize],
    };
    let token_len = rng.below(9) as usize;
    let token = rng.bytes(token_len);
    let mut number = 0;
    let mut options = Options::new();
    for _ in 0..rng.below(8) {
        number += [0, 1, 3, 12, 13, 200, 268, 269, 2_000][rng.below(9) as usize];
        let len = [0, 1, 2, 3, 4, 8, 12, 13, 40, 255, 268, 269, 300][rng.below(13) as usize];
        // Where we are strict about lengths, take one that is right for all.
        let len = if number <= option::SIZE1 { len % 2 } else { len };
        let len = match number {
            option::URI_HOST | option::ETAG => 1,
            option::IF_NONE_MATCH => 0,
            _ => len,
        };
        options.push((number, rng.bytes(len)));
    }
    let payload_len = rng.below(3) * rng.below(200);
    Random { kind, code, id: rng.next_u64() as u16, token, options, payload: rng.bytes(payload_len as usize) }
}

fn ours(message: &Random) -> Vec<u8> {
    let mut bytes = vec![0; 4_096];
    let mut encoder = Encoder::new(&mut bytes, message.kind, message.code, message.id, &message.token);
    for (number, value) in &message.options {
        encoder.option(*number, value);
    }
    let len = encoder.finish(&message.payload).unwrap();
    bytes.truncate(len);
    bytes
}

fn theirs(message: &Random) -> Vec<u8> {
    let mut packet = Packet::new();
    packet.header.set_version(1);
    packet.header.set_type(match message.kind {
        Kind::Confirmable => MessageType::Confirmable,
        Kind::NonConfirmable => MessageType::NonConfirmable,
        Kind::Acknowledgement => MessageType::Acknowledgement,
        Kind::Reset => MessageType::Reset,
    });
    packet.header.code = MessageClass::from(message.code.0);
    packet.header.message_id = message.id;
    packet.set_token(message.token.clone());
    for (number, value) in &message.options {
        packet.add_option(CoapOption::from(*number), value.clone());
    }
    packet.payload = message.payload.clone();
    packet.to_bytes_unlimited().unwrap()
}

fn options_of(packet: &Packet) -> Options {
    packet.options().flat_map(|(number, values)| values.iter().map(|value| (*number, value.clone()))).collect()
}

fn assert_same(message: &Message<'_>, packet: &Packet, seed: u64) {
    let ours: Options = message.options().map(|(number, value)| (number, value.to_vec())).collect();
    assert_eq!(ours, options_of(packet), "seed {seed}");
    assert_eq!(message.code.0, u8::from(packet.header.code), "seed {seed}");
    assert_eq!((message.kind as u8, message.id), (packet.header.get_type() as u8, packet.header.message_id));
    assert_eq!((message.token, message.payload), (packet.get_token(), &packet.payload[..]), "seed {seed}");
}

#[test]
fn what_one_writes_the_other_reads() {
    for seed in 0..u64::from(ROUNDS) {
        let message = random(&mut Rng::new(seed));
        let bytes = ours(&message);
        assert_eq!(bytes, theirs(&message), "seed {seed}");
        let decoded = Message::decode(&bytes).unwrap();
        assert_same(&decoded, &Packet::from_bytes(&bytes).unwrap(), seed);
        assert_eq!(decoded.options().map(|(n, v)| (n, v.to_vec())).collect::<Options>(), message.options);
        assert_eq!((decoded.token, decoded.payload), (&message.token[..], &message.payload[..]));
    }
}

#[test]
fn damaged_messages_mean_the_same_to_both_or_are_refused_by_both() {
    let mut refused = 0;
    for seed in 0..u64::from(ROUNDS) {
        let mut rng = Rng::new(seed);
        let mut bytes = ours(&random(&mut rng));
        for _ in 0..=rng.below(3) {
            let at = rng.below(bytes.len() as u32) as usize;
            bytes[at] = rng.byte();
        }
        if rng.one_in(3) {
            bytes.truncate(rng.below(bytes.len() as u32 + 1) as usize);
        }
        match (Message::decode(&bytes), Packet::from_bytes(&bytes)) {
            (Ok(message), Ok(packet)) => assert_same(&message, &packet, seed),
            (Err(malformed), Ok(_)) => {
                let stricter = [Fault::Version, Fault::Code, Fault::NotEmpty, Fault::NoPayload];
                assert!(stricter.contains(&malformed.fault), "seed {seed}: {malformed:?}");
                refused += 1;
            }
            (Err(_), Err(_)) => refused += 1,
            (Ok(_), Err(error)) => panic!("seed {seed}: only coap-lite refuses: {error}"),
        }
    }
    assert!((ROUNDS / 10..ROUNDS).contains(&refused), "{refused}");
}

/// Up to number 4,095: coap-lite keeps the option in 16 bits.
#[test]
fn block_options_agree() {
    for number in 0..4_096 {
        for exponent in 0..7 {
            let block = Block { number, more: number % 2 == 1, szx: Szx::new(exponent).unwrap() };
            let size = block.szx.bytes() as usize;
            let theirs = BlockValue::new(number as usize, block.more, size).unwrap();
            let bytes: Vec<u8> = theirs.into();
            assert_eq!(Block::decode(&bytes), Some(block));
            let back = BlockValue::try_from(block.encode().to_be_bytes()[2..].to_vec()).unwrap();
            assert_eq!((u32::from(back.num), back.more, back.size()), (number, block.more, size));
        }
    }
}
