//! A way for datagrams between two programs on loopback that loses some of them.

use anyhow::Result;
use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{sleep, spawn};
use std::time::Duration;

/// How long each datagram is under way.
const DELAY: Duration = Duration::from_millis(2);
/// How often a thread looks whether it is still needed.
const LOOK: Duration = Duration::from_millis(50);

/// Between one client at a time and one server. Dropping it ends it.
pub(super) struct Relay {
    /// Where the client finds the server.
    pub(super) port: u16,
    road: Arc<Road>,
}

struct Road {
    /// What the client speaks to.
    front: UdpSocket,
    /// What the server hears.
    behind: UdpSocket,
    client: Mutex<Option<SocketAddr>>,
    lose_percent: u32,
    chance: AtomicU32,
    carried: AtomicU32,
    lost: AtomicU32,
    /// How many more may pass.
    left: AtomicU32,
    closed: AtomicBool,
}

impl Relay {
    /// Loses so many of a hundred in each direction, the same ones of the same traffic.
    pub(super) fn start(server: u16, lose_percent: u32) -> Result<Self> {
        let (front, behind) = (UdpSocket::bind("127.0.0.1:0")?, UdpSocket::bind("127.0.0.1:0")?);
        behind.connect(("127.0.0.1", server))?;
        for socket in [&front, &behind] {
            socket.set_read_timeout(Some(LOOK))?;
        }
        let port = front.local_addr()?.port();
        let (chance, carried, lost) = (AtomicU32::new(1), AtomicU32::new(0), AtomicU32::new(0));
        let (client, left, closed) = (Mutex::new(None), AtomicU32::new(u32::MAX), AtomicBool::new(false));
        let road = Arc::new(Road { front, behind, client, lose_percent, chance, carried, lost, left, closed });
        let (there, back) = (Arc::clone(&road), Arc::clone(&road));
        spawn(move || there.carry(Road::there));
        spawn(move || back.carry(Road::back));
        Ok(Self { port, road })
    }

    /// Carries so many datagrams from now on, in both directions together, and not one more; they are not counted as lost.
    pub(super) fn allow(&self, datagrams: u32) {
        self.road.left.store(datagrams, Ordering::Relaxed);
    }

    /// How many datagrams came, and how many of them were lost.
    pub(super) fn counts(&self) -> (u32, u32) {
        (self.road.carried.load(Ordering::Relaxed), self.road.lost.load(Ordering::Relaxed))
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.road.closed.store(true, Ordering::Relaxed);
    }
}

impl Road {
    fn carry(&self, step: fn(&Self, &mut [u8]) -> std::io::Result<()>) {
        let mut bytes = [0; 2_048];
        while !self.closed.load(Ordering::Relaxed) {
            // Nothing came, or nobody listens at the other end at the moment.
            let _ = step(self, &mut bytes);
        }
    }

    fn there(&self, bytes: &mut [u8]) -> std::io::Result<()> {
        let (len, from) = self.front.recv_from(bytes)?;
        *self.client.lock().expect("no thread panics with it") = Some(from);
        if self.passes() { self.behind.send(&bytes[..len]).map(drop) } else { Ok(()) }
    }

    fn back(&self, bytes: &mut [u8]) -> std::io::Result<()> {
        let len = self.behind.recv(bytes)?;
        let client = *self.client.lock().expect("no thread panics with it");
        match client.filter(|_| self.passes()) {
            Some(client) => self.front.send_to(&bytes[..len], client).map(drop),
            None => Ok(()),
        }
    }

    fn passes(&self) -> bool {
        sleep(DELAY);
        if self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_err() {
            return false;
        }
        self.carried.fetch_add(1, Ordering::Relaxed);
        let next = |n: u32| Some(n.wrapping_mul(1_664_525).wrapping_add(1_013_904_223));
        let n = self.chance.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next).unwrap_or_default();
        let passes = (n >> 16) % 100 >= self.lose_percent;
        if !passes {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
        passes
    }
}
