//! The file server of `ota serve`, over real sockets.

mod support;

use serde_json::json;
use std::fs;
use std::io::Read;
use std::time::{Duration, Instant};
use support::{Response, Server, scratch};

fn server(more: &[&str]) -> (tempfile::TempDir, Vec<u8>, Server) {
    let (guard, dir) = scratch();
    let content: Vec<u8> = (0..200_000_u32).map(|i| (i % 251) as u8).collect();
    fs::write(dir.join("fw.bin"), &content).unwrap();
    fs::create_dir(dir.join("sub")).unwrap();
    fs::write(dir.join("sub/deep.bin"), "deep").unwrap();
    fs::write(dir.join(".hidden"), "secret").unwrap();
    let server = Server::start(&dir, more);
    (guard, content, server)
}

#[test]
fn whole_file_parts_and_heads() {
    let (_guard, content, server) = server(&[]);
    let whole = server.get("/files/fw.bin", &[]);
    assert_eq!((whole.status, &whole.body), (200, &content));
    let etag = whole.header("etag").to_owned();
    assert!(etag.starts_with('"') && etag.ends_with('"') && etag.len() <= 64, "{etag}");
    assert_eq!(whole.header("accept-ranges"), "bytes");

    let part = server.get("/files/fw.bin", &[("Range", "bytes=1000-1999"), ("If-Range", &etag)]);
    assert_eq!((part.status, part.header("content-range")), (206, "bytes 1000-1999/200000"));
    assert_eq!(part.header("content-length"), "1000");
    assert_eq!(part.body, &content[1000..2000]);
    assert_eq!(part.header("etag"), etag);
    let tail = server.get("/files/fw.bin", &[("Range", "bytes=199990-")]);
    assert_eq!((tail.status, &tail.body[..]), (206, &content[199_990..]));

    let head = server.request("HEAD", "/files/fw.bin", &[("Range", "bytes=5-")], b"");
    assert_eq!((head.status, head.header("content-length"), head.body.len()), (200, "200000", 0));
    assert_eq!(head.header("etag"), etag);
    assert_eq!(server.get("/files/sub/deep.bin", &[]).body, b"deep");
}

#[test]
fn what_cannot_be_had_is_said_precisely() {
    let (guard, content, server) = server(&[]);
    let beyond = server.get("/files/fw.bin", &[("Range", "bytes=200000-")]);
    assert_eq!((beyond.status, beyond.header("content-range")), (416, "bytes */200000"));
    // A changed object is sent whole, not stitched to the old one.
    let stale = server.get("/files/fw.bin", &[("Range", "bytes=1000-"), ("If-Range", "\"another\"")]);
    assert_eq!((stale.status, stale.body.len()), (200, content.len()));
    assert_eq!(server.get("/files/fw.bin", &[("If-Match", "\"another\"")]).status, 412);
    let etag = server.get("/files/fw.bin", &[]).header("etag").to_owned();
    let known = server.get("/files/fw.bin", &[("If-None-Match", &etag)]);
    assert_eq!((known.status, known.body.len()), (304, 0));
    for path in [
        "/files/none",
        "/files/",
        "/files/sub",
        "/files/.hidden",
        "/files/.ota-serve.json",
        "/files/sub/../.hidden",
        "/files/..%2fCargo.toml",
        "/files/%2e%2e/%2e%2e/etc/passwd",
        "/files//etc/passwd",
    ] {
        assert_eq!(server.get(path, &[]).status, 404, "{path}");
    }
    // A signing key that lies in the directory is neither served nor listed.
    let key = "-----BEGIN PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY-----\n";
    fs::write(guard.path().join("vendor.pem"), key).unwrap();
    assert_eq!(server.get("/files/vendor.pem", &[]).status, 404);
    assert!(!String::from_utf8_lossy(&server.get("/api/files", &[]).body).contains("vendor.pem"));
    assert_eq!(server.request("DELETE", "/files/fw.bin", &[], b"").status, 405);
}

