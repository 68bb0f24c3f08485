//! Writes what each target begins with to `fuzz/corpus`.

use std::path::Path;

fn main() -> std::io::Result<()> {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    ota_sweep::fuzz::write_seeds(&corpus)?;
    println!("the targets' first inputs are in {}", corpus.display());
    Ok(())
}
