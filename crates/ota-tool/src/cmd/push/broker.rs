//! The course of a push: connect, listen, offer, wait.

use super::link::{Endpoint, Link, Seen};
use super::report::{Outcomes, State};
use crate::linkkit::{self, Announcement, DeviceName, Up};
use crate::output::Output;
use anyhow::{Context, Result};
use indicatif::{MultiProgress, ProgressBar};
use serde_json::json;
use std::time::Duration;
use tokio::time::{Instant, timeout, timeout_at};

/// How long connecting and each acknowledgement may take.
const LINK_TIMEOUT: Duration = Duration::from_secs(15);
/// What is to be done.
pub(super) struct Job<'a> {
    pub(super) update: &'a Announcement,
    pub(super) devices: &'a [DeviceName],
    /// Wait for the outcome, at most so long.
    pub(super) wait_s: Option<u64>,
    pub(super) retain: bool,
}

/// Connects, listens, offers, and waits.
pub(super) async fn run(endpoint: &Endpoint, job: &Job<'_>, output: Output) -> Result<Outcomes> {
    let mut link = Link::connect(endpoint);
    let unreachable = || format!("the broker {endpoint} does not answer");
    timeout(LINK_TIMEOUT, link.until(Seen::is_connected)).await.with_context(unreachable)?.with_context(unreachable)?;
    if job.wait_s.is_some() {
        // Listening comes first, or a fast device's report is missed.
        for topic in job.devices.iter().flat_map(DeviceName::up_topics) {
            link.subscribe(&topic).await?;
            timeout(LINK_TIMEOUT, link.until(Seen::is_subscribed))
                .await
                .context("the broker does not confirm a subscription")??;
        }
    }
    let mut outcomes = Outcomes::new(job.devices, &job.update.module, &job.update.version, job.wait_s.is_some());
    for (id, device) in (1..).zip(job.devices) {
        link.publish(&device.upgrade_topic(), job.update.upgrade(id), job.retain).await?;
        // A report may come before the acknowledgement.
        let acknowledged = async {
            loop {
                match link.next().await? {
                    Seen::Published => return Ok::<_, anyhow::Error>(()),
                    Seen::Message(topic, payload) => note(&mut outcomes, &topic, &payload, &mut link, job).await?,
                    _ => {}
                }
            }
        };
        timeout(LINK_TIMEOUT, acknowledged).await.context("the broker does not acknowledge the offer")??;
    }
    if let Some(seconds) = job.wait_s {
        watch(&mut link, job, &mut outcomes, Instant::now() + Duration::from_secs(seconds), output).await?;
    }
    Ok(outcomes)
}

/// Takes one message in and answers a query. The bars follow the outcomes.
async fn note(outcomes: &mut Outcomes, topic: &str, payload: &[u8], link: &mut Link, job: &Job<'_>) -> Result<()> {
    let Some((name, up)) = linkkit::parse(topic, payload) else {
        return Ok(());
    };
    if let Up::Query { id, module } = &up {
        if *module == job.update.module && outcomes.is_open(&name) {
            link.publish(&name.reply_topic(), linkkit::reply(id, Some(job.update)), false).await?;
        }
        return Ok(());
    }
    outcomes.on_report(&name, &up);
    Ok(())
}

async fn watch(
    link: &mut Link,
    job: &Job<'_>,
    outcomes: &mut Outcomes,
    deadline: Instant,
    output: Output,
) -> Result<()> {
    let all = MultiProgress::new();
    let bars: Vec<ProgressBar> = job.devices.iter().map(|d| all.add(output.bar(100, &d.to_string()))).collect();
    while !outcomes.all_over() {
        match timeout_at(deadline, link.next()).await {
            // Out of time: the outcomes say who did not answer.
            Err(_) => break,
            Ok(Ok(Seen::Message(topic, payload))) => {
                let parsed = linkkit::parse(&topic, &payload);
                let changed = parsed.as_ref().and_then(|(name, up)| outcomes.on_report(name, up));
                if let Some((at, state)) = changed {
                    tell(output, job.devices.get(at), bars.get(at), state);
                } else {
                    note(outcomes, &topic, &payload, link, job).await?;
                }
            }
            Ok(Ok(_)) => {}
            // The client reconnects by itself; a clean session needs its subscriptions again.
            Ok(Err(_)) => {
                tokio::time::sleep(Duration::from_millis(500)).await;
                for topic in job.devices.iter().flat_map(DeviceName::up_topics) {
                    link.subscribe(&topic).await?;
                }
            }
        }
    }
    bars.iter().for_each(ProgressBar::abandon);
    Ok(())
}

fn tell(output: Output, device: Option<&DeviceName>, bar: Option<&ProgressBar>, state: &State) {
    let Some((device, bar)) = device.zip(bar) else { return };
    let (percent, text) = match state {
        State::Offered => (0, "offered".to_owned()),
        State::Progress(percent) => (*percent, String::new()),
        State::Done => (100, "done".to_owned()),
        State::Failed { code, reason } => (0, format!("failed ({code}): {reason}")),
    };
    if percent > 0 {
        bar.set_position(percent.into());
    }
    bar.set_message(text.clone());
    if output.is_json() || bar.is_hidden() {
        let event = json!({ "event": "report", "device": device.to_string(), "percent": percent, "text": text });
        // The result is one JSON document on standard output; reports on the way go to standard error.
        eprintln!("{}", if output.is_json() { event.to_string() } else { format!("{device} {percent} % {text}") });
    }
}
