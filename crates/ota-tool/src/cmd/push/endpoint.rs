//! Which broker, and how to reach it.

use super::tls;
use anyhow::{Result, anyhow, bail, ensure};
use rustls::ClientConfig;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

/// Protocol version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Protocol {
    /// MQTT 5
    #[value(name = "5")]
    V5,
    /// MQTT 3.1.1
    #[value(name = "3.1.1", alias = "4")]
    V4,
}

/// Which broker.
#[derive(Debug, Clone)]
pub(super) struct Endpoint {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) login: Option<(String, String)>,
    pub(super) protocol: Protocol,
    /// Present for `mqtts://`.
    pub(super) tls: Option<Arc<ClientConfig>>,
}

impl Endpoint {
    /// Reads `[mqtt://][USER[:PASSWORD]@]HOST[:PORT]`, or the same with `mqtts`; `ca` are the authorities to trust there.
    pub(super) fn parse(url: &str, protocol: Protocol, ca: Option<&Path>) -> Result<Self> {
        let (scheme, rest) = url.split_once("://").unwrap_or(("mqtt", url));
        let default_port = match scheme {
            "mqtt" => 1883,
            "mqtts" => 8883,
            other => bail!("--broker {other}:// is not spoken here; write mqtt://HOST:PORT or mqtts://HOST:PORT"),
        };
        ensure!(ca.is_none() || scheme == "mqtts", "--ca is for TLS; write the broker as mqtts://HOST:PORT");
        let rest = rest.trim_end_matches('/');
        let (login, address) = match rest.rsplit_once('@') {
            Some((login, address)) => (Some(login), address),
            None => (None, rest),
        };
        let (host, port) = split_port(address)?;
        ensure!(!host.is_empty(), "`{url}` names no broker; write mqtt://HOST:PORT");
        let login = login.map(|login| match login.split_once(':') {
            Some((user, password)) => (user.to_owned(), password.to_owned()),
            // A password on the command line shows in the process list.
            None => (login.to_owned(), std::env::var("OTA_MQTT_PASSWORD").unwrap_or_default()),
        });
        let tls = (scheme == "mqtts").then(|| tls::config(ca)).transpose()?;
        Ok(Self { host: host.to_owned(), port: port.unwrap_or(default_port), login, protocol, tls })
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

fn split_port(address: &str) -> Result<(&str, Option<u16>)> {
    let (host, port) = match address.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, rest)) => (host, rest.strip_prefix(':')),
        None => match address.rsplit_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (address, None),
        },
    };
    let port = port.map(|p| p.parse().map_err(|_| anyhow!("`{p}` is not a port"))).transpose()?;
    Ok((host, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn broker_addresses() {
        let parse = |url| Endpoint::parse(url, Protocol::V5, None).map(|e| (e.to_string(), e.login));
        assert_eq!(parse("mqtt://h").unwrap(), ("h:1883".to_owned(), None));
        assert_eq!(parse("h:9").unwrap(), ("h:9".to_owned(), None));
        assert_eq!(parse("h:1884").unwrap().0, "h:1884");
        assert_eq!(parse("mqtt://[::1]:7").unwrap().0, "::1:7");
        let login = Some(("u".to_owned(), "p@w:x".to_owned()));
        assert_eq!(parse("mqtt://u:p@w:x@h:9").unwrap(), ("h:9".to_owned(), login));
        for bad in ["mqtt://", "mqtt://h:99999", "ws://h", "mqtt://h:", "mqtts://"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn authorities_are_read_before_anything_is_sent() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("ca.pem");
        std::fs::write(&file, "no certificate").unwrap();
        let parse = |url| Endpoint::parse(url, Protocol::V5, Some(&file)).unwrap_err().to_string();
        assert!(parse("mqtt://h").contains("mqtts://"));
        assert!(parse("mqtts://h").contains("no certificate"), "{}", parse("mqtts://h"));
    }
}
