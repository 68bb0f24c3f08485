//! Where the file servers and the page are, as others must write it.

use anyhow::{Context, Result, anyhow, ensure};
use ota_download::url::Url;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

/// A scheme of URLs, and the option that gives one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scheme {
    Http,
    Coap,
}

impl Scheme {
    const fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Http => ("http", "--public-url"),
            Self::Coap => ("coap", "--public-coap-url"),
        }
    }
}

/// What URLs in offers start with: `url` if it is given, else `host` or the address itself, with its port. Anything a device's
/// parser would refuse is refused here.
pub(super) fn for_devices(scheme: Scheme, url: Option<&str>, host: Option<&str>, at: SocketAddr) -> Result<String> {
    let (name, option) = scheme.words();
    if let Some(url) = url {
        return checked(scheme, option, url);
    }
    if let Some(host) = host {
        let is_v6 = host.parse::<Ipv6Addr>().is_ok();
        let host = if is_v6 { format!("[{host}]") } else { host.to_owned() };
        ensure!(!host.contains('/'), "--public-host takes a name or an address; give a URL to --public-url");
        return checked(scheme, "--public-host", &format!("{name}://{host}:{}", at.port()));
    }
    let own = if at.ip().is_unspecified() { own(at.ip()) } else { Some(at.ip()) };
    let own = own.context("cannot tell which address devices reach; give --public-host ADDRESS")?;
    Ok(format!("{name}://{}", SocketAddr::new(own, at.port())))
}

fn checked(scheme: Scheme, option: &str, url: &str) -> Result<String> {
    let parse = if scheme == Scheme::Http { Url::parse } else { Url::parse_coap };
    parse(url).map_err(|e| anyhow!("{option} {url}: {}", e.text()))?;
    ensure!(!url.contains(['?', '#']), "{option} {url}: paths of files are put behind it, so no query and no fragment");
    Ok(url.trim_end_matches('/').to_owned())
}

/// An address that can be opened: nobody can go to 0.0.0.0.
pub(super) fn for_people(http: SocketAddr) -> SocketAddr {
    let ip = match http.ip() {
        ip if !ip.is_unspecified() => ip,
        ip => own(ip).unwrap_or(if ip.is_ipv6() { Ipv6Addr::LOCALHOST.into() } else { Ipv4Addr::LOCALHOST.into() }),
    };
    SocketAddr::new(ip, http.port())
}

/// Which of our own addresses a packet to the outside would leave from; nothing is sent.
fn own(listening: IpAddr) -> Option<IpAddr> {
    let probe = |from: &str, to: &str| {
        let address = UdpSocket::bind(from).and_then(|s| s.connect(to).and_then(|()| s.local_addr()));
        address.ok().map(|a| a.ip()).filter(|ip| !ip.is_unspecified())
    };
    // Who listens on `::` is reached over IPv4 too, on most systems.
    let v4 = || probe("0.0.0.0:0", "192.0.2.1:9");
    if listening.is_ipv6() { probe("[::]:0", "[2001:db8::1]:9").or_else(v4) } else { v4() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_get_an_address_that_opens() {
        for any in ["0.0.0.0:8080", "[::]:8080"] {
            let shown = for_people(any.parse().unwrap());
            assert!(!shown.ip().is_unspecified() && shown.port() == 8080, "{shown}");
        }
        let given = "10.1.2.3:80".parse().unwrap();
        assert_eq!(for_people(given), given);
    }

    #[test]
    fn what_devices_could_not_read_is_refused() {
        assert_eq!(checked(Scheme::Http, "-", "http://h:1/base/").unwrap(), "http://h:1/base");
        assert_eq!(checked(Scheme::Coap, "-", "coap://h/").unwrap(), "coap://h");
        assert!(checked(Scheme::Coap, "-", "http://h/").is_err() && checked(Scheme::Http, "-", "coap://h/").is_err());
        for bad in ["http://", "h:1", "http://h/?a", "http://u@h", "http://h/ x"] {
            assert!(checked(Scheme::Http, "-", bad).is_err(), "{bad}");
        }
    }
}
