//! What happens, told to standard output and to every open page.

use crate::output::Output;
use serde_json::Value;
use tokio::sync::broadcast;

/// Tells everybody.
#[derive(Debug, Clone)]
pub(super) struct Events {
    output: Output,
    pages: broadcast::Sender<String>,
}

impl Events {
    /// Nobody listens yet.
    pub(super) fn new(output: Output) -> Self {
        Self { output, pages: broadcast::channel(256).0 }
    }

    /// Tells one event; it has a field `event`.
    pub(super) fn emit(&self, event: Value) {
        self.output
            .event(&event, || crate::output::human(&event).lines().map(str::trim).collect::<Vec<_>>().join("  "));
        // No page is open: nobody misses it.
        let _ = self.pages.send(event.to_string());
    }

    /// Listens from now on. A slow page loses events, never slows the server.
    pub(super) fn subscribe(&self) -> broadcast::Receiver<String> {
        self.pages.subscribe()
    }
}
