//! Two links in one device.

use crate::{Failure, Opened, Request, Source, SourceError};

/// Two sources as one: an object comes from the first if that does not refuse its locator, else from the second.
///
/// So an update may begin over one link and end over the other, when its offer comes again with another locator. Only one
/// of the two is ever open.
///
/// # Examples
/// ```
/// # use ota_download::{CoapSource, Connect, ConnectUdp, Either, HttpSource, Source};
/// # fn links<C: Connect, U: ConnectUdp, T: ota_hal::Timer, E: ota_hal::Entropy>() {
/// type Links<'s, C, U, T, E> = Either<CoapSource<'s, U, T, E>, HttpSource<'s, C>>;
/// assert_eq!(Links::<C, U, T, E>::refuses("http://host/fw"), None);
/// assert_eq!(Links::<C, U, T, E>::refuses("coap://host/fw"), None);
/// assert!(Links::<C, U, T, E>::refuses("ftp://host/fw").is_some());
/// # }
/// ```
#[derive(Debug)]
pub struct Either<A, B> {
    first: A,
    second: B,
    open: Side,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    First,
    Second,
}

/// Which of the two sources failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EitherError<A, B> {
    /// The first.
    First(A),
    /// The second.
    Second(B),
}

impl<A: SourceError, B: SourceError> SourceError for EitherError<A, B> {
    fn failure(&self) -> Failure {
        match self {
            Self::First(error) => error.failure(),
            Self::Second(error) => error.failure(),
        }
    }
    fn text(&self) -> &'static str {
        match self {
            Self::First(error) => error.text(),
            Self::Second(error) => error.text(),
        }
    }
}

impl<A: Source, B: Source> Either<A, B> {
    /// Both are closed at first.
    pub const fn new(first: A, second: B) -> Self {
        Self { first, second, open: Side::First }
    }
}

impl<A: Source, B: Source> Source for Either<A, B> {
    type Error = EitherError<A::Error, B::Error>;

    /// The second's reason, when both refuse.
    fn refuses(locator: &str) -> Option<&'static str> {
        A::refuses(locator).and_then(|_| B::refuses(locator))
    }

    async fn open(&mut self, request: Request<'_>) -> Result<Opened, Self::Error> {
        self.close().await;
        if A::refuses(request.locator).is_none() {
            self.open = Side::First;
            return self.first.open(request).await.map_err(EitherError::First);
        }
        self.open = Side::Second;
        self.second.open(request).await.map_err(EitherError::Second)
    }

    async fn read(&mut self, bytes: &mut [u8]) -> Result<usize, Self::Error> {
        match self.open {
            Side::First => self.first.read(bytes).await.map_err(EitherError::First),
            Side::Second => self.second.read(bytes).await.map_err(EitherError::Second),
        }
    }

    async fn close(&mut self) {
        match self.open {
            Side::First => self.first.close().await,
            Side::Second => self.second.close().await,
        }
    }
}
