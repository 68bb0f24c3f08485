use super::*;

fn name(device: &str) -> DeviceName {
    DeviceName::new("pk", device).unwrap()
}
fn reply(text: &str) -> Reply {
    Reply::document(text.as_bytes().to_vec(), None).unwrap()
}
fn peer(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}
fn asker(port: u16, token: &[u8]) -> Asker<'_> {
    Asker { peer: peer(port), token, szx: None }
}
fn whom(sent: &[(SocketAddr, Vec<u8>)]) -> Vec<u16> {
    sent.iter().map(|(to, _)| to.port()).collect()
}
/// What a notification says, its message id and its number.
fn told((_, bytes): &Sent) -> (String, u16, u32) {
    let packet = Packet::from_bytes(bytes).unwrap();
    let number = packet.get_observe_value().unwrap().unwrap();
    (String::from_utf8(packet.payload).unwrap(), packet.header.message_id, number)
}

#[test]
fn news_are_sent_until_confirmed_and_the_same_is_no_news() {
    let (mut observers, mut ids, now) = (Observers::default(), Ids(0), Instant::now());
    assert_eq!(observers.news(&name("a"), |_| reply("x"), &mut ids, now), [], "nobody observes");
    assert_eq!(observers.register(&name("a"), asker(1, b"tok"), &reply("x"), now), Some(1));
    assert_eq!(observers.news(&name("a"), |_| reply("x"), &mut ids, now), []);
    let (to, bytes) = observers.news(&name("a"), |_| reply("y"), &mut ids, now).remove(0);
    let packet = Packet::from_bytes(&bytes).unwrap();
    assert_eq!((to, packet.get_token(), &packet.payload[..]), (peer(1), &b"tok"[..], &b"y"[..]));
    assert_eq!((packet.get_observe_value(), packet.header.message_id), (Some(Ok(2)), 1));
    assert_eq!(observers.due(&mut ids, now), []);
    let at = observers.next_at().unwrap();
    assert_eq!(observers.due(&mut ids, at), [(peer(1), bytes)]);
    assert_eq!(observers.on_acknowledged(peer(9), 1, &mut ids, now), None);
    assert!(observers.next_at().is_some(), "another peer's word does not count");
    assert_eq!(observers.on_acknowledged(peer(1), 1, &mut ids, now), None);
    assert!(observers.next_at().is_none() && observers.holds(&name("a")));
}

#[test]
fn who_resets_or_never_confirms_is_gone() {
    let (mut observers, mut ids, now) = (Observers::default(), Ids(0), Instant::now());
    observers.register(&name("a"), asker(2, b"2"), &reply("x"), now);
    let mut sent = observers.news(&name("a"), |_| reply("y"), &mut ids, now).len() as u32;
    while let Some(at) = observers.next_at() {
        sent += observers.due(&mut ids, at).len() as u32;
    }
    assert_eq!((sent, observers.holds(&name("a"))), (1 + RETRANSMIT_MAX, false));
    observers.register(&name("b"), asker(3, b"3"), &reply("x"), now);
    observers.news(&name("b"), |_| reply("y"), &mut ids, now);
    observers.on_reset(peer(3), 2);
    assert!(!observers.holds(&name("b")));
    observers.register(&name("b"), asker(3, b"3"), &reply("x"), now);
    observers.deregister(&name("b"), peer(4), b"3");
    observers.deregister(&name("b"), peer(3), b"another");
    assert!(observers.holds(&name("b")));
    observers.deregister(&name("b"), peer(3), b"3");
    assert!(!observers.holds(&name("b")));
}

