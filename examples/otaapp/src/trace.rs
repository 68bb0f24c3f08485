//! Tells which bytes of an object came in, so that an observer can count those that came twice.

use ota_download::{Opened, Request, Source};

/// A source whose deliveries are told: offset and length of each read, before its bytes are handed on. What an observer
/// has heard when the power is cut is never less than what was received, but for the one read it struck.
#[derive(Debug)]
pub struct Traced<S, N> {
    source: S,
    note: N,
    offset: u32,
}

impl<S, N: FnMut(u32, usize)> Traced<S, N> {
    /// Tells `note` what `source` delivers.
    pub const fn new(source: S, note: N) -> Self {
        Self { source, note, offset: 0 }
    }
}

impl<S: Source, N: FnMut(u32, usize)> Source for Traced<S, N> {
    type Error = S::Error;

    fn refuses(locator: &str) -> Option<&'static str> {
        S::refuses(locator)
    }
    async fn open(&mut self, request: Request<'_>) -> Result<Opened, S::Error> {
        let opened = self.source.open(request).await?;
        self.offset = opened.offset;
        Ok(opened)
    }
    async fn read(&mut self, bytes: &mut [u8]) -> Result<usize, S::Error> {
        let len = self.source.read(bytes).await?;
        if len > 0 {
            (self.note)(self.offset, len);
        }
        self.offset = self.offset.saturating_add(u32::try_from(len).unwrap_or(u32::MAX));
        Ok(len)
    }
    async fn close(&mut self) {
        self.source.close().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::convert::Infallible;
    use core::future::Future;
    use core::pin::pin;
    use core::task::{Context, Poll, Waker};
    use ota_download::{Failure, SourceError, Validator};
    use std::vec::Vec;

    #[derive(Debug)]
    struct Never(Infallible);
    impl SourceError for Never {
        fn failure(&self) -> Failure {
            match self.0 {}
        }
        fn text(&self) -> &'static str {
            match self.0 {}
        }
    }

    /// An object of 25 bytes.
    struct Object(usize);
    impl Source for Object {
        type Error = Never;
        async fn open(&mut self, request: Request<'_>) -> Result<Opened, Never> {
            self.0 = 25 - request.offset as usize;
            Ok(Opened { offset: request.offset, total: None, validator: Validator::new() })
        }
        async fn read(&mut self, bytes: &mut [u8]) -> Result<usize, Never> {
            let len = self.0.min(bytes.len());
            self.0 -= len;
            Ok(len)
        }
        async fn close(&mut self) {}
    }

    fn now<F: Future>(future: F) -> F::Output {
        match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(output) => output,
            Poll::Pending => unreachable!("the object waits for nobody"),
        }
    }

    #[test]
    fn each_read_is_told_where_it_lies_and_the_end_is_not() {
        let mut told = Vec::new();
        let mut source = Traced::new(Object(0), |offset, len| told.push((offset, len)));
        for offset in [0, 16] {
            let request = Request { locator: "x", offset, end: None, validator: &[] };
            now(source.open(request)).unwrap();
            while now(source.read(&mut [0; 10])).unwrap() > 0 {}
        }
        assert_eq!(told, [(0, 10), (10, 10), (20, 5), (16, 9)]);
    }
}
