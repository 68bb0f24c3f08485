//! `ota serve`: a cloud for the bench. Broker, device registry, file servers and page in one process.
//!
//! It authenticates nobody. It listens on the loopback address unless told otherwise.

mod address;
mod broker;
mod cloud;
mod coap;
mod events;
mod files;
mod http;
mod link;
mod range;
mod session;
mod store;

pub use cloud::{Cloud, Device, Module, Offer, Reaction, Send, Status};
pub(crate) use store::stated_version;

use crate::output::Output;
use anyhow::{Context, Result, bail, ensure};
use events::Events;
use serde_json::json;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, UdpSocket};

/// Runs the cloud.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Directory whose files are served and offered
    #[arg(default_value = ".")]
    dir: PathBuf,
    /// Address to listen on. Anything but a loopback address lets the whole network offer updates
    #[arg(long, default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST), value_name = "IP")]
    listen: IpAddr,
    /// Port of the MQTT broker (3.1.1 and 5 on the same port); 0 takes a free one
    #[arg(long, default_value_t = 1883, value_name = "PORT")]
    mqtt_port: u16,
    /// Port of the file server and the page; 0 takes a free one
    #[arg(long, default_value_t = 8080, value_name = "PORT")]
    http_port: u16,
    /// Speaks CoAP too, on this UDP port (5683 is the usual one); 0 takes a free one. Devices report, look for offers and
    /// fetch files there; offers are made on the page or by POST /api/offer, as for devices on MQTT
    #[arg(long, value_name = "PORT")]
    coap_port: Option<u16>,
    /// What devices reach the file server as, when that is not its address (`http://10.0.2.2:8080` from QEMU)
    #[arg(long, value_name = "URL", conflicts_with = "public_host")]
    public_url: Option<String>,
    /// The same by name or address alone (`10.0.2.2`): the port is the file server's, also when it was taken free
    #[arg(long, value_name = "HOST")]
    public_host: Option<String>,
    /// What devices on CoAP fetch files from, when that is not its address either (`coap://10.0.2.2:5683` from QEMU)
    #[arg(long, value_name = "URL", requires = "coap_port")]
    public_coap_url: Option<String>,
    /// Limits each download to so many KiB per second
    #[arg(long, value_name = "KIB_PER_S", value_parser = clap::value_parser!(u32).range(1..))]
    rate: Option<u32>,
    /// Downloads over HTTP at once; further ones are told to come back (503, Retry-After)
    #[arg(long, default_value_t = 64, value_name = "N")]
    downloads: usize,
    /// RSA key (PEM) that signs the digest of offered files (`digestsign`)
    #[arg(long, value_name = "PEM")]
    digestsign: Option<PathBuf>,
    /// Where devices and offers are kept over a restart [default: DIR/.ota-serve.json]
    #[arg(long, value_name = "FILE")]
    state: Option<PathBuf>,
}

/// What the parts of the server share.
struct Shared {
    session: session::Session,
    store: store::Store,
    events: Events,
    downloads: Arc<tokio::sync::Semaphore>,
    rate_kib_per_s: Option<u32>,
    loopback_only: bool,
}

/// Serves until interrupted.
///
/// # Errors
/// When a port is taken, the directory is missing, or the broker does not start.
pub fn run(args: Args, output: Output) -> Result<()> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(serve(args, output))
}

async fn serve(args: Args, output: Output) -> Result<()> {
    ensure!(args.dir.is_dir(), "{} is not a directory; give the one that holds your packages", args.dir.display());
    let mqtt = bind(args.listen, args.mqtt_port, "--mqtt-port").await?;
    let http = bind(args.listen, args.http_port, "--http-port").await?;
    let (mqtt_addr, http_addr) = (mqtt.local_addr()?, http.local_addr()?);
    let coap = match args.coap_port {
        Some(port) => Some(bind_udp(args.listen, port).await?),
        None => None,
    };
    let coap_addr = coap.as_ref().map(UdpSocket::local_addr).transpose()?;
    if !args.listen.is_loopback() {
        eprintln!(
            "warning: listening on {}: whoever reaches it can offer updates (there is no authentication)",
            args.listen
        );
    }

    let events = Events::new(output);
    let store = store::Store::open(&args.dir, bases(&args, http_addr, coap_addr)?, args.digestsign.as_deref())?;
    let state = args.state.clone().unwrap_or_else(|| args.dir.join(".ota-serve.json"));
    let ports = broker::start().await?;
    tokio::spawn(broker::forward(mqtt, ports));
    let session = session::Session::new(Cloud::load(&state)?, state, events.clone(), store.clone());
    link::start(ports.v4, session.clone()).await?;
    let shared = Arc::new(Shared {
        session,
        store,
        events: events.clone(),
        downloads: Arc::new(tokio::sync::Semaphore::new(args.downloads.max(1))),
        rate_kib_per_s: args.rate,
        loopback_only: args.listen.is_loopback(),
    });

    if let Some(socket) = coap {
        coap::start(socket, Arc::clone(&shared));
    }
    let page = format!("http://{}/", address::for_people(http_addr));
    let coap_word = coap_addr.map(|address| format!(" coap={address}")).unwrap_or_default();
    println!("READY mqtt={mqtt_addr} http={http_addr}{coap_word} page={page}");
    let (mqtt_addr, http_addr) = (mqtt_addr.to_string(), http_addr.to_string());
    let coap_addr = coap_addr.map(|address| address.to_string());
    events.emit(json!({ "event": "ready", "mqtt": mqtt_addr, "http": http_addr, "coap": coap_addr, "page": page }));
    tokio::select! {
        done = axum::serve(http, http::router(shared)) => done.context("the HTTP server stopped"),
        _ = interrupted() => Ok(()),
    }
}

/// What URLs in offers start with.
fn bases(args: &Args, http: SocketAddr, coap: Option<SocketAddr>) -> Result<store::Bases> {
    let base = |scheme, url: &Option<String>, at| {
        address::for_devices(scheme, url.as_deref(), args.public_host.as_deref(), at)
    };
    let coap = coap.map(|at| base(address::Scheme::Coap, &args.public_coap_url, at)).transpose()?;
    Ok(store::Bases { http: base(address::Scheme::Http, &args.public_url, http)?, coap })
}

async fn bind_udp(ip: IpAddr, port: u16) -> Result<UdpSocket> {
    match UdpSocket::bind((ip, port)).await {
        Ok(socket) => Ok(socket),
        Err(e) => bail!("cannot listen on {ip}:{port}: {e}; choose another port with --coap-port (0 takes a free one)"),
    }
}

async fn bind(ip: IpAddr, port: u16, option: &str) -> Result<TcpListener> {
    match TcpListener::bind((ip, port)).await {
        Ok(listener) => Ok(listener),
        Err(e) => bail!("cannot listen on {ip}:{port}: {e}; choose another port with {option} (0 takes a free one)"),
    }
}

async fn interrupted() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut term) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = term.recv() => {}
                _ = tokio::signal::ctrl_c() => {}
            }
            return;
        }
    }
    if tokio::signal::ctrl_c().await.is_err() {
        // No signal handler to be had: run until killed.
        tokio::time::sleep(Duration::MAX).await;
    }
}
