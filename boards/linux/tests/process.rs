//! Real processes: the ways a payload can end, and what the board makes of each.

mod support;

use ota_board_linux::supervisor::Processor;
use ota_board_linux::{Sealed, Stopped, Uart};
use ota_hal::ResetCause;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};
use support::{Terminal, pid_of};

/// Runs the probe once; `script` talks to it after its greeting.
fn run(watchdog_ms: u64, script: impl FnOnce(&mut Terminal, String) + Send) -> Stopped {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("uart");
    let uart = Uart::open(Some(&socket)).unwrap();
    let probe = Sealed::unverified(&std::fs::read(env!("CARGO_BIN_EXE_ota-board-probe")).unwrap()).unwrap();
    let processor = Processor {
        launcher: Path::new(env!("CARGO_BIN_EXE_ota-board-linux")),
        uart: &uart,
        lock: None,
        watchdog: Duration::from_millis(watchdog_ms),
    };
    let mut terminal = Terminal::connect(&socket);
    // The listener hands the connection over in another thread; a greeting before that would be lost.
    terminal.say("hello");
    thread::sleep(Duration::from_millis(50));
    thread::scope(|scope| {
        scope.spawn(move || {
            let greeting = terminal.expect("probe: slot");
            script(&mut terminal, greeting);
        });
        processor.run(&probe, &[("OTA_BOARD_SLOT", "B".to_owned())]).unwrap()
    })
}

#[test]
fn a_reset_a_crash_and_an_end_are_told_apart() {
    let cases = [
        ("reset", ResetCause::Software, "software reset"),
        ("abort", ResetCause::Fault, "signal 6"),
        ("panic", ResetCause::Fault, "exit code 101"),
        ("end", ResetCause::Fault, "exit code 0"),
    ];
    for (command, cause, text) in cases {
        let stopped = run(5000, |terminal, greeting| {
            assert!(greeting.contains("slot B"), "{greeting}");
            terminal.say(command);
        });
        assert_eq!(stopped.cause, cause, "{command}");
        assert!(stopped.text.contains(text), "{command}: {}", stopped.text);
    }
}

#[test]
fn a_hang_ends_in_the_watchdog_and_not_before_its_time() {
    let begin = Instant::now();
    let stopped = run(400, |terminal, _| terminal.say("hang"));
    assert_eq!(stopped.cause, ResetCause::Watchdog);
    assert!(begin.elapsed() >= Duration::from_millis(400));
    assert!(begin.elapsed() < Duration::from_secs(5));
}

#[test]
fn a_fed_watchdog_stays_quiet() {
    let begin = Instant::now();
    let stopped = run(200, |terminal, greeting| {
        terminal.say("feed-forever");
        terminal.expect("feeding");
        thread::sleep(Duration::from_millis(1000));
        kill(pid_of(&greeting), nix::sys::signal::Signal::SIGILL);
    });
    assert!(begin.elapsed() >= Duration::from_millis(1000), "killed while it was feeding: {stopped:?}");
    assert_eq!(stopped.cause, ResetCause::Fault);
}

#[test]
fn a_kill_from_outside_is_a_reset_too() {
    let stopped = run(5000, |_, greeting| kill(pid_of(&greeting), nix::sys::signal::Signal::SIGKILL));
    assert_eq!(stopped.cause, ResetCause::Pin);
}

#[test]
fn something_that_is_no_program_is_a_fault() {
    let junk = Sealed::unverified(b"not an executable").unwrap();
    let processor = Processor {
        launcher: Path::new(env!("CARGO_BIN_EXE_ota-board-linux")),
        uart: &Uart::default(),
        lock: None,
        watchdog: Duration::from_secs(5),
    };
    let stopped = processor.run(&junk, &[]).unwrap();
    assert_eq!(stopped.cause, ResetCause::Fault);
    // 1 is the launcher's own failure; a shell that was handed the junk as a script would end with 126 or 127.
    assert!(stopped.text.ends_with("exit code 1"), "{}", stopped.text);
}

fn kill(pid: nix::unistd::Pid, signal: nix::sys::signal::Signal) {
    nix::sys::signal::kill(pid, signal).unwrap();
}
