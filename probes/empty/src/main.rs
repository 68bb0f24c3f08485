//! Size probe: the same shape as the others, and nothing in it.
#![no_std]
#![no_main]

#[unsafe(no_mangle)]
extern "C" fn _start() -> ! {
    board::stop(0, 0)
}
