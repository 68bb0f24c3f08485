//! A messaging link without connections, of which people are told when somebody answers there.

use super::Console;
use ota_transport::{Event, Report, Transport};

/// What the other side did with the last report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Said {
    Nothing,
    Taken,
    Refused,
}

/// A link, and what came of it so far.
pub(super) struct Told<T, C> {
    link: T,
    console: C,
    said: Said,
    taken: bool,
}

impl<T: Transport, C: Console> Told<T, C> {
    pub(super) const fn new(link: T, console: C) -> Self {
        Self { link, console, said: Said::Nothing, taken: false }
    }

    /// Whether a report was ever taken.
    pub(super) const fn is_taken(&self) -> bool {
        self.taken
    }

    /// Says so when that is another thing than before.
    fn say(&mut self, said: Said, text: &str) {
        self.taken |= said == Said::Taken;
        if core::mem::replace(&mut self.said, said) != said {
            self.console.line(&[text]);
        }
    }
}

impl<T: Transport, C: Console> Transport for Told<T, C> {
    type Error = T::Error;

    async fn recv<'b>(&mut self, buf: &'b mut [u8]) -> Result<Event<'b>, Self::Error> {
        self.link.recv(buf).await
    }

    async fn send(&mut self, report: &Report<'_>) -> Result<(), Self::Error> {
        let sent = self.link.send(report).await;
        match &sent {
            Ok(()) => self.say(Said::Taken, "coap: connected"),
            // It is there, and the report is done with.
            Err(e) if self.link.is_permanent(e) => self.say(Said::Taken, "coap: connected"),
            // It is there, and did not take the report.
            Err(e) if self.link.retry_after_ms(e).is_some() => self.say(Said::Refused, "coap: refused"),
            Err(_) => {}
        }
        sent
    }

    fn is_permanent(&self, error: &Self::Error) -> bool {
        self.link.is_permanent(error)
    }

    fn retry_after_ms(&self, error: &Self::Error) -> Option<u32> {
        self.link.retry_after_ms(error)
    }
}
