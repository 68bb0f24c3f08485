//! Fetches an http or coap URL to a file, and goes on where it stopped when it is run again.
//!
//! ```text
//! cargo run -p ota-download --example fetch -- http://127.0.0.1:8000/image.ota image.ota
//! cargo run -p ota-download --example fetch -- coap://127.0.0.1:5683/image.ota image.ota
//! ```
//! The validator of the object is kept beside the file, in `FILE.validator`, until the file is complete. For CoAP over
//! a link that is known, a third argument says how many milliseconds it waits before it sends again what was lost, and
//! `window` behind that asks for four blocks at a time.

// Written for the tests, where several programs share it.
#[allow(unreachable_pub)]
#[path = "../tests/support/socket.rs"]
mod socket;

use ota_download::{Backoff, CoapConfig, CoapSource, CoapWindow, Either, Failure, HttpConfig, HttpSource, Nal};
use ota_download::{Request, Source, SourceError, coap, http};
use ota_hal::Entropy;
use std::error::Error;
use std::fs::{self, File, OpenOptions};
use std::hash::{BuildHasher, RandomState};
use std::io::{Seek, SeekFrom, Write};
use std::path::Path;
use std::time::{Duration, Instant};
use std_embedded_nal_async::Stack;

/// How long the other side may be silent.
const SILENCE: Duration = Duration::from_secs(20);

/// Chance from the standard library's hash keys; a device has a generator in hardware.
struct Chance;
impl Entropy for Chance {
    fn next_u32(&mut self) -> u32 {
        RandomState::new().hash_one(0) as u32
    }
}

/// One try: from the end of the file on, as far as it goes.
async fn attempt(source: &mut impl Source, url: &str, path: &Path, backoff: &mut Backoff) -> Result<(), Failure> {
    let disk = |_: std::io::Error| Failure::Permanent;
    let beside = format!("{}.validator", path.display());
    let mut file = OpenOptions::new().create(true).append(true).open(path).map_err(disk)?;
    let offset = u32::try_from(file.seek(SeekFrom::End(0)).map_err(disk)?).map_err(|_| Failure::Permanent)?;
    let validator = fs::read(&beside).unwrap_or_default();
    let request = Request { locator: url, offset, end: None, validator: &validator };
    let told = |what: &dyn SourceError| {
        eprintln!("{}", what.text());
        what.failure()
    };
    let silent = |_| {
        eprintln!("silence");
        Failure::Retry { after_ms: 0 }
    };

    let opened = tokio::time::timeout(SILENCE, source.open(request)).await.map_err(silent)?;
    let opened = opened.map_err(|error| told(&error))?;
    eprintln!("from byte {} of {}", opened.offset, opened.total.map_or("?".into(), |n| n.to_string()));
    file.set_len(opened.offset.into()).map_err(disk)?;
    fs::write(&beside, &opened.validator).map_err(disk)?;

    let mut block = [0; 4096];
    loop {
        let read = tokio::time::timeout(SILENCE, source.read(&mut block)).await.map_err(silent)?;
        match read.map_err(|error| told(&error))? {
            0 => break,
            n => file.write_all(&block[..n]).map_err(disk)?,
        }
        backoff.on_progress();
    }
    source.close().await;
    fs::remove_file(&beside).map_err(disk)
}

/// Tries until the file is complete, or trying again cannot help.
async fn fetch(mut source: impl Source, url: &str, path: &Path) -> Result<(), Box<dyn Error>> {
    let mut backoff = Backoff::new(500, 30_000, 8);
    loop {
        let at_least_ms = match attempt(&mut source, url, path, &mut backoff).await {
            Ok(()) => return Ok(()),
            Err(Failure::Permanent) => return Err("given up: trying again cannot help".into()),
            Err(Failure::Retry { after_ms }) => after_ms,
            Err(Failure::Restart) => {
                File::create(path)?;
                0
            }
        };
        let wait_ms = backoff.next_wait_ms(&mut Chance, at_least_ms).ok_or("given up: out of tries")?;
        eprintln!("again in {wait_ms} ms");
        tokio::time::sleep(Duration::from_millis(wait_ms.into())).await;
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(url), Some(path)) = (arguments.next(), arguments.next()) else {
        return Err("usage: fetch URL FILE [MS [window]]".into());
    };
    let mut config = CoapConfig::default();
    config.exchange.ack_timeout_ms = arguments.next().map_or(Ok(2_000), |text| text.parse())?;
    let (stack, ticks) = (Stack::default(), socket::Ticks(Instant::now()));
    let (mut scratch, mut request, mut blocks) = ([0; http::SCRATCH], [0; coap::SCRATCH], [0; 4 * 1_024]);
    let (network, http) = (Nal::new(&stack, &stack), HttpSource::new(socket::Tcp, &mut scratch, HttpConfig::default()));
    if arguments.next().is_some_and(|word| word == "window") {
        let coap = CoapWindow::<_, _, _, 4>::new(network, ticks, Chance, &mut request, &mut blocks, config);
        fetch(Either::new(coap, http), &url, Path::new(&path)).await
    } else {
        let coap = CoapSource::new(network, ticks, Chance, &mut request, config);
        fetch(Either::new(coap, http), &url, Path::new(&path)).await
    }
}
