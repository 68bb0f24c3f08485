//! Results on standard output, for people or machines; progress on a terminal.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::io::{IsTerminal, Write as _};

/// How results are printed.
#[derive(Debug, Clone, Copy)]
pub struct Output {
    json: bool,
}

impl Output {
    /// As JSON, or as text.
    pub const fn new(json: bool) -> Self {
        Self { json }
    }

    /// Whether JSON was asked for.
    pub const fn is_json(self) -> bool {
        self.json
    }

    /// Prints one result: as indented JSON, or as `name: value` lines.
    pub fn result(self, value: &Value) {
        let text = if self.json { format!("{value:#}") } else { human(value) };
        print(text.trim_end());
    }

    /// Prints one event of a running command as one line of JSON, or `text`.
    pub fn event(self, value: &Value, text: impl FnOnce() -> String) {
        print(&if self.json { value.to_string() } else { text() });
    }

    /// Prints an error with its causes.
    pub fn error(self, e: &anyhow::Error) {
        if self.json {
            print(&json!({ "error": format!("{e:#}") }).to_string());
        } else {
            eprintln!("error: {e:#}");
        }
    }

    /// Tells on standard error what the user might not expect of a result. Results hold it too, for machines.
    pub fn warn(self, text: &str) {
        eprintln!("note: {text}");
    }

    /// A bar for `len` steps; invisible unless standard error is a terminal.
    pub fn bar(self, len: u64, label: &str) -> ProgressBar {
        let target = if self.json || !std::io::stderr().is_terminal() {
            ProgressDrawTarget::hidden()
        } else {
            ProgressDrawTarget::stderr()
        };
        let bar = ProgressBar::with_draw_target(Some(len), target).with_prefix(label.to_owned());
        if let Ok(style) = ProgressStyle::with_template("{prefix:24} [{bar:30}] {pos:>3}/{len} {msg}") {
            bar.set_style(style.progress_chars("=> "));
        }
        bar
    }
}

/// Prints a line. A reader that went away (`ota inspect … | head`) is not an error.
fn print(line: &str) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}

/// The value as indented `name: value` lines. Names are the JSON names with spaces.
pub fn human(value: &Value) -> String {
    let mut text = String::new();
    write_value(&mut text, value, 0);
    text
}

fn write_value(text: &mut String, value: &Value, depth: usize) {
    let Value::Object(fields) = value else {
        let _ = writeln!(text, "{:1$}{2}", "", depth * 2, scalar(value));
        return;
    };
    let width = fields.iter().filter(|(_, v)| !is_nested(v)).map(|(k, _)| k.len() + 1).max().unwrap_or(0);
    for (name, value) in fields {
        let label = format!("{}:", name.replace('_', " "));
        match value {
            Value::Null => {}
            Value::Object(_) => {
                let _ = writeln!(text, "{:1$}{label}", "", depth * 2);
                write_value(text, value, depth + 1);
            }
            Value::Array(items) if is_nested(value) => {
                for (i, item) in items.iter().enumerate() {
                    let _ = write!(text, "{:1$}{2} {3}:", "", depth * 2, name.replace('_', " "), i + 1);
                    match flat(item) {
                        Some(line) => {
                            let _ = writeln!(text, " {line}");
                        }
                        None => {
                            text.push('\n');
                            write_value(text, item, depth + 1);
                        }
                    }
                }
            }
            _ => {
                let _ = writeln!(text, "{:1$}{label:width$} {2}", "", depth * 2, scalar(value));
            }
        }
    }
}

fn is_nested(value: &Value) -> bool {
    match value {
        Value::Object(_) => true,
        Value::Array(items) => items.iter().any(Value::is_object),
        _ => false,
    }
}

/// A short object on one line.
fn flat(value: &Value) -> Option<String> {
    let fields = value.as_object().filter(|fields| fields.len() <= 6 && !fields.values().any(is_nested))?;
    let shown = fields.iter().filter(|(_, v)| !v.is_null());
    Some(shown.map(|(name, v)| format!("{} {}", name.replace('_', " "), scalar(v))).collect::<Vec<_>>().join(", "))
}

/// One value as text that is safe on a terminal.
pub fn scalar(value: &Value) -> String {
    match value {
        // What comes from a file or a device may hold control characters; a terminal must not obey them.
        Value::String(s) => s.chars().map(|c| if c.is_control() { '\u{FFFD}' } else { c }).collect(),
        Value::Array(items) if items.is_empty() => "none".to_owned(),
        Value::Array(items) => items.iter().map(scalar).collect::<Vec<_>>().join(", "),
        Value::Bool(true) => "yes".to_owned(),
        Value::Bool(false) => "no".to_owned(),
        Value::Null => "-".to_owned(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_the_json_with_spaces() {
        let text =
            human(&json!({ "kind": "image", "key_id": null, "tlvs": [{ "type": 1 }, { "type": 2 }], "ok": true }));
        assert!(text.starts_with("kind:   image\n"), "{text}");
        assert!(text.contains("tlvs 2: type 2\n"));
        assert!(!text.contains("key id"));
    }

    #[test]
    fn control_characters_do_not_reach_the_terminal() {
        assert!(!human(&json!({ "name": "\u{1b}[2J" })).contains('\u{1b}'));
    }
}
