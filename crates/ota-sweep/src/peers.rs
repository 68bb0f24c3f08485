//! The two other sides: a server that delivers an object, and a cloud that offers and listens. Both follow a script.

mod cloud;
mod server;

pub use cloud::{Cloud, Failed, OwnedOffer, Say, Session};
pub use server::{Broken, Download, LOCATOR, Opening, Server};

async fn yield_once() {
    let mut waited = false;
    core::future::poll_fn(|_| match core::mem::replace(&mut waited, true) {
        true => core::task::Poll::Ready(()),
        false => core::task::Poll::Pending,
    })
    .await;
}
