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
        self.output.event(&event, || line(&event));
        // No page is open: nobody misses it.
        let _ = self.pages.send(event.to_string());
    }

    /// Listens from now on. A slow page loses events, never slows the server.
    pub(super) fn subscribe(&self) -> broadcast::Receiver<String> {
        self.pages.subscribe()
    }
}

/// `kind  name=value name=value`, without what is empty.
fn line(event: &Value) -> String {
    let mut text = String::new();
    for (name, value) in event.as_object().into_iter().flatten().filter(|(_, v)| !v.is_null()) {
        let value = crate::output::scalar(value);
        text += &if name == "event" { format!("{value:<9}") } else { format!(" {name}={value}") };
    }
    text
}
