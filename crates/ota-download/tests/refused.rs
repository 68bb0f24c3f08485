//! Locators that a source can never open are told from the text alone.

mod support;

use ota_download::{Connect, ConnectError, HttpSource, Source};
use support::socket::{Socket, Tcp};

/// A connector with TLS.
struct Secure;
impl Connect for Secure {
    type Error = std::io::Error;
    type Socket = Socket;
    const TLS: bool = true;
    async fn connect(&mut self, host: &str, port: u16, _: bool) -> Result<Socket, ConnectError<std::io::Error>> {
        Tcp.connect(host, port, false).await
    }
}

#[test]
fn what_is_no_url_or_needs_what_the_connector_has_not() {
    for (locator, plain, secure) in [
        ("http://host/fw.ota", None, None),
        ("https://host/fw.ota", Some("https needs TLS"), None),
        ("http:///x", Some("URL: no host"), Some("URL: no host")),
        ("ftp://host/x", Some("URL: not http or https"), Some("URL: not http or https")),
        ("", Some("URL: not http or https"), Some("URL: not http or https")),
    ] {
        assert_eq!(HttpSource::<Tcp>::refuses(locator), plain, "{locator}");
        assert_eq!(HttpSource::<&mut Tcp>::refuses(locator), plain, "{locator}");
        assert_eq!(HttpSource::<Secure>::refuses(locator), secure, "{locator}");
    }
}
