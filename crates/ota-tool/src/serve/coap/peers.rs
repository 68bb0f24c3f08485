//! What is kept of each peer: its last answers, and a report on its way in blocks. Bounded in every direction.

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use tokio::time::{Duration, Instant};

/// Peers that are remembered; of more, the one that was silent longest is forgotten.
const PEERS_MAX: usize = 1_024;
/// Answers that are remembered of each: a client has one request open.
const ANSWERS_MAX: usize = 16;
/// How long a message id stands for the same message: EXCHANGE_LIFETIME.
const LIFETIME: Duration = Duration::from_secs(247);
/// How long blocks may wait for a limited rate.
const WAIT_MAX: Duration = Duration::from_secs(10);
/// Largest report.
pub(super) const REPORT_MAX: usize = 4_096;

/// Whether a message came before.
pub(super) enum Again {
    No,
    /// It did, and its answer is on its way.
    Waits,
    /// It did, and this is the answer.
    Answered(Vec<u8>),
}

/// The peers.
#[derive(Default)]
pub(super) struct Peers(HashMap<SocketAddr, Peer>);

struct Peer {
    heard: Instant,
    /// Message id, answer, when it is sent.
    answers: VecDeque<(u16, Vec<u8>, Instant)>,
    /// Path and first bytes of a report.
    partial: Option<(Vec<String>, Vec<u8>)>,
    /// When its next block may leave.
    next: Instant,
}

impl Peers {
    fn peer(&mut self, peer: SocketAddr, now: Instant) -> &mut Peer {
        if self.0.len() >= PEERS_MAX && !self.0.contains_key(&peer) {
            let oldest = self.0.iter().min_by_key(|(_, peer)| peer.heard).map(|(address, _)| *address);
            oldest.and_then(|address| self.0.remove(&address));
        }
        let fresh = || Peer { heard: now, answers: VecDeque::new(), partial: None, next: now };
        self.0.entry(peer).or_insert_with(fresh)
    }

    /// Whether this message came before (RFC 7252 §4.5).
    pub(super) fn again(&mut self, peer: SocketAddr, id: u16, now: Instant) -> Again {
        let peer = self.peer(peer, now);
        peer.heard = now;
        peer.answers.retain(|(_, _, at)| now.saturating_duration_since(*at) < LIFETIME);
        match peer.answers.iter().find(|(known, ..)| *known == id) {
            None => Again::No,
            Some((_, _, at)) if *at > now => Again::Waits,
            Some((_, bytes, _)) => Again::Answered(bytes.clone()),
        }
    }

    /// Keeps an answer that is sent at `at`.
    pub(super) fn remember(&mut self, peer: SocketAddr, id: u16, bytes: Vec<u8>, at: Instant) {
        let answers = &mut self.peer(peer, at).answers;
        if answers.len() >= ANSWERS_MAX {
            answers.pop_front();
        }
        answers.push_back((id, bytes, at));
    }

    /// When so many bytes of a file may leave; `None` for at once. An error when too many wait already: a client that goes by
    /// the rules asks for one block at a time, or for a few.
    pub(super) fn pace(
        &mut self,
        peer: SocketAddr,
        bytes: usize,
        kib_per_s: Option<u32>,
        now: Instant,
    ) -> Result<Option<Instant>, TooMany> {
        let Some(rate) = kib_per_s.filter(|_| bytes > 0).map(|kib| f64::from(kib) * 1024.0) else { return Ok(None) };
        let peer = self.peer(peer, now);
        if peer.next > now + WAIT_MAX {
            return Err(TooMany);
        }
        let at = peer.next.max(now) + Duration::from_secs_f64(bytes as f64 / rate);
        peer.next = at;
        Ok(Some(at))
    }

