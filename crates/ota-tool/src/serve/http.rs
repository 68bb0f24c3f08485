//! The page and what it calls.

use super::store::Put;
use super::{Shared, files};
use crate::linkkit::{self, DeviceName};
use anyhow::{Context, Result, bail, ensure};
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Query, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use futures_util::Stream;
use serde::Deserialize;
use serde_json::{Value, json};
use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;
use tokio::sync::broadcast::error::RecvError;

/// Largest upload.
const UPLOAD_MAX: usize = 256 << 20;
/// Longest error text of the framework.
const ERROR_MAX: usize = 64 << 10;

/// All routes.
pub(super) fn router(shared: Arc<Shared>) -> Router {
    let page = Router::new()
        .route("/", get(|| async { Html(include_str!("page.html")) }))
        .route("/api/devices", get(devices))
        .route("/api/files", get(list))
        .route("/api/events", get(events))
        .route("/api/offer", post(offer))
        .route("/api/upload", post(upload).layer(DefaultBodyLimit::max(UPLOAD_MAX)))
        .fallback(|| async {
            problem(StatusCode::NOT_FOUND, "nothing is here; the page is /, the functions are /api/...")
        })
        .layer(middleware::from_fn_with_state(Arc::clone(&shared), guard));
    Router::new().route("/files/{*path}", get(files::serve)).merge(page).with_state(shared)
}

/// Other web sites must not reach the page's functions through the user's browser.
async fn guard(State(shared): State<Arc<Shared>>, request: Request, next: Next) -> Response {
    let headers = request.headers();
    let host = text(headers, header::HOST).unwrap_or_default();
    // DNS rebinding: a foreign name that resolves to the loopback address.
    if shared.loopback_only && !is_local_name(host) {
        return problem(StatusCode::MISDIRECTED_REQUEST, "this server answers to its address and to localhost only");
    }
    if headers.get(header::ORIGIN).is_some_and(|origin| !is_own_origin(origin, host)) {
        return problem(StatusCode::FORBIDDEN, "requests from other sites are refused");
    }
    let mut response = as_json(next.run(request).await).await;
    let fields = [
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'; img-src data:",
        ),
    ];
    for (name, value) in fields {
        response.headers_mut().insert(name, header::HeaderValue::from_static(value));
    }
    response
}

/// A sandboxed frame or a local file says `null`: foreign, like everything that is not this very host.
fn is_own_origin(origin: &header::HeaderValue, host: &str) -> bool {
    let origin = origin.to_str().ok().and_then(|origin| origin.split_once("://"));
    origin.is_some_and(|(scheme, name)| matches!(scheme, "http" | "https") && name == host)
}

/// Errors of the framework (bad JSON, missing parameter, wrong method, body too large) in the same form as ours.
async fn as_json(response: Response) -> Response {
    let status = response.status();
    let is_json = text(response.headers(), header::CONTENT_TYPE).is_some_and(|t| t.starts_with("application/json"));
    if is_json || !(status.is_client_error() || status.is_server_error()) {
        return response;
    }
    let allow = response.headers().get(header::ALLOW).cloned();
    let body = axum::body::to_bytes(response.into_body(), ERROR_MAX).await.unwrap_or_default();
    let said = String::from_utf8_lossy(&body);
    let reason = if said.is_empty() { status.canonical_reason().unwrap_or("refused") } else { said.trim() };
    let mut response = problem(status, reason);
    if let Some(allow) = allow {
        response.headers_mut().insert(header::ALLOW, allow);
    }
    response
}

fn text(headers: &HeaderMap, name: header::HeaderName) -> Option<&str> {
    headers.get(name).and_then(|v| v.to_str().ok())
}

fn is_local_name(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(v6) => v6.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    name == "localhost" || name.parse::<IpAddr>().is_ok()
}

fn problem(status: StatusCode, text: &str) -> Response {
    (status, Json(json!({ "error": text }))).into_response()
}

fn answer(result: Result<Value>) -> Response {
    match result {
        Ok(value) => Json(value).into_response(),
        Err(e) => problem(StatusCode::BAD_REQUEST, &format!("{e:#}")),
    }
}

async fn devices(State(shared): State<Arc<Shared>>) -> Json<Value> {
    Json(shared.session.snapshot())
}

