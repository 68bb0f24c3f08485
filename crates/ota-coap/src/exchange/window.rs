//! Several requests at a time.

use super::one::Exchange;
use super::{Busy, Endpoint, Incoming, Opening, Step};
use crate::Kind;
use ota_hal::{Entropy, Millis};

/// Up to `W` confirmable requests that are open at a time, beside the one that an [`Endpoint`] opens itself.
///
/// For a link that is long and known: RFC 7252 §4.7 allows one request at a time (NSTART 1) to who knows nothing of
/// the network. Each request keeps the timing of §4.2 on its own. Message ids, the observation and what was acknowledged
/// are the endpoint's: always the same one.
#[derive(Debug)]
pub struct Window<const W: usize> {
    exchanges: [Exchange; W],
}

impl<const W: usize> Default for Window<W> {
    fn default() -> Self {
        Self::new()
    }
}

impl<const W: usize> Window<W> {
    /// A window with nothing open.
    #[must_use]
    pub const fn new() -> Self {
        Self { exchanges: [const { Exchange::IDLE }; W] }
    }

    /// Opens a request at `place`, below `W`, which names it from now on. Then poll.
    ///
    /// # Errors
    /// [`Busy`] when one is open there, or there is no such place.
    pub fn begin(
        &mut self,
        endpoint: &mut Endpoint,
        place: usize,
        now: Millis,
        entropy: &mut dyn Entropy,
    ) -> Result<(), Busy> {
        let token = endpoint.shared.new_token(&self.exchanges, entropy);
        let exchange = self.exchanges.get_mut(place).filter(|exchange| !exchange.is_open()).ok_or(Busy)?;
        endpoint.shared.open(exchange, now, Kind::Confirmable, token, entropy);
        Ok(())
    }

    /// Forgets the request at `place`. A confirmable response that comes later is reset.
    pub fn cancel(&mut self, place: usize) {
        self.exchanges.get_mut(place).into_iter().for_each(Exchange::close);
    }

    /// The header of the request at `place`. It is written each time it is sent, so that one buffer serves all; the
    /// message must be the same each time. `None` when no request is open there.
    #[must_use]
    pub fn opening(&self, place: usize) -> Option<Opening> {
        self.exchanges.get(place).filter(|exchange| exchange.is_open()).map(Exchange::opening)
    }

    /// What to do now, and for which request; the place means nothing with [`Step::Idle`] and [`Step::Wait`].
    pub fn poll(&mut self, now: Millis) -> (usize, Step) {
        let mut earliest = (W, Step::Idle);
        for (place, exchange) in self.exchanges.iter_mut().enumerate() {
            match (exchange.poll(now), earliest.1) {
                (Step::Idle, _) => {}
                (Step::Wait(at), Step::Wait(before)) if before <= at => {}
                (Step::Wait(at), _) => earliest = (place, Step::Wait(at)),
                (step, _) => return (place, step),
            }
        }
        earliest
    }

    /// Takes a datagram from the server: which request it belongs to, if to one, and what it means. Any bytes are safe.
    pub fn on_datagram<'a>(
        &mut self,
        endpoint: &mut Endpoint,
        now: Millis,
        datagram: &'a [u8],
    ) -> (Option<usize>, Incoming<'a>) {
        let (place, incoming) = endpoint.shared.on_datagram(&mut self.exchanges, now, datagram);
        (Some(place).filter(|place| *place < W), incoming)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Code, Event, ExchangeConfig, Failure, Message};

    /// A generator that is stuck.
    struct Stuck;
    impl Entropy for Stuck {
        fn next_u32(&mut self) -> u32 {
            7
        }
    }

    /// The whole message of a request: 8 bytes.
    fn request<const W: usize>(window: &Window<W>, place: usize) -> [u8; 8] {
        let mut bytes = [0; 8];
        assert_eq!(window.opening(place).unwrap().encode(&mut bytes, Code::GET).finish(b""), Ok(8));
        bytes
    }

    #[test]
    fn each_answer_finds_its_request() {
        let mut endpoint = Endpoint::new(ExchangeConfig::default(), &mut Stuck);
        let (mut window, now) = (Window::<4>::new(), Millis(1_000));
        endpoint.watch(crate::Token(7_u32.to_be_bytes()));
        for place in [2, 0, 3, 1] {
            assert_eq!(window.begin(&mut endpoint, place, now, &mut Stuck), Ok(()));
        }
        assert_eq!(window.begin(&mut endpoint, 2, now, &mut Stuck), Err(Busy));
        assert_eq!(window.begin(&mut endpoint, 4, now, &mut Stuck), Err(Busy));
        let requests = [0, 1, 2, 3].map(|place| request(&window, place));
        // Message ids and tokens in the order of opening; the watched token is left out.
        assert_eq!(requests.map(|bytes| bytes[3]), [8, 10, 7, 9]);
        assert_eq!(requests.map(|bytes| bytes[7]), [9, 11, 8, 10]);
        for place in 0..4 {
            assert_eq!(window.poll(now), (place, Step::Send));
        }
        assert!(matches!(window.poll(now), (_, Step::Wait(at)) if at > now));

        let [first, second, third, fourth] = requests;
        let answered = |id: [u8; 8], token: [u8; 8]| [0x64, 0x45, id[2], id[3], token[4], token[5], token[6], token[7]];
        let answer = answered(third, third);
        let (place, incoming) = window.on_datagram(&mut endpoint, now, &answer);
        assert!(place == Some(2) && matches!(incoming.event, Event::Response(Message { id: 7, .. })));
        assert_eq!(window.on_datagram(&mut endpoint, now, &answer).1.event, Event::Nothing);
        let reset = [0x70, 0, second[2], second[3]];
        let (place, incoming) = window.on_datagram(&mut endpoint, now, &reset);
        assert_eq!((place, incoming.event), (Some(1), Event::Failed(Failure::Reset)));
        // An answer under the token of one request and the message id of another is nobody's.
        let mixed = answered(first, fourth);
        assert_eq!(window.on_datagram(&mut endpoint, now, &mixed).1.event, Event::Nothing);
        window.cancel(0);
        assert_eq!((window.opening(0), window.opening(1), window.opening(2)), (None, None, None));
        assert_eq!(request(&window, 3), fourth);
    }
}
