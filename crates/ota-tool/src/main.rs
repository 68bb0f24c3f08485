//! The `ota` command: parses the command line, everything else is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    ota_tool::cli::main()
}
