//! Size probe: a patch is decoded from memory-mapped flash, with a checkpoint at each sector.
#![no_std]
#![no_main]

use board::{Place, anything, bytes_at, register, set_register, stop};
use core::convert::Infallible;
use ota_diff::{Decoder, HEADER_LEN, Header, Images, PatchError, Thumb};
use small_mem as _;

#[cfg(not(feature = "profile-s"))]
use ota_diff::M as P;
#[cfg(feature = "profile-s")]
use ota_diff::S as P;

const SECTOR: u32 = 4096;

type State = Decoder<P, Thumb>;

static STATE: Place<State> = Place::holding(State::idle());

/// The images lie in memory; the new one is written through a register.
struct Mapped;

impl Images for Mapped {
    type Error = Infallible;

    fn read_old(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), Infallible> {
        bytes.copy_from_slice(bytes_at(0x2110_0000 + offset as usize, bytes.len()));
        Ok(())
    }

    fn read_new(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), Infallible> {
        bytes.copy_from_slice(bytes_at(0x2120_0000 + offset as usize, bytes.len()));
        Ok(())
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), Infallible> {
        bytes.iter().for_each(|byte| set_register(9, u32::from(*byte)));
        Ok(())
    }
}

#[unsafe(no_mangle)]
extern "C" fn _start() -> ! {
    match decode() {
        Ok(position) => stop(0, position),
        Err(_) => stop(1, 0),
    }
}

fn decode() -> Result<u32, PatchError> {
    let patch = bytes_at(0x2100_0000, register(1) as usize);
    let header = Header::parse(patch)?;
    let decoder = STATE.held();
    if anything::<u8>(2) == 0 {
        decoder.begin(&header)?;
    } else {
        let take = &mut |bytes: &mut [u8]| bytes.iter_mut().for_each(|byte| *byte = register(8) as u8);
        decoder.resume_in_place(&header, take)?;
    }
    let mut rest = patch.get(HEADER_LEN..).unwrap_or(&[]);
    while !decoder.is_done() && !rest.is_empty() {
        let until = (decoder.position() / SECTOR + 1) * SECTOR;
        let Ok(taken) = decoder.push(rest, until, &mut Mapped) else { return Err(PatchError::Saved) };
        rest = rest.get(taken..).unwrap_or(&[]);
        decoder.save_to(&mut |bytes| bytes.iter().for_each(|byte| set_register(8, u32::from(*byte))));
    }
    decoder.finish()?;
    Ok(decoder.position())
}
