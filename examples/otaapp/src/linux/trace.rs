//! Writes down which bytes of an object came in, so that an observer can count those that came twice.

use ota_download::{Opened, Request, Source};
use std::fs::{File, OpenOptions};
use std::io::{self, Write};

/// A source whose deliveries are appended to the file named by `OTA_TRACE`: one line `OFFSET LENGTH` for each read.
///
/// A line is written before the bytes are handed on: what a SIGKILL leaves is never less than what was received,
/// but for the one read it struck.
#[derive(Debug)]
pub(crate) struct Traced<S> {
    source: S,
    file: Option<File>,
    offset: u64,
}

impl<S> Traced<S> {
    pub(crate) fn from_env(source: S) -> io::Result<Self> {
        let path = std::env::var_os("OTA_TRACE");
        let file = path.map(|path| OpenOptions::new().create(true).append(true).open(path)).transpose()?;
        Ok(Self { source, file, offset: 0 })
    }

    fn note(&mut self, len: usize) {
        if let Some(file) = self.file.as_mut() {
            // An observer's file that cannot be written must not disturb the update.
            let _ = file.write_all(format!("{} {len}\n", self.offset).as_bytes());
        }
        self.offset += len as u64;
    }
}

impl<S: Source> Source for Traced<S> {
    type Error = S::Error;

    async fn open(&mut self, request: Request<'_>) -> Result<Opened, S::Error> {
        let opened = self.source.open(request).await?;
        self.offset = opened.offset.into();
        Ok(opened)
    }
    async fn read(&mut self, bytes: &mut [u8]) -> Result<usize, S::Error> {
        let len = self.source.read(bytes).await?;
        if len > 0 {
            self.note(len);
        }
        Ok(len)
    }
    async fn close(&mut self) {
        self.source.close().await;
    }
}