async fn list(State(shared): State<Arc<Shared>>) -> Response {
    let store = shared.store.clone();
    let files = tokio::task::spawn_blocking(move || store.list()).await.context("listing").and_then(|listed| listed);
    answer(files.map(|files| {
        let entry = |(name, d): (String, super::store::Described)| {
            json!({ "name": name, "size": d.size, "kind": d.kind, "version": d.version, "sha256": crate::files::hex(&d.sha256) })
        };
        json!({ "files": files.into_iter().map(entry).collect::<Vec<_>>() })
    }))
}

async fn events(State(shared): State<Arc<Shared>>) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let stream = futures_util::stream::unfold(shared.events.subscribe(), |mut pages| async move {
        loop {
            match pages.recv().await {
                Ok(event) => return Some((Ok(Event::default().data(event)), pages)),
                // Too slow: what matters is fetched anew at the next event.
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return None,
            }
        }
    });
    Sse::new(stream).keep_alive(KeepAlive::default())
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct OfferRequest {
    #[serde(default)]
    device: Option<String>,
    #[serde(default)]
    devices: Vec<String>,
    #[serde(default)]
    all: bool,
    file: String,
    #[serde(default)]
    module: String,
    #[serde(default)]
    version: Option<String>,
}

async fn offer(State(shared): State<Arc<Shared>>, Json(request): Json<OfferRequest>) -> Response {
    answer(make_offer(&shared, request).await)
}

async fn make_offer(shared: &Arc<Shared>, request: OfferRequest) -> Result<Value> {
    let mut names: Vec<String> = request.device.into_iter().chain(request.devices).collect();
    let all = request.all || names.iter().any(|name| name == "all");
    names.retain(|name| name != "all");
    let mut devices = names.iter().map(|name| DeviceName::parse(name)).collect::<Result<Vec<_>>>()?;
    if all {
        devices.extend(shared.session.names());
        devices.sort();
        devices.dedup();
    }
    if devices.is_empty() {
        bail!(if all { "no device has reported yet" } else { "give device, devices or all" });
    }
    let module = if request.module == "default" { String::new() } else { request.module };
    ensure!(module.len() <= 64, "the module name is longer than 64 bytes");
    let (store, file, of) = (shared.store.clone(), request.file.clone(), module.clone());
    let looked = tokio::task::spawn_blocking(move || anyhow::Ok((store.file(&file)?.1, store.version(&file, &of)?)));
    let (described, stated) = looked.await?.with_context(|| format!("{} in the served directory", request.file))?;
    ensure!(described.size > 0, "{} is empty", request.file);
    let version = request.version.filter(|v| !v.is_empty()).or(stated);
    let version = version.context("the file does not say its version; give one")?;
    linkkit::check_version(&version)?;
    for device in &devices {
        shared.session.offer(device, &module, &request.file, &version)?;
    }
    let offered: Vec<String> = devices.iter().map(ToString::to_string).collect();
    Ok(json!({ "offered": offered, "file": request.file, "version": version, "size": described.size }))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct UploadQuery {
    name: String,
    /// `1` replaces an existing file.
    #[serde(default)]
    replace: u8,
}

async fn upload(
    State(shared): State<Arc<Shared>>,
    Query(query): Query<UploadQuery>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    // A type no HTML form can send: a foreign page would need our leave (CORS) first.
    if text(&headers, header::CONTENT_TYPE) != Some("application/octet-stream") {
        return problem(StatusCode::UNSUPPORTED_MEDIA_TYPE, "send the file as application/octet-stream");
    }
    let (store, name) = (shared.store.clone(), query.name.clone());
    let replace = query.replace == 1;
    let put = tokio::task::spawn_blocking(move || store.put(&name, &body, replace)).await;
    match put.context("writing").and_then(|done| done) {
        Ok(Put::Exists) => problem(
            StatusCode::CONFLICT,
            &format!("{} exists; add &replace=1 to replace it (offers of it then bring the new one)", query.name),
        ),
        Ok(done) => answer(Ok(json!({ "name": query.name, "replaced": done == Put::Replaced }))),
        Err(e) => answer(Err(e)),
    }
}
