//! Where the cloud is, as it is written in a setting.

/// What is spoken with the cloud.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Over {
    /// MQTT, with the Linkkit dialect; packages come over HTTP.
    Mqtt,
    /// CoAP, with the dialect of `ota_transport::coap::Plain`; packages too.
    Coap,
}

/// The cloud's server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Server<'l> {
    /// What is spoken there.
    pub over: Over,
    /// Name or address.
    pub host: &'l str,
    /// Port.
    pub port: u16,
}

impl<'l> Server<'l> {
    /// Reads `HOST`, `HOST:PORT`, `mqtt://HOST:PORT` or `coap://HOST:PORT`; an IPv6 address stands in brackets before a port. Without
    /// a scheme it is MQTT, without a port the protocol's own. `None` for another scheme, a path, a port that is none, and for no host.
    pub fn parse(text: &'l str) -> Option<Self> {
        let (over, rest, usual) = match text.split_once("://") {
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("coap") => (Over::Coap, rest, 5683),
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("mqtt") => (Over::Mqtt, rest, 1883),
            Some(_) => return None,
            None => (Over::Mqtt, text, 1883),
        };
        let (host, port) = match rest.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((host, "")) => (host, None),
            Some((host, port)) => (host, Some(port.strip_prefix(':')?)),
            None => match rest.split_once(':') {
                // An address without brackets has no port.
                Some((_, port)) if port.contains(':') => (rest, None),
                Some((host, port)) => (host, Some(port)),
                None => (rest, None),
            },
        };
        let port = port.map_or(Some(usual), |port| port.parse().ok())?;
        (!host.is_empty() && !host.contains('/')).then_some(Self { over, host, port })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_names_a_protocol_a_host_and_a_port() {
        let of = |text| Server::parse(text).map(|server| (server.over, server.host, server.port));
        assert_eq!(of("10.0.2.2:1884"), Some((Over::Mqtt, "10.0.2.2", 1884)));
        assert_eq!(of("mqtt.example"), Some((Over::Mqtt, "mqtt.example", 1883)));
        assert_eq!(of("mqtt://h:1"), Some((Over::Mqtt, "h", 1)));
        assert_eq!(of("coap://h"), Some((Over::Coap, "h", 5683)));
        assert_eq!(of("CoAP://h:7"), Some((Over::Coap, "h", 7)));
        assert_eq!(of("coap://[fe80::1]:99"), Some((Over::Coap, "fe80::1", 99)));
        assert_eq!(of("coap://[fe80::1]"), Some((Over::Coap, "fe80::1", 5683)));
        assert_eq!(of("fe80::1"), Some((Over::Mqtt, "fe80::1", 1883)));
        for bad in [
            "",
            "coap://",
            ":1883",
            "h:",
            "h:99999",
            "h:x",
            "[::1]9",
            "http://h",
            "coaps://h",
            "coap://h/",
            "h/p",
            "h:1/p",
        ] {
            assert_eq!(of(bad), None, "{bad}");
        }
    }
}
