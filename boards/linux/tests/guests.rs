//! What a program, or somebody at the console, might do to the board or learn from its host.

use ota_board_linux::supervisor::Processor;
use ota_board_linux::{Sealed, Stopped, Uart};
use ota_hal::ResetCause;
use std::io::Write;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant};

const WATCHDOG: Duration = Duration::from_secs(5);

/// Runs a shell script as the firmware.
fn run(uart: &Uart, script: &str) -> Stopped {
    let launcher = Path::new(env!("CARGO_BIN_EXE_ota-board-linux"));
    let payload = Sealed::unverified(format!("#!/bin/sh\n{script}").as_bytes()).unwrap();
    Processor { launcher, uart, lock: None, watchdog: WATCHDOG }.run(&payload, &[]).unwrap()
}

#[test]
fn what_the_program_started_ends_with_it() {
    let dir = tempfile::tempdir().unwrap();
    let mark = dir.path().join("mark");
    let begin = Instant::now();
    let stopped = run(&Uart::default(), &format!("(sleep 4; touch {}) &\nexit 75\n", mark.display()));
    assert_eq!(stopped.cause, ResetCause::Software);
    assert!(begin.elapsed() < Duration::from_secs(3), "the reset took {:?}", begin.elapsed());
    thread::sleep(Duration::from_secs(5).saturating_sub(begin.elapsed()));
    assert!(!mark.exists(), "a grandchild outlived the reset");
}

#[test]
fn a_process_that_left_the_group_does_not_hold_up_the_reset() {
    let begin = Instant::now();
    let stopped = run(&Uart::default(), "setsid sleep 6 &\nexit 75\n");
    assert_eq!(stopped.cause, ResetCause::Software);
    assert!(begin.elapsed() < Duration::from_secs(4), "the reset took {:?}", begin.elapsed());
}

#[test]
fn a_console_client_that_does_not_read_does_not_stop_the_device() {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("uart");
    let uart = Uart::open(Some(&socket)).unwrap();
    let mut client = UnixStream::connect(&socket).unwrap();
    client.write_all(b"x\n").unwrap();
    thread::sleep(Duration::from_millis(100));
    let (done, wait) = channel();
    thread::spawn(move || {
        let much = "head -c 1000000 /dev/zero | tr '\\0' 'x' | fold -w 80\nexit 75\n";
        let _ = done.send(run(&uart, much));
    });
    let stopped = wait.recv_timeout(2 * WATCHDOG).unwrap();
    assert_eq!(stopped.cause, ResetCause::Software, "{stopped:?}");
    drop(client);
}

#[test]
fn a_program_that_does_not_read_does_not_stop_the_one_who_types() {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("uart");
    let uart = Uart::open(Some(&socket)).unwrap();
    let mut client = UnixStream::connect(&socket).unwrap();
    client.set_write_timeout(Some(Duration::from_secs(2))).unwrap();
    let device = thread::spawn(move || run(&uart, "sleep 2\nexit 75\n"));
    thread::sleep(Duration::from_millis(300));
    // More than the pipe and both ends of the socket hold together.
    client.write_all(&vec![b'x'; 1 << 20]).unwrap();
    assert_eq!(device.join().unwrap().cause, ResetCause::Software);
}

#[test]
fn the_environment_of_the_host_does_not_reach_the_program() {
    // Set by cargo for this test: it stands for any secret of the host.
    assert!(std::env::var_os("CARGO_MANIFEST_DIR").is_some());
    let script =
        "[ -n \"$CARGO_MANIFEST_DIR$HOME$USER\" ] && exit 9\n[ -z \"$PATH$OTA_BOARD_WATCHDOG\" ] && exit 8\nexit 75\n";
    let stopped = run(&Uart::default(), script);
    assert_eq!(stopped.cause, ResetCause::Software, "{}", stopped.text);
}