#[test]
fn many_changes_make_one_datagram_until_it_is_confirmed() {
    let (mut observers, mut ids, now) = (Observers::default(), Ids(0), Instant::now());
    observers.register(&name("a"), asker(1, b"t"), &reply("x"), now);
    let texts = (0..100).map(|n| format!("state {n}"));
    let sent: Vec<_> = texts.flat_map(|text| observers.news(&name("a"), |_| reply(&text), &mut ids, now)).collect();
    assert_eq!(sent.iter().map(told).collect::<Vec<_>>(), [("state 0".to_owned(), 1, 2)]);
    let then = observers.on_acknowledged(peer(1), 1, &mut ids, now).unwrap();
    assert_eq!(told(&then), ("state 99".to_owned(), 2, 3));
    assert_eq!(observers.on_acknowledged(peer(1), 1, &mut ids, now), None, "an old confirmation");
    assert!(observers.next_at().is_some());
    // It changed, and changed back: the observer has what there is.
    assert_eq!(observers.news(&name("a"), |_| reply("y"), &mut ids, now), []);
    assert_eq!(observers.news(&name("a"), |_| reply("state 99"), &mut ids, now), []);
    assert_eq!(observers.on_acknowledged(peer(1), 2, &mut ids, now), None);
    assert!(observers.next_at().is_none());
}

#[test]
fn who_never_confirms_is_given_up_although_there_are_always_news() {
    let (mut observers, mut ids, now) = (Observers::default(), Ids(0), Instant::now());
    observers.register(&name("a"), asker(1, b"t"), &reply("x"), now);
    let (mut sent, mut waits, mut last) = (Vec::new(), Vec::new(), now);
    let mut state = 0..100;
    let mut change = |observers: &mut Observers, ids: &mut Ids, at| {
        let text = format!("state {}", state.next().expect("it is given up"));
        observers.news(&name("a"), |_| reply(&text), ids, at)
    };
    sent.extend(change(&mut observers, &mut ids, now));
    while let Some(at) = observers.next_at() {
        waits.push((at - last).as_millis());
        last = at;
        sent.extend(change(&mut observers, &mut ids, at));
        sent.extend(observers.due(&mut ids, at));
    }
    let told: Vec<_> = sent.iter().map(told).collect();
    let wanted = (0..=RETRANSMIT_MAX).map(|n| (format!("state {n}"), n as u16 + 1, n + 2));
    assert_eq!(told, wanted.collect::<Vec<_>>(), "each time the newest, as a message of its own");
    assert_eq!(waits, [2_500, 5_000, 10_000, 20_000, 40_000]);
    assert!(!observers.holds(&name("a")));
}

#[test]
fn another_endpoint_takes_nobody_s_place_until_there_are_too_many() {
    let (mut observers, mut ids, now) = (Observers::default(), Ids(0), Instant::now());
    for port in 1..=EACH_MAX as u16 {
        observers.register(&name("a"), asker(port, b"t"), &reply("x"), now);
    }
    observers.register(&name("a"), asker(1, b"u"), &reply("x"), now);
    assert_eq!(whom(&observers.news(&name("a"), |_| reply("y"), &mut ids, now)), [2, 3, 4, 1]);
    assert!(observers.is(&name("a"), peer(1), b"u") && !observers.is(&name("a"), peer(1), b"t"));
    for id in 1..=4 {
        for port in 1..=4 {
            observers.on_acknowledged(peer(port), id, &mut ids, now);
        }
    }
    observers.register(&name("a"), asker(9, b"t"), &reply("y"), now);
    assert_eq!(whom(&observers.news(&name("a"), |_| reply("z"), &mut ids, now)), [3, 4, 1, 9], "the oldest is gone");
}

#[test]
fn an_observation_that_is_not_renewed_ends() {
    let (mut observers, mut ids, now) = (Observers::default(), Ids(0), Instant::now());
    for n in 0..DEVICES_MAX {
        observers.register(&name(&n.to_string()), asker(1, b"t"), &reply("x"), now);
    }
    let later = now + LIFETIME / 2;
    assert_eq!(observers.register(&name("new"), asker(2, b"t"), &reply("x"), later), None);
    assert!(observers.register(&name("7"), asker(1, b"t"), &reply("x"), later).is_some(), "it is renewed");
    let end = now + LIFETIME;
    assert_eq!(observers.news(&name("8"), |_| reply("y"), &mut ids, end), []);
    assert!(observers.register(&name("new"), asker(2, b"t"), &reply("x"), end).is_some());
    assert_eq!(observers.names(), [name("7"), name("new")]);
    assert_eq!((observers.due(&mut ids, later + LIFETIME), observers.names()), (vec![], vec![name("new")]));
}
