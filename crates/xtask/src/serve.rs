//! `ota serve` from outside: where it listens, and the little HTTP that its page would speak.

use crate::world::{DEVICE, PATIENCE, PRODUCT};
use anyhow::{Result, bail, ensure};
use serde_json::json;
use std::io::{Read, Write};
use std::net::TcpStream;

/// The port that its line `READY …` names behind `key`, for example `"http="`.
pub(crate) fn port(ready: &str, key: &str) -> Result<u16> {
    let address = ready.split_whitespace().find_map(|word| word.strip_prefix(key));
    match address.and_then(|address| address.rsplit_once(':')?.1.parse().ok()) {
        Some(port) => Ok(port),
        None => bail!("no {key} in {ready:?}"),
    }
}

/// Offers a file to the device, as the page at the port `http` does.
pub(crate) fn offer(http: u16, file: &str) -> Result<()> {
    let body = json!({ "device": format!("{PRODUCT}/{DEVICE}"), "file": file }).to_string();
    let mut stream = TcpStream::connect(("127.0.0.1", http))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    write!(
        stream,
        "POST /api/offer HTTP/1.1\r\nHost: 127.0.0.1:{http}\r\nConnection: close\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    ensure!(answer.starts_with("HTTP/1.1 200"), "the cloud refused the offer: {answer}");
    Ok(())
}