#[test]
fn a_replaced_file_has_another_tag() {
    let (guard, _, server) = server(&[]);
    let old = server.get("/files/fw.bin", &[]).header("etag").to_owned();
    fs::write(guard.path().join("new"), "something new").unwrap();
    fs::rename(guard.path().join("new"), guard.path().join("fw.bin")).unwrap();
    let new = server.get("/files/fw.bin", &[("Range", "bytes=5-"), ("If-Range", &old)]);
    assert_eq!((new.status, &new.body[..]), (200, &b"something new"[..]));
    assert_ne!(new.header("etag"), old);
}

#[cfg(unix)]
#[test]
fn links_do_not_lead_out_of_the_directory() {
    let (guard, _, server) = server(&[]);
    std::os::unix::fs::symlink("/etc/hostname", guard.path().join("out")).unwrap();
    std::os::unix::fs::symlink("fw.bin", guard.path().join("in")).unwrap();
    assert_eq!(server.get("/files/out", &[]).status, 404);
    assert_eq!(server.get("/files/in", &[]).status, 200);
}

#[test]
fn the_rate_is_kept_and_the_bytes_are_counted() {
    let (_guard, content, server) = server(&["--rate", "100"]);
    let start = Instant::now();
    let part = server.get("/files/fw.bin", &[("Range", "bytes=0-102399")]);
    let took = start.elapsed();
    assert_eq!(part.body, &content[..102_400]);
    // 100 KiB at 100 KiB/s; the first piece is free.
    assert!(took > Duration::from_millis(850) && took < Duration::from_secs(5), "{took:?}");
    let event = server.event("http");
    let told = (&event["status"], &event["bytes"], &event["range"]);
    assert_eq!(told, (&json!(206), &json!(102_400), &json!("bytes=0-102399")));

    // A client that goes away in the middle is told of with what it got at most.
    let mut stream = server.open("GET", "/files/fw.bin", &[], b"");
    stream.read_exact(&mut [0; 10_000]).unwrap();
    drop(stream);
    let bytes = server.event("http")["bytes"].as_u64().unwrap();
    assert!((9_000..150_000).contains(&bytes), "{bytes}");
}

