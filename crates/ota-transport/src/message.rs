//! What is said between device and cloud, whatever the dialect.

/// What an offer or a report is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Component<'a> {
    /// 0 for the device itself; n for the n-th sub-device the dialect was told of.
    pub device: u8,
    /// Module name; empty for the firmware (Linkkit calls it `default`).
    pub module: &'a str,
}

/// A checksum the other side announced for the whole object. Guards against transport errors; proves nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Checksum {
    /// SHA-256.
    Sha256([u8; 32]),
    /// MD5.
    Md5([u8; 16]),
}

/// Where the object is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Locator<'a> {
    /// A URL, unchecked.
    Url(&'a str),
    /// A stream of the messaging link itself (Linkkit `dProtocol: mqtt`).
    Stream {
        /// Stream id.
        stream: u32,
        /// File id within the stream.
        file: u32,
    },
}

/// An update somebody offers. Borrowed from the message it came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Offer<'a> {
    /// For whom.
    pub component: Component<'a>,
    /// Version text, 1 to 64 bytes.
    pub version: &'a str,
    /// Size of the object in bytes, if said.
    pub size: Option<u32>,
    /// Where it is.
    pub locator: Locator<'a>,
    /// Its checksum, if said.
    pub checksum: Option<Checksum>,
    /// The cloud's RSA signature over the object's SHA-256 digest (`digestsign`), raw bytes; empty if absent.
    pub cloud_signature: &'a [u8],
    /// The other side says it is a delta.
    pub delta: bool,
}

/// Why a message was not an offer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum OfferError {
    /// Not well-formed (JSON, UTF-8).
    Malformed,
    /// Well-formed, but the other side reports an error instead of an offer.
    Refused,
    /// A field is missing; its name.
    Missing(&'static str),
    /// A field has the wrong type, form or length; its name.
    Invalid(&'static str),
    /// The message is larger than the buffer it must fit.
    TooLarge,
}

/// What came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event<'a> {
    /// An update is offered.
    Offer(Offer<'a>),
    /// The other side was asked and has nothing.
    NoUpdate,
    /// The other side calls off the job.
    Cancel,
    /// A message that was meant for us and could not be understood. Reported, never fatal.
    Bad(OfferError),
}

/// At which step an update failed. The Linkkit code is the negative number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum FailStage {
    /// Refused, rolled back, or internal: -1.
    Upgrade = 1,
    /// Could not be fetched: -2.
    Download = 2,
    /// Digest, signature, identity or counter: -3.
    Verify = 3,
    /// Could not be written: -4.
    Burn = 4,
}

/// What the device has to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Report<'a> {
    /// This version runs. It both enables offers and proves success.
    Version {
        /// Whose.
        component: Component<'a>,
        /// Version text.
        version: &'a str,
    },
    /// Download and installation, 0 to 100 percent.
    Progress {
        /// Whose.
        component: Component<'a>,
        /// 0..=100.
        percent: u8,
    },
    /// The job ended without the new version.
    Failed {
        /// Whose.
        component: Component<'a>,
        /// At which step.
        stage: FailStage,
        /// Why, for people.
        text: &'a str,
    },
    /// Is there an update? (Linkkit `thing/ota/firmware/get`.)
    Query {
        /// For whom.
        component: Component<'a>,
    },
    /// A tag of the device (Linkkit `deviceinfo/update`).
    Tag {
        /// Name.
        key: &'a str,
        /// Value.
        value: &'a str,
    },
}

/// The messaging link: offers in, reports out. Deadlines are the caller's.
pub trait Transport {
    /// Why the link failed. The agent retries on the next connection.
    type Error: core::fmt::Debug;

    /// The next message meant for the agent; `buf` holds what the event borrows.
    ///
    /// # Cancellation
    /// Cancel-safe: a dropped future loses no message.
    ///
    /// # Errors
    /// When the link is down.
    async fn recv<'b>(&mut self, buf: &'b mut [u8]) -> Result<Event<'b>, Self::Error>;

    /// Sends a report and returns when the other side has it (MQTT: QoS 1 acknowledged).
    ///
    /// # Cancellation
    /// After a drop the report may or may not arrive; sending it again is harmless.
    ///
    /// # Errors
    /// When the link is down or the report does not fit its buffer.
    async fn send(&mut self, report: &Report<'_>) -> Result<(), Self::Error>;

    /// Whether `error`, from [`Transport::send`], is about this report and will be the same whenever it is sent again,
    /// on this link and the next: it cannot be written, or never fits. The agent then drops the report.
    fn is_permanent(&self, error: &Self::Error) -> bool {
        let _ = error;
        false
    }

    /// How long the other side, which is there and answered, wants to be left alone before the report of `error` comes
    /// again, in milliseconds; `None` when the link failed, or nothing is known.
    fn retry_after_ms(&self, error: &Self::Error) -> Option<u32> {
        let _ = error;
        None
    }
}
