//! The same for datagrams: it carries so many bytes of answers, then loses the rest.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::io::Result;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, AtomicU64, Ordering};

/// A port of this machine that leads to another one.
pub(super) struct UdpValve {
    port: u16,
    gate: Arc<Gate>,
}

#[derive(Default)]
struct Gate {
    /// Bytes that may still pass to devices.
    left: AtomicU64,
    /// Where it leads.
    server: AtomicU16,
}

impl UdpValve {
    /// A shut one that leads nowhere.
    pub(super) fn new() -> Result<Self> {
        let front = Arc::new(UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?);
        let (port, gate) = (front.local_addr()?.port(), Arc::<Gate>::default());
        let shared = Arc::clone(&gate);
        // It ends with the process.
        std::thread::spawn(move || shared.serve(&front));
        Ok(Self { port, gate })
    }

    /// The port that devices are to be sent to.
    pub(super) fn port(&self) -> u16 {
        self.port
    }

    /// Leads to the server at this port.
    pub(super) fn lead_to(&self, server: u16) {
        self.gate.server.store(server, Ordering::SeqCst);
    }

    /// Carries so many bytes from now on.
    pub(super) fn carry(&self, bytes: u64) {
        self.gate.left.store(bytes, Ordering::SeqCst);
    }
}

impl Gate {
    /// Each device has a socket to the server, and a thread for the answers.
    fn serve(self: &Arc<Self>, front: &Arc<UdpSocket>) {
        let mut ways: HashMap<SocketAddr, Arc<UdpSocket>> = HashMap::new();
        let mut datagram = [0; 2_048];
        while let Ok((len, device)) = front.recv_from(&mut datagram) {
            let way = match ways.entry(device) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(new) => match self.way(front, device) {
                    Ok(way) => new.insert(way),
                    Err(_) => continue,
                },
            };
            let server = (Ipv4Addr::LOCALHOST, self.server.load(Ordering::SeqCst));
            // A datagram that the network does not take is lost, like any other.
            let _ = way.send_to(&datagram[..len], server);
        }
    }

    /// A device's own way to the server.
    fn way(self: &Arc<Self>, front: &Arc<UdpSocket>, device: SocketAddr) -> Result<Arc<UdpSocket>> {
        let way = Arc::new(UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?);
        let (gate, front, back) = (Arc::clone(self), Arc::clone(front), Arc::clone(&way));
        std::thread::spawn(move || gate.answer(&back, &front, device));
        Ok(way)
    }

    fn answer(&self, way: &UdpSocket, front: &UdpSocket, device: SocketAddr) {
        let mut datagram = [0; 2_048];
        loop {
            // An error is that of a request that found no server.
            let Ok(len) = way.recv(&mut datagram) else { continue };
            let pass = |left: u64| left.checked_sub(len as u64);
            if self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, pass).is_ok() {
                let _ = front.send_to(&datagram[..len], device);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn what_is_allowed_passes_and_the_rest_is_lost() {
        let server = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let port = server.local_addr().expect("bound").port();
        std::thread::spawn(move || {
            let mut datagram = [0; 100];
            while let Ok((_, from)) = server.recv_from(&mut datagram) {
                server.send_to(&[7; 40], from).expect("loopback");
            }
        });
        let valve = UdpValve::new().expect("a valve");
        valve.lead_to(port);
        valve.carry(100);
        let device = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        device.connect((Ipv4Addr::LOCALHOST, valve.port())).expect("connected");
        device.set_read_timeout(Some(Duration::from_millis(300))).expect("a timeout");
        let answers = || {
            let sent = (0..4).map(|_| device.send(b"x").and_then(|_| device.recv(&mut [0; 100])));
            sent.filter_map(Result::ok).count()
        };
        assert_eq!(answers(), 2);
        valve.carry(u64::MAX);
        assert_eq!(answers(), 4);
    }
}
