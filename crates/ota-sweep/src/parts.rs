//! From a geometry to the code for its type of part: only the binary holds the agent so many times.

use ota_sweep::geometry::Geometry;
use ota_sweep::line::Line;
use ota_sweep::story::Materials;
use ota_sweep::tally::Tally;
use ota_sweep::unit::{self, Amplification, Shared, Unit};

/// What can be done with a part.
pub(crate) struct Code {
    pub(crate) run: fn(&Geometry, &Materials, &Unit, &Shared) -> Tally,
    pub(crate) replay: fn(&Geometry, &Materials, &Line),
    pub(crate) amplification: fn(&Geometry, &Materials) -> Amplification,
}

const fn of<const W: usize, const E: u8>() -> Code {
    Code { run: unit::run::<W, E>, replay: unit::replay::<W, E>, amplification: unit::amplification::<W, E> }
}

/// The code for parts of this write size and erase value.
///
/// # Panics
/// When a geometry was added without a line here.
pub(crate) fn code(geometry: &Geometry) -> Code {
    match (geometry.write, geometry.erased) {
        (1, 0xFF) => of::<1, 0xFF>(),
        (2, 0xFF) => of::<2, 0xFF>(),
        (4, 0xFF) => of::<4, 0xFF>(),
        (8, 0xFF) => of::<8, 0xFF>(),
        (16, 0xFF) => of::<16, 0xFF>(),
        (32, 0xFF) => of::<32, 0xFF>(),
        (64, 0xFF) => of::<64, 0xFF>(),
        (1, 0x00) => of::<1, 0x00>(),
        (4, 0x00) => of::<4, 0x00>(),
        (16, 0x00) => of::<16, 0x00>(),
        other => unreachable!("no code for a part of {other:?}: add a line"),
    }
}
