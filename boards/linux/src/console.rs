//! The UART: stdin and stdout of the board process, and clients of an optional socket, meet the payload's.

use std::io::{self, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::{Child, ChildStdin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

/// One serial line. What anybody types goes to the payload that runs now; what board and payload print goes to
/// everybody. As on a real line, bytes typed while the processor is down are lost.
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
    /// When the socket cannot be made.
    pub fn open(path: Option<&Path>) -> io::Result<Self> {
        let uart = Self::default();
        if let Some(path) = path {
            // A socket file left by a killed board would refuse the bind; the device lock rules out a living one.
            let _ = std::fs::remove_file(path);
            let listener = UnixListener::bind(path)?;
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

    pub(crate) fn attach(&self, child: &mut Child) {
        *lock(&self.wires.to_payload) = child.stdin.take();
        let wires = self.wires.clone();
        *lock(&self.pump) = child.stdout.take().map(|out| thread::spawn(move || print_out(out, &wires)));
    }

    /// Returns when the last byte of the stopped payload is printed.
    pub(crate) fn detach(&self) {
        *lock(&self.wires.to_payload) = None;
        let pump = lock(&self.pump).take();
        if let Some(pump) = pump {
            let _ = pump.join();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn accept(listener: &UnixListener, wires: &Arc<Wires>) {
    for client in listener.incoming().flatten() {
        let Ok(reader) = client.try_clone() else { continue };
        lock(&wires.clients).push(client);
        let wires = wires.clone();
        thread::spawn(move || type_in(reader, &wires));
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
    lock(&wires.clients).retain_mut(|client| client.write_all(bytes).is_ok());
}
