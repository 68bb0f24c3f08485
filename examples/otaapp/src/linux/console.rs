//! Standard input and output as the console.

use otaapp::device::Console;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, ReadBuf, Stdin, stdin};

thread_local! {
    static INPUT: RefCell<Input> = RefCell::new(Input { stdin: stdin(), typed: VecDeque::new() });
}

/// Where people type and read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Terminal;

impl Console for Terminal {
    fn print(&self, text: &str) {
        print!("{text}");
    }
    fn print_number(&self, number: u32) {
        print!("{number}");
    }
    async fn byte(&self) -> u8 {
        poll_fn(|context| INPUT.with_borrow_mut(|input| input.poll_byte(context))).await
    }
}

struct Input {
    stdin: Stdin,
    /// Typed and not yet taken.
    typed: VecDeque<u8>,
}

impl Input {
    fn poll_byte(&mut self, context: &mut Context<'_>) -> Poll<u8> {
        if self.typed.is_empty() {
            let mut bytes = [0; 64];
            let mut bytes = ReadBuf::new(&mut bytes);
            // A UART has no end; a board without one leaves stdin closed, and then no byte ever comes.
            if ready!(Pin::new(&mut self.stdin).poll_read(context, &mut bytes)).is_ok() {
                self.typed.extend(bytes.filled());
            }
        }
        self.typed.pop_front().map_or(Poll::Pending, Poll::Ready)
    }
}
