//! `GET /files/...`: a strict file server, limited in speed and number on request.

use super::Shared;
use super::events::Events;
use super::range::{Conditions, Selection, select};
use super::store::Described;
use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncSeekExt};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

/// Seconds a client is told to stay away when all downloads are taken.
const RETRY_AFTER_S: u32 = 2;
/// Body bytes read at once without a limit.
const CHUNK: u64 = 64 << 10;
/// Pieces per second of a limited body.
const PIECES_PER_S: u64 = 20;

/// Serves GET and HEAD.
pub(super) async fn serve(
    State(shared): State<Arc<Shared>>,
    Path(path): Path<String>,
    method: Method,
    headers: HeaderMap,
) -> Response {
    let mut log = Log::new(&shared.events, &method, &path, field(&headers, header::RANGE));
    let Ok(permit) = Arc::clone(&shared.downloads).try_acquire_owned() else {
        let retry = [(header::RETRY_AFTER, RETRY_AFTER_S.to_string())];
        return (log.status(StatusCode::SERVICE_UNAVAILABLE), retry, "too many downloads\n").into_response();
    };
    let store = shared.store.clone();
    let opened = tokio::task::spawn_blocking(move || store.file(&path)).await;
    let Ok(Ok((file, described))) = opened else {
        return (log.status(StatusCode::NOT_FOUND), "no such file\n").into_response();
    };
    let selection = select(&conditions(&method, &headers), &described.etag(), described.size);
    let (from, to) = match selection {
        Selection::Whole => (0, described.size),
        Selection::Part(from, to) => (from, to),
        other => return without_file(other, &described, log),
    };
    let status = if selection == Selection::Whole { StatusCode::OK } else { StatusCode::PARTIAL_CONTENT };
    let response = head(status, &described, from, to);
    log.status = status;
    if method == Method::HEAD {
        return response;
    }
    let limit = shared.rate_kib_per_s;
    let next = Instant::now();
    let body = Download { file: file.into(), from: Some(from), left: to - from, limit, next, log, _permit: permit };
    response.map(|_| body.into_body())
}

fn field(headers: &HeaderMap, name: header::HeaderName) -> Option<&str> {
    headers.get(name).and_then(|v| v.to_str().ok())
}

fn conditions<'a>(method: &Method, headers: &'a HeaderMap) -> Conditions<'a> {
    Conditions {
        if_match: field(headers, header::IF_MATCH),
        if_none_match: field(headers, header::IF_NONE_MATCH),
        if_range: field(headers, header::IF_RANGE),
        // A range is defined for GET only (RFC 9110 §14.2).
        range: if method == Method::GET { field(headers, header::RANGE) } else { None },
    }
}

/// What every answer about an existing file says.
fn common(described: &Described) -> [(header::HeaderName, String); 2] {
    [(header::ETAG, described.etag()), (header::ACCEPT_RANGES, "bytes".to_owned())]
}

/// The answer when the conditions or the range leave nothing to send.
fn without_file(selection: Selection, described: &Described, log: Log) -> Response {
    let common = common(described);
    match selection {
        Selection::NotModified => (log.status(StatusCode::NOT_MODIFIED), common).into_response(),
        Selection::PreconditionFailed => (log.status(StatusCode::PRECONDITION_FAILED), common).into_response(),
        _ => {
            let size = [(header::CONTENT_RANGE, format!("bytes */{}", described.size))];
            (log.status(StatusCode::RANGE_NOT_SATISFIABLE), common, size).into_response()
        }
    }
}

/// Status and fields before the body.
fn head(status: StatusCode, described: &Described, from: u64, to: u64) -> Response {
    let mut response = (status, common(described), entity_headers(described, from, to)).into_response();
    if status == StatusCode::PARTIAL_CONTENT {
        let range = format!("bytes {from}-{}/{}", to - 1, described.size);
        if let Ok(value) = range.parse() {
            response.headers_mut().insert(header::CONTENT_RANGE, value);
        }
    }
    response
}

fn entity_headers(described: &Described, from: u64, to: u64) -> [(header::HeaderName, String); 2] {
    let kind = if described.kind == "package" { "application/vnd.ota-package" } else { "application/octet-stream" };
    [(header::CONTENT_TYPE, kind.to_owned()), (header::CONTENT_LENGTH, (to - from).to_string())]
}

/// Tells of a request when it is over.
struct Log {
    events: Events,
    event: Value,
    status: StatusCode,
    bytes: u64,
}

impl Log {
    fn new(events: &Events, method: &Method, path: &str, range: Option<&str>) -> Self {
        let event = json!({ "event": "http", "method": method.as_str(), "path": path, "range": range });
        Self { events: events.clone(), event, status: StatusCode::OK, bytes: 0 }
    }

    /// For an answer without a body.
    fn status(mut self, status: StatusCode) -> StatusCode {
        self.status = status;
        status
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        self.event["status"] = json!(self.status.as_u16());
        self.event["bytes"] = json!(self.bytes);
        self.events.emit(self.event.take());
    }
}

/// A body on its way. Dropped, with its log, when it is complete or the client went away.
struct Download {
    file: tokio::fs::File,
    /// Where to start, until that is done.
    from: Option<u64>,
    left: u64,
    limit: Option<u32>,
    next: Instant,
    log: Log,
    _permit: OwnedSemaphorePermit,
}

impl Download {
    fn into_body(self) -> Body {
        Body::from_stream(futures_util::stream::try_unfold(self, |mut download| async move {
            let piece = download.piece().await?;
            Ok::<_, io::Error>(piece.map(|bytes| (bytes, download)))
        }))
    }

    async fn piece(&mut self) -> io::Result<Option<Bytes>> {
        if self.left == 0 {
            return Ok(None);
        }
        if let Some(from) = self.from.take() {
            self.file.seek(io::SeekFrom::Start(from)).await?;
        }
        let most = match self.limit {
            None => CHUNK,
            Some(kib_per_s) => {
                tokio::time::sleep_until(self.next).await;
                self.next = Instant::now() + Duration::from_millis(1000 / PIECES_PER_S);
                u64::from(kib_per_s) * 1024 / PIECES_PER_S
            }
        };
        let mut bytes = vec![0; usize::try_from(self.left.min(most)).unwrap_or(1)];
        // A file that shrinks under us ends the connection, never the length we promised.
        self.file.read_exact(&mut bytes).await?;
        self.left -= bytes.len() as u64;
        self.log.bytes += bytes.len() as u64;
        Ok(Some(bytes.into()))
    }
}
