//! Everything a device may link, and no allocator. The compiler refuses to make a static library in which any crate,
//! ours or another's, links `alloc` when no crate brings a heap. Without a target for `std` it refuses `std` likewise.
#![no_std]

use ota_boot as _;
use ota_coap as _;
use ota_diff as _;
use ota_download as _;
use ota_hal as _;
use ota_service as _;
use ota_transport as _;
use ota_verify as _;
use otaapp as _;

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}
