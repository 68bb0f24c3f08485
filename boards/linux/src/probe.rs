//! The smallest firmware for this board: it greets, feeds the watchdog, and ends as its UART tells it to.
//!
//! The board's tests run it as payload; it is also the shortest example of how to live on this board.

use ota_board_linux::{Feeder, env};
use ota_hal::Watchdog;
use std::io::{self, BufRead};
use std::time::Duration;

fn main() -> io::Result<()> {
    let var = |name| std::env::var(name).unwrap_or_default();
    let mut watchdog = Feeder::open(var(env::WATCHDOG).parse().map_err(io::Error::other)?)?;
    let greeting = format!("probe: slot {} cause {} pid {}", var(env::SLOT), var(env::CAUSE), std::process::id());
    println!("{greeting}");
    let mut feeder = watchdog.try_clone()?;
    for line in io::stdin().lock().lines() {
        watchdog.feed();
        match line?.as_str() {
            "who" => println!("{greeting}"),
            "feed" => println!("probe: fed"),
            "feed-forever" => {
                println!("probe: feeding");
                loop {
                    feeder.feed();
                    std::thread::sleep(Duration::from_millis(20));
                }
            }
            "reset" => std::process::exit(i32::from(ota_board_linux::EXIT_RESET)),
            "panic" => panic!("as asked"),
            "abort" => std::process::abort(),
            "end" => return Ok(()),
            "hang" => loop {
                std::thread::park();
            },
            other => println!("probe: {other}?"),
        }
    }
    Ok(())
}
