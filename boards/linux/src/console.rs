//! The UART: stdin and stdout of the board process, and clients of an optional socket, meet the payload's.

use crate::file_flash::named;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::io::{self, ErrorKind, Read, Write};
use std::net::Shutdown;
use std::os::fd::AsFd;
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::{Child, ChildStdin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// How long a reset waits for the last words of the payload. A process that left the payload's group may hold the
/// other end of its stdout for as long as it likes.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// One serial line. What anybody types goes to the payload that runs now; what board and payload print goes to
/// everybody. As on a real line, bytes typed while the processor is down are lost.
///
/// Nobody at the line can hold the device up: a client that does not read is hung up on as soon as the kernel holds no
/// more for it.
#[derive(Debug, Default)]
pub struct Uart {
    wires: Arc<Wires>,
    pump: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Debug, Default)]
struct Wires {
    to_payload: Mutex<Option<ChildStdin>>,
    clients: Mutex<Vec<UnixStream>>,
}

impl Uart {
    /// Connects stdin and stdout of this process, and every client of the socket `path`.
    ///
    /// # Errors
    /// When the socket cannot be made, or `path` is in use: only what a board that is gone left there is replaced.
    pub fn open(path: Option<&Path>) -> io::Result<Self> {
        let uart = Self::default();
        if let Some(path) = path {
            remove_stale(path)?;
            let advice = "is its directory there, and writable?";
            let listener =
                UnixListener::bind(path).map_err(|e| named(&e, "cannot make the console's socket", path, advice))?;
            let wires = uart.wires.clone();
            thread::spawn(move || accept(&listener, &wires));
        }
        let wires = uart.wires.clone();
        thread::spawn(move || type_in(io::stdin(), &wires));
        Ok(uart)
    }

    /// Prints a line of the board itself.
    pub fn line(&self, text: &str) {
        print(&self.wires, format!("{text}\n").as_bytes());
    }

    pub(crate) fn attach(&self, child: &mut Child) -> io::Result<()> {
        if let Some(stdin) = &child.stdin {
            fcntl(stdin, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
        }
        *lock(&self.wires.to_payload) = child.stdin.take();
        let wires = self.wires.clone();
        *lock(&self.pump) = child.stdout.take().map(|out| thread::spawn(move || print_out(out, &wires)));
        Ok(())
    }

    /// Returns when the last byte of the stopped payload is printed, or [`LAST_WORDS`] are over.
    pub(crate) fn detach(&self) {
        *lock(&self.wires.to_payload) = None;
        let Some(pump) = lock(&self.pump).take() else { return };
        let until = Instant::now() + LAST_WORDS;
        while !pump.is_finished() && Instant::now() < until {
            thread::sleep(Duration::from_millis(1));
        }
    }
}

/// Removes a socket that nobody listens on: a killed board leaves one, and it would refuse the bind.
fn remove_stale(path: &Path) -> io::Result<()> {
    let in_use = |kind, what| Err(io::Error::new(kind, format!("{} {what}", path.display())));
    match std::fs::symlink_metadata(path) {
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(()),
        Err(e) => return Err(unreachable(&e, path)),
        Ok(found) if !found.file_type().is_socket() => {
            return in_use(ErrorKind::AlreadyExists, "exists and is no socket: give the console another name");
        }
        Ok(_) => {}
    }
    match UnixStream::connect(path) {
        Ok(_) => in_use(ErrorKind::AddrInUse, "is the socket of a program that runs: give the console another name"),
        Err(e) if e.kind() == ErrorKind::ConnectionRefused => {
            std::fs::remove_file(path).map_err(|e| unreachable(&e, path))
        }
        Err(e) => Err(unreachable(&e, path)),
    }
}

fn unreachable(e: &io::Error, path: &Path) -> io::Error {
    named(e, "cannot use the console's socket", path, "give the console another name")
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn accept(listener: &UnixListener, wires: &Arc<Wires>) {
    for client in listener.incoming().flatten() {
        let Ok(reader) = client.set_nonblocking(true).and_then(|()| client.try_clone()) else { continue };
        lock(&wires.clients).push(client);
        let wires = wires.clone();
        thread::spawn(move || type_in(Waiting(reader), &wires));
    }
}

/// Reads from a client whose writes do not wait: the two share the mode of their socket.
struct Waiting(UnixStream);

impl Read for Waiting {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.0.read(bytes) {
                Err(e) if e.kind() == ErrorKind::WouldBlock => {
                    poll(&mut [PollFd::new(self.0.as_fd(), PollFlags::POLLIN)], PollTimeout::NONE)?;
                }
                done => return done,
            }
        }
    }
}

fn type_in(mut from: impl Read, wires: &Wires) {
    let mut bytes = [0; 256];
    while let Ok(n @ 1..) = from.read(&mut bytes) {
        if let Some(stdin) = lock(&wires.to_payload).as_mut() {
            // A payload that does not read loses what is typed, as a full receive buffer would.
            let _ = stdin.write_all(&bytes[..n]).and_then(|()| stdin.flush());
        }
    }
}

fn print_out(mut from: impl Read, wires: &Wires) {
    let mut bytes = [0; 1024];
    while let Ok(n @ 1..) = from.read(&mut bytes) {
        print(wires, &bytes[..n]);
    }
}

fn print(wires: &Wires, bytes: &[u8]) {
    let mut out = io::stdout().lock();
    let _ = out.write_all(bytes).and_then(|()| out.flush());
    lock(&wires.clients).retain_mut(|client| {
        let written = client.write_all(bytes);
        if written.is_err() {
            // Also ends the thread that reads from it.
            let _ = client.shutdown(Shutdown::Both);
        }
        written.is_ok()
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_socket_that_nobody_listens_on_is_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("uart");
        std::fs::write(&path, "somebody's work").unwrap();
        let e = Uart::open(Some(&path)).unwrap_err();
        assert_eq!(e.kind(), ErrorKind::AlreadyExists);
        assert!(e.to_string().contains("is no socket"), "{e}");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "somebody's work");

        std::fs::remove_file(&path).unwrap();
        let other = UnixListener::bind(&path).unwrap();
        assert_eq!(Uart::open(Some(&path)).unwrap_err().kind(), ErrorKind::AddrInUse);
        drop(other);
        Uart::open(Some(&path)).unwrap();
        UnixStream::connect(&path).unwrap();
    }
}
