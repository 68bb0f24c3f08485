//! Where the file server and the page are, as others must write it.

use super::Args;
use anyhow::{Context, Result, anyhow, ensure};
use ota_download::url::Url;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

/// What URLs in offers start with. Anything a device's parser would refuse is refused here.
pub(super) fn for_devices(args: &Args, http: SocketAddr) -> Result<String> {
    if let Some(url) = &args.public_url {
        return checked("--public-url", url);
    }
    if let Some(host) = &args.public_host {
        let is_v6 = host.parse::<Ipv6Addr>().is_ok();
        let host = if is_v6 { format!("[{host}]") } else { host.clone() };
        ensure!(!host.contains('/'), "--public-host takes a name or an address; give a URL to --public-url");
        return checked("--public-host", &format!("http://{host}:{}", http.port()));
    }
    let own = if http.ip().is_unspecified() { own(http.ip()) } else { Some(http.ip()) };
    let own = own.context("cannot tell which address devices reach; give --public-host ADDRESS")?;
    Ok(format!("http://{}", SocketAddr::new(own, http.port())))
}

fn checked(option: &str, url: &str) -> Result<String> {
    Url::parse(url).map_err(|e| anyhow!("{option} {url}: {}", e.text()))?;
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
        assert_eq!(checked("-", "http://h:1/base/").unwrap(), "http://h:1/base");
        for bad in ["http://", "h:1", "http://h/?a", "http://u@h", "http://h/ x"] {
            assert!(checked("-", bad).is_err(), "{bad}");
        }
    }
}
