//! The sample application on `ota-board-linux`.

mod linux;

use ota_board_linux::Board;
use otaapp::product::{Fault, VERSION};

fn main() -> anyhow::Result<()> {
    let board = Board::from_env()?;
    println!("otaapp {VERSION}: slot {:?}", board.running);
    match Fault::BUILT_IN {
        Fault::Hang => loop {
            std::thread::park();
        },
        Fault::Crash => std::process::abort(),
        Fault::None | Fault::Gate => {}
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(linux::run(board))
}