    /// Takes a block of a report: all of it when this was the last; an error when a block before it is missing, or it is
    /// too large.
    pub(super) fn assemble(
        &mut self,
        peer: SocketAddr,
        path: &[String],
        (offset, more): (usize, bool),
        part: &[u8],
    ) -> Result<Option<Vec<u8>>, Missing> {
        let peer = self.peer(peer, Instant::now());
        let (known, mut body) = match peer.partial.take() {
            Some(partial) if offset > 0 => partial,
            _ => (path.to_vec(), Vec::new()),
        };
        if known != path || body.len() != offset {
            return Err(Missing::Block);
        }
        if body.len() + part.len() > REPORT_MAX {
            return Err(Missing::Room);
        }
        body.extend(part);
        if more {
            peer.partial = Some((known, body));
            return Ok(None);
        }
        Ok(Some(body))
    }
}

/// Too many blocks of this peer wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TooMany;

/// Why a block was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Missing {
    /// One before it never came.
    Block,
    /// The report is too large.
    Room,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(n: u16) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], n))
    }

    #[test]
    fn a_message_is_acted_upon_once_and_its_answer_repeated() {
        let (mut peers, now) = (Peers::default(), Instant::now());
        assert!(matches!(peers.again(address(1), 7, now), Again::No));
        peers.remember(address(1), 7, vec![1], now);
        assert!(matches!(peers.again(address(1), 7, now), Again::Answered(bytes) if bytes == [1]));
        assert!(matches!(peers.again(address(2), 7, now), Again::No), "another peer's id is another message");
        assert!(matches!(peers.again(address(1), 7, now + LIFETIME), Again::No));
        peers.remember(address(1), 8, vec![2], now + Duration::from_secs(1));
        assert!(matches!(peers.again(address(1), 8, now), Again::Waits));
    }

    #[test]
    fn what_is_kept_has_a_bound() {
        let (mut peers, now) = (Peers::default(), Instant::now());
        for n in 0..5_000_u16 {
            let at = now + Duration::from_millis(n.into());
            assert!(matches!(peers.again(address(n), 1, at), Again::No));
            for id in 0..40 {
                peers.remember(address(n), id, vec![], at);
            }
        }
        assert_eq!(peers.0.len(), PEERS_MAX);
        assert!(peers.0.values().all(|peer| peer.answers.len() == ANSWERS_MAX));
        assert!(peers.0.contains_key(&address(4_999)) && !peers.0.contains_key(&address(0)));
    }

    #[test]
    fn blocks_of_a_report_must_follow_each_other() {
        let (mut peers, path) = (Peers::default(), ["ota".to_owned()]);
        let mut put = |offset, more, part: &[u8]| peers.assemble(address(1), &path, (offset, more), part);
        assert_eq!(put(0, true, b"ab"), Ok(None));
        assert_eq!(put(2, false, b"c"), Ok(Some(b"abc".to_vec())));
        assert_eq!(put(2, false, b"c"), Err(Missing::Block), "it was taken already");
        assert_eq!(put(0, true, b"ab"), Ok(None));
        assert_eq!(put(0, true, b"xy"), Ok(None), "it begins anew");
        assert_eq!(put(2, false, b"z"), Ok(Some(b"xyz".to_vec())));
        assert_eq!(put(0, true, &[0; REPORT_MAX]), Ok(None));
        assert_eq!(put(REPORT_MAX, false, b"z"), Err(Missing::Room));
    }

    #[test]
    fn the_rate_holds_blocks_back() {
        let (mut peers, now) = (Peers::default(), Instant::now());
        assert_eq!(peers.pace(address(1), 1_024, None, now), Ok(None));
        assert_eq!(peers.pace(address(1), 0, Some(1), now), Ok(None), "reports are not held back");
        assert_eq!(peers.pace(address(1), 1_024, Some(2), now), Ok(Some(now + Duration::from_millis(500))));
        assert_eq!(peers.pace(address(1), 1_024, Some(2), now), Ok(Some(now + Duration::from_millis(1_000))));
        let more = (0..1_000).filter(|_| peers.pace(address(1), 1_024, Some(2), now).is_ok()).count();
        assert_eq!(more, 19, "10 s of them");
    }
}
