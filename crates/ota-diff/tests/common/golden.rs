//! The golden vectors, for the fuzz targets and their seeds: they must be in the program, wherever it is run.
// Each target uses some of it.
#![allow(dead_code)]

/// An old image, its successor, and patches for both profiles.
pub(crate) struct Golden {
    pub(crate) old: &'static [u8],
    pub(crate) new: &'static [u8],
    pub(crate) patches: [&'static [u8]; 2],
}

macro_rules! golden {
    ($arch:literal) => {
        Golden {
            old: include_bytes!(concat!("../vectors/", $arch, "-old.bin")),
            new: include_bytes!(concat!("../vectors/", $arch, "-new.bin")),
            patches: [
                include_bytes!(concat!("../vectors/", $arch, "-s.patch")),
                include_bytes!(concat!("../vectors/", $arch, "-m.patch")),
            ],
        }
    };
}

pub(crate) const GOLDEN: [Golden; 4] = [golden!("none"), golden!("thumb"), golden!("riscv"), golden!("xtensa")];
