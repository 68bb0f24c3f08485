//! The device's way to the file server: it carries so many bytes, then holds back the rest.
//!
//! A kill that is to strike in mid-download strikes there however slow this machine is: while nobody comes to do it, the
//! download waits at the valve.

use anyhow::{Context, Result};
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};

/// The most that is carried at a time.
const PIECE: usize = 1024;

/// A port of this machine that leads to another one.
pub(super) struct Valve {
    port: u16,
    gate: Arc<Gate>,
}

#[derive(Default)]
struct Gate {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// Bytes that may still pass to the device.
    left: u64,
    /// Connections that were made under another number are dead.
    life: u64,
    /// Where it leads.
    server: u16,
}

impl Valve {
    /// A shut one that leads nowhere.
    pub(super) fn new() -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no port is free")?;
        let (port, gate) = (listener.local_addr()?.port(), Arc::<Gate>::default());
        let shared = Arc::clone(&gate);
        // It ends with the process.
        std::thread::spawn(move || {
            for device in listener.incoming().flatten() {
                let gate = Arc::clone(&shared);
                std::thread::spawn(move || gate.serve(&device));
            }
        });
        Ok(Self { port, gate })
    }

    /// The port that devices are to be sent to.
    pub(super) fn port(&self) -> u16 {
        self.port
    }

    /// Leads to the server at this port.
    pub(super) fn lead_to(&self, server: u16) {
        self.gate.lock().server = server;
    }

    /// Carries so many bytes from now on. Connections made before are dead, with all that was under way in them.
    pub(super) fn carry(&self, bytes: u64) {
        let mut state = self.gate.lock();
        (state.left, state.life) = (bytes, state.life + 1);
        self.gate.changed.notify_all();
    }
}

impl Gate {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no thread panics with the state")
    }

    /// One connection, to its end; how it ended is the device's affair.
    fn serve(&self, device: &TcpStream) {
        let (life, port) = {
            let state = self.lock();
            (state.life, state.server)
        };
        if let Ok(server) = TcpStream::connect((Ipv4Addr::LOCALHOST, port)) {
            std::thread::scope(|both| {
                both.spawn(|| {
                    let _ = io::copy(&mut &*device, &mut &server);
                    let _ = server.shutdown(Shutdown::Write);
                });
                let _ = self.pour(life, &server, device);
                let _ = device.shutdown(Shutdown::Both);
                let _ = server.shutdown(Shutdown::Both);
            });
        }
    }

    fn pour(&self, life: u64, mut server: &TcpStream, mut device: &TcpStream) -> io::Result<()> {
        let mut piece = [0; PIECE];
        while let Some(most) = self.allowed(life) {
            let read = server.read(&mut piece[..most])?;
            if read == 0 || !self.pass(life, read) {
                break;
            }
            device.write_all(&piece[..read])?;
        }
        Ok(())
    }

    /// Waits until something may pass; how much. `None` for a dead connection.
    fn allowed(&self, life: u64) -> Option<usize> {
        let state = self.lock();
        let held = |state: &mut State| state.life == life && state.left == 0;
        let state = self.changed.wait_while(state, held).expect("no thread panics with the state");
        (state.life == life).then(|| usize::try_from(state.left).map_or(PIECE, |left| left.min(PIECE)))
    }

    /// Counts what passes; not when the connection has died meanwhile.
    fn pass(&self, life: u64, bytes: usize) -> bool {
        let mut state = self.lock();
        let alive = state.life == life;
        if alive {
            state.left = state.left.saturating_sub(bytes as u64);
        }
        alive
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    /// A server that says 10000 bytes to everybody, and stays.
    fn server() -> u16 {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let port = listener.local_addr().expect("bound").port();
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                (&client).write_all(&[7; 10_000]).expect("it listens");
                std::mem::forget(client);
            }
        });
        port
    }

    fn read(client: &TcpStream, most: usize) -> usize {
        let mut bytes = vec![0; most];
        let (mut client, mut got) = (client, 0);
        while let Ok(more @ 1..) = client.read(&mut bytes[got..]) {
            got += more;
        }
        got
    }

    fn connect(valve: &Valve) -> TcpStream {
        let client = TcpStream::connect((Ipv4Addr::LOCALHOST, valve.port())).expect("the valve listens");
        client.set_read_timeout(Some(Duration::from_millis(300))).expect("a timeout");
        client
    }

    #[test]
    fn not_one_byte_more_than_allowed_passes_and_what_was_held_back_never_does() {
        let valve = Valve::new().expect("a valve");
        valve.lead_to(server());
        valve.carry(2500);
        let held = connect(&valve);
        assert_eq!(read(&held, 10_000), 2500);
        valve.carry(u64::MAX);
        held.set_read_timeout(None).expect("none");
        assert_eq!(read(&held, 10_000), 0, "the connection must have died");
        assert_eq!(read(&connect(&valve), 10_000), 10_000);
    }
}
