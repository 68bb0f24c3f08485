//! The embedded broker, and one port in front of it for both protocol versions.
//!
//! `rumqttd` listens per protocol version and does not say which port it got. It therefore listens on two private
//! loopback ports; the port devices know is ours, and looks at the version in each CONNECT.

use anyhow::{Context, Result, bail};
use rumqttd::{Broker, Config, ConnectionSettings, RouterConfig, ServerSettings};
use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

/// Where the broker's two private listeners are.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ports {
    /// MQTT 3.1.1.
    pub(super) v4: u16,
    /// MQTT 5.
    pub(super) v5: u16,
}

/// Starts the broker and waits until it accepts connections.
pub(super) async fn start() -> Result<Ports> {
    for _ in 0..4 {
        let ports = Ports { v4: free_port().await?, v5: free_port().await? };
        let mut broker = Broker::new(config(ports));
        std::thread::Builder::new().name("mqtt broker".to_owned()).spawn(move || {
            // Returns only when a listener failed; the probes below notice.
            let _ = broker.start();
        })?;
        if answers(ports.v4).await && answers(ports.v5).await {
            return Ok(ports);
        }
        // Somebody took a port between our look and the broker's; the idle broker goes with the process.
    }
    bail!("the MQTT broker does not start")
}

/// Largest packet that anybody may send, without its fixed header: what a device with a buffer of 4 KiB can take. A larger
/// one that the broker keeps (retained) would end each connection of the device it is for; the broker does not
/// heed what a device says it takes. Who sends one is disconnected.
const PACKET_MAX: usize = 4000;

async fn free_port() -> Result<u16> {
    let probe = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.context("no free loopback port")?;
    Ok(probe.local_addr()?.port())
}

async fn answers(port: u16) -> bool {
    for _ in 0..100 {
        if TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.is_ok() {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    false
}

fn config(ports: Ports) -> Config {
    let server = |name: &str, port: u16| ServerSettings {
        name: name.to_owned(),
        listen: SocketAddr::from((Ipv4Addr::LOCALHOST, port)),
        tls: None,
        next_connection_delay_ms: 1,
        connections: ConnectionSettings {
            connection_timeout_ms: 10_000,
            max_payload_size: PACKET_MAX,
            max_inflight_count: 100,
            auth: None,
            external_auth: None,
            dynamic_filters: true,
        },
    };
    Config {
        router: RouterConfig {
            max_connections: 10_010,
            max_outgoing_packet_count: 200,
            max_segment_size: 1 << 20,
            max_segment_count: 10,
            ..RouterConfig::default()
        },
        v4: Some(HashMap::from([("v4".to_owned(), server("mqtt-3.1.1", ports.v4))])),
        v5: Some(HashMap::from([("v5".to_owned(), server("mqtt-5", ports.v5))])),
        ..Config::default()
    }
}

/// Passes every connection on to the listener for its version.
pub(super) async fn forward(listener: TcpListener, ports: Ports) {
    loop {
        match listener.accept().await {
            Ok((client, _)) => {
                tokio::spawn(async move {
                    // A client that goes away, or is no MQTT client, ends its own connection only.
                    let _ = splice(client, ports).await;
                });
            }
            // Out of file descriptors: wait for some to be freed.
            Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
        }
    }
}

async fn splice(mut client: TcpStream, ports: Ports) -> Result<()> {
    let _ = client.set_nodelay(true);
    let (head, port) = timeout(Duration::from_secs(10), read_version(&mut client, ports)).await??;
    let mut broker = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
    let _ = broker.set_nodelay(true);
    broker.write_all(&head).await?;
    tokio::io::copy_bidirectional(&mut client, &mut broker).await?;
    Ok(())
}

/// Reads CONNECT up to its protocol level (MQTT 3.1.1 §3.1.2.2, MQTT 5 §3.1.2.2).
async fn read_version(client: &mut TcpStream, ports: Ports) -> Result<(Vec<u8>, u16)> {
    let mut head = vec![client.read_u8().await?];
    if head != [0x10] {
        bail!("the first packet is not CONNECT");
    }
    for _ in 0..4 {
        let byte = client.read_u8().await?;
        head.push(byte);
        if byte & 0x80 == 0 {
            break;
        }
    }
    let mut name = [0; 7];
    client.read_exact(&mut name).await?;
    head.extend(name);
    match name {
        [0, 4, b'M', b'Q', b'T', b'T', 4] => Ok((head, ports.v4)),
        [0, 4, b'M', b'Q', b'T', b'T', 5] => Ok((head, ports.v5)),
        _ => bail!("neither MQTT 3.1.1 nor MQTT 5"),
    }
}
