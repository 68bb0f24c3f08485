//! Where the trace of what came in goes: to the file named by `OTA_TRACE`.

use otaapp::trace::Traced;
use std::fs::OpenOptions;
use std::io::{self, Write};

/// Takes offset and length of each read.
pub(crate) type Note = Box<dyn FnMut(u32, usize)>;

/// `source`, with one line `OFFSET LENGTH` appended to the file for each read.
pub(crate) fn traced<S>(source: S) -> io::Result<Traced<S, Note>> {
    let Some(path) = std::env::var_os("OTA_TRACE") else { return Ok(Traced::new(source, Box::new(|_, _| {}))) };
    let mut file = OpenOptions::new().create(true).append(true).open(path)?;
    let note = move |offset, len| {
        // An observer's file that cannot be written must not disturb the update.
        let _ = file.write_all(format!("{offset} {len}\n").as_bytes());
    };
    Ok(Traced::new(source, Box::new(note)))
}
