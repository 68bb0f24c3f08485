//! The cloud's own connection to the broker.

use super::session::{Message, Session};
use crate::linkkit::UP_FILTERS;
use anyhow::{Context, Result, bail};
use rumqttc::{AsyncClient, Event, EventLoop, MqttOptions, Packet, QoS, SubscribeFilter};
use std::time::Duration;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::timeout;

/// Connects, subscribes, and keeps both up. Returns when no report of a device can be missed any more.
pub(super) async fn start(port: u16, session: Session) -> Result<()> {
    let outbox = session.take_outbox().context("the link was started twice")?;
    let mut options = MqttOptions::new("ota-serve-cloud", "127.0.0.1", port);
    options.set_keep_alive(Duration::from_secs(30)).set_max_packet_size(256 << 10, 256 << 10);
    let (client, mut events) = AsyncClient::new(options, 64);
    subscribe(&client).await?;
    match timeout(Duration::from_secs(10), until_subscribed(&mut events)).await {
        Ok(done) => done?,
        Err(_) => bail!("the embedded broker does not answer"),
    }
    tokio::spawn(send(client.clone(), outbox));
    tokio::spawn(receive(client, events, session));
    Ok(())
}

async fn subscribe(client: &AsyncClient) -> Result<()> {
    let filters = UP_FILTERS.map(|filter| SubscribeFilter::new(filter.to_owned(), QoS::AtLeastOnce));
    Ok(client.subscribe_many(filters).await?)
}

async fn until_subscribed(events: &mut EventLoop) -> Result<()> {
    loop {
        if let Event::Incoming(Packet::SubAck(_)) = events.poll().await? {
            return Ok(());
        }
    }
}

async fn send(client: AsyncClient, mut outbox: UnboundedReceiver<Message>) {
    while let Some((topic, payload)) = outbox.recv().await {
        // Fails only when the event loop is gone, with the process.
        let _ = client.publish(topic, QoS::AtLeastOnce, false, payload).await;
    }
}

async fn receive(client: AsyncClient, mut events: EventLoop, session: Session) {
    loop {
        match events.poll().await {
            Ok(Event::Incoming(Packet::Publish(p))) => drop(session.take(&p.topic, &p.payload)),
            Ok(Event::Incoming(Packet::ConnAck(_))) => {
                let _ = subscribe(&client).await;
            }
            Ok(_) => {}
            Err(_) => tokio::time::sleep(Duration::from_millis(200)).await,
        }
    }
}
