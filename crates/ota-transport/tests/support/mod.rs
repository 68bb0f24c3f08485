//! A broker in the process, the cloud's side of it, and a socket that can be held.

use std::collections::HashMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::{AsyncClient, Event, Incoming, MqttOptions};
use rumqttd::{Broker, Config, ConnectionSettings, RouterConfig, ServerSettings};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, watch};

/// Starts a broker that speaks MQTT 5; it runs until the process ends.
pub(crate) async fn broker() -> SocketAddr {
    let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let listen = listener.local_addr().unwrap();
    drop(listener);
    let connections = ConnectionSettings {
        connection_timeout_ms: 5_000,
        max_payload_size: 20_480,
        max_inflight_count: 100,
        auth: None,
        external_auth: None,
        dynamic_filters: true,
    };
    let server = ServerSettings { name: "test".into(), listen, tls: None, next_connection_delay_ms: 0, connections };
    let config = Config {
        router: RouterConfig {
            max_connections: 100,
            max_outgoing_packet_count: 200,
            max_segment_size: 1 << 20,
            max_segment_count: 10,
            ..RouterConfig::default()
        },
        v5: Some(HashMap::from([("test".into(), server)])),
        ..Config::default()
    };
    let mut broker = Broker::new(config);
    std::thread::spawn(move || broker.start().unwrap());
    while TcpStream::connect(listen).await.is_err() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    listen
}

/// The cloud: publishes, and sees whatever devices publish.
pub(crate) struct Cloud {
    client: AsyncClient,
    seen: mpsc::UnboundedReceiver<(String, Vec<u8>)>,
    acked: watch::Receiver<u32>,
}

impl Cloud {
    pub(crate) async fn connect(broker: SocketAddr) -> Self {
        let mut options = MqttOptions::new("cloud", broker.ip().to_string(), broker.port());
        options.set_keep_alive(Duration::from_secs(30));
        let (client, mut events) = AsyncClient::new(options, 16);
        let (sender, seen) = mpsc::unbounded_channel();
        let (acks, acked) = watch::channel(0);
        tokio::spawn(async move {
            while let Ok(event) = events.poll().await {
                match event {
                    Event::Incoming(Incoming::Publish(message)) => {
                        let topic = String::from_utf8(message.topic.to_vec()).unwrap();
                        let _ = sender.send((topic, message.payload.to_vec()));
                    }
                    Event::Incoming(Incoming::PubAck(_) | Incoming::SubAck(_)) => {
                        acks.send_modify(|count| *count += 1);
                    }
                    _ => {}
                }
            }
        });
        let mut cloud = Self { client, seen, acked };
        for filter in
            ["/ota/device/inform/+/+", "/ota/device/progress/+/+", "/sys/+/+/thing/ota/firmware/get", "/app/up"]
        {
            cloud.client.subscribe(filter, QoS::AtLeastOnce).await.unwrap();
            cloud.acknowledged().await;
        }
        cloud
    }

    async fn acknowledged(&mut self) {
        tokio::time::timeout(Duration::from_secs(5), self.acked.changed()).await.expect("the broker answers").unwrap();
    }

    /// Publishes with QoS 1 and waits until the broker has it.
    pub(crate) async fn publish(&mut self, topic: &str, payload: impl Into<Vec<u8>>) {
        self.client.publish(topic, QoS::AtLeastOnce, false, payload.into()).await.unwrap();
        self.acknowledged().await;
    }

    /// The next message of a device.
    pub(crate) async fn next(&mut self) -> (String, String) {
        let next = tokio::time::timeout(Duration::from_secs(5), self.seen.recv()).await;
        let (topic, payload) = next.expect("a device message within 5 s").unwrap();
        (topic, String::from_utf8(payload).unwrap())
    }

    /// Whether a device has said anything more.
    pub(crate) async fn silent(&mut self) -> bool {
        tokio::time::timeout(Duration::from_millis(200), self.seen.recv()).await.is_err()
    }
}

/// A TCP stream as `embedded-io-async`, whose reading can be held from outside.
#[derive(Clone)]
pub(crate) struct Socket {
    stream: Arc<TcpStream>,
    held: watch::Receiver<bool>,
}

impl Socket {
    /// Connects; send `true` to hold what is read, drop the sender to break the connection.
    pub(crate) async fn connect(broker: SocketAddr) -> (Self, watch::Sender<bool>) {
        let (hold, held) = watch::channel(false);
        let stream = TcpStream::connect(broker).await.unwrap();
        (Self { stream: Arc::new(stream), held }, hold)
    }

    /// Waits until there is something to read.
    pub(crate) async fn waiting(&self) {
        self.stream.peek(&mut [0]).await.unwrap();
    }
}

impl embedded_io_async::ErrorType for Socket {
    type Error = io::Error;
}

impl embedded_io_async::Read for Socket {
    async fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        loop {
            self.held.wait_for(|held| !held).await.map_err(io::Error::other)?;
            self.held.has_changed().map_err(io::Error::other)?;
            self.stream.readable().await?;
            match self.stream.try_read(buf) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                done => return done,
            }
        }
    }
}

impl embedded_io_async::Write for Socket {
    async fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        loop {
            self.stream.writable().await?;
            match self.stream.try_write(buf) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                done => return done,
            }
        }
    }

    async fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