#[test]
fn too_many_downloads_are_asked_to_come_back() {
    let (_guard, _, server) = server(&["--rate", "20", "--downloads", "1"]);
    let mut first = server.open("GET", "/files/fw.bin", &[], b"");
    first.read_exact(&mut [0; 400]).unwrap();
    let second = server.get("/files/fw.bin", &[]);
    assert_eq!((second.status, second.header("retry-after")), (503, "2"));
    drop(first);
    // The place is free again as soon as the server notices.
    let end = Instant::now() + support::PATIENCE;
    while server.request("HEAD", "/files/fw.bin", &[], b"").status != 200 {
        assert!(Instant::now() < end, "the place was never freed");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn the_page_is_served_and_other_sites_are_kept_out() {
    let (_guard, _, server) = server(&[]);
    let page = server.get("/", &[]);
    assert_eq!(page.status, 200);
    assert!(page.header("content-type").starts_with("text/html"));
    assert!(page.header("content-security-policy").contains("default-src 'none'"));
    assert_eq!(server.get("/api/devices", &[("Host", "evil.example")]).status, 421);
    assert_eq!(server.get("/api/devices", &[("Host", "localhost:1")]).status, 200);
    let body = br#"{"device":"a/b","file":"fw.bin","version":"1"}"#;
    let post = |headers: &[(&str, &str)]| server.request("POST", "/api/offer", headers, body).status;
    let json = ("Content-Type", "application/json");
    assert_eq!(post(&[json]), 200);
    assert_eq!(post(&[json, ("Origin", "http://evil.example")]), 403);
    assert_eq!(post(&[("Content-Type", "text/plain")]), 415);
}

#[test]
fn sandboxed_pages_and_local_files_are_foreign() {
    let (_guard, _, server) = server(&[]);
    let get = |origin: &str| server.get("/api/devices", &[("Origin", origin)]).status;
    let own = format!("http://127.0.0.1:{}", server.http);
    assert_eq!(get(&own), 200);
    for foreign in ["null", "", "file://", "http://evil.example", "127.0.0.1", &own.replace("http", "ftp")] {
        assert_eq!(get(foreign), 403, "{foreign}");
    }
}

#[test]
fn every_error_of_the_functions_is_json() {
    let (_guard, _, server) = server(&[]);
    let json = ("Content-Type", "application/json");
    let octets = ("Content-Type", "application/octet-stream");
    for (method, path, header, body, status) in [
        ("POST", "/api/offer", json, "{", 400),
        ("POST", "/api/offer", json, r#"{"surprise":1}"#, 422),
        ("POST", "/api/offer", octets, "{}", 415),
        ("GET", "/api/offer", json, "", 405),
        ("POST", "/api/upload", octets, "x", 400),
        ("POST", "/api/upload?name=a&replace=yes", octets, "x", 400),
        ("GET", "/api/none", json, "", 404),
        ("GET", "/none", json, "", 404),
    ] {
        let answer = server.request(method, path, &[header], body.as_bytes());
        assert_eq!(answer.status, status, "{method} {path}");
        assert_eq!(answer.header("content-type"), "application/json", "{method} {path}");
        let value: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
        assert!(!value["error"].as_str().unwrap().is_empty(), "{method} {path}");
    }
    assert_eq!(server.get("/api/upload?name=a", &[]).header("allow"), "POST");
}

#[test]
fn the_page_can_be_opened_whatever_is_listened_on() {
    let (_guard, _, server) = server(&["--listen", "0.0.0.0"]);
    assert!(!server.ready.contains("page=http://0.0.0.0"), "{}", server.ready);
    let page = server.ready.split("page=").nth(1).unwrap();
    let address = page.trim_start_matches("http://").trim_end_matches('/');
    assert!(std::net::TcpStream::connect(address).is_ok(), "{page}");
}

#[test]
fn uploads_arrive_whole_under_harmless_names() {
    let (guard, _, server) = server(&[]);
    let put = |name: &str, kind: &str| {
        server.request("POST", &format!("/api/upload?name={name}"), &[("Content-Type", kind)], b"content")
    };
    assert_eq!(put("new.ota", "application/octet-stream").status, 200);
    assert_eq!(fs::read(guard.path().join("new.ota")).unwrap(), b"content");
    assert_eq!(put("x", "text/plain").status, 415);
    // An existing name is not taken silently.
    let again = put("fw.bin", "application/octet-stream");
    assert_eq!((again.status, fs::read(guard.path().join("fw.bin")).unwrap().len()), (409, 200_000));
    assert!(support::text(&again.body).contains("replace=1"));
    assert_eq!(put("fw.bin&replace=1", "application/octet-stream").status, 200);
    assert_eq!(fs::read(guard.path().join("fw.bin")).unwrap(), b"content");
    for name in ["..%2fx", ".x", "a%2fb", "", "a%00b", "a%5cb"] {
        let refused: Response = put(name, "application/octet-stream");
        assert_eq!(refused.status, 400, "{name}");
    }
    let listed = server.json("/api/files");
    assert!(listed["files"].as_array().unwrap().iter().any(|f| f["name"] == "new.ota" && f["size"] == 7), "{listed}");
}

#[test]
fn events_reach_an_open_page() {
    let (_guard, _, server) = server(&[]);
    let mut stream = server.open("GET", "/api/events", &[], b"");
    let mut seen = Vec::new();
    let mut buf = [0; 4096];
    // The head comes first: from then on nothing is missed.
    while !seen.windows(4).any(|w| w == b"\r\n\r\n") {
        let n = stream.read(&mut buf).unwrap();
        seen.extend(&buf[..n]);
    }
    server.request("HEAD", "/files/fw.bin", &[], b"");
    while !support::text(&seen).contains(r#"data: {"event":"http","method":"HEAD""#) {
        let n = stream.read(&mut buf).unwrap();
        assert!(n > 0, "closed");
        seen.extend(&buf[..n]);
    }
}
