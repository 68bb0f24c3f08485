#![no_std]
#![doc = include_str!("../README.md")]

// Written in assembly because the compiler would find that a loop in Rust is a `memcpy`, and call itself.
//
// All count down, so that one register is both the index and the number of bytes left. No object has half the
// address space, so a negative number says that none is left.

// Run-time ABI for the Arm Architecture §5.3.4. `memcpy` returns its first argument: it is left alone.
#[cfg(target_arch = "arm")]
core::arch::global_asm!(
    ".macro name symbol",
    ".global \\symbol",
    ".type \\symbol, %function",
    ".thumb_func",
    "\\symbol:",
    ".endm",
    ".section .text.small_mem.copy, \"ax\", %progbits",
    "name memcpy",
    "name __aeabi_memcpy",
    "name __aeabi_memcpy4",
    "name __aeabi_memcpy8",
    "b 2f",
    "1: ldrb r3, [r1, r2]",
    "strb r3, [r0, r2]",
    "2: subs r2, #1",
    "bpl 1b",
    "bx lr",
    ".size __aeabi_memcpy, . - __aeabi_memcpy",
    ".section .text.small_mem.fill, \"ax\", %progbits",
    "name __aeabi_memclr",
    "name __aeabi_memclr4",
    "name __aeabi_memclr8",
    "movs r2, #0",
    "name __aeabi_memset",
    "name __aeabi_memset4",
    "name __aeabi_memset8",
    "b 2f",
    "1: strb r2, [r0, r1]",
    "2: subs r1, #1",
    "bpl 1b",
    "bx lr",
    ".size __aeabi_memclr, . - __aeabi_memclr",
    ".purgem name",
);

#[cfg(target_arch = "riscv32")]
core::arch::global_asm!(
    ".section .text.small_mem.copy, \"ax\", %progbits",
    ".global memcpy",
    ".type memcpy, %function",
    "memcpy:",
    "j 2f",
    "1: addi a2, a2, -1",
    "add a3, a1, a2",
    "lbu a3, 0(a3)",
    "add a4, a0, a2",
    "sb a3, 0(a4)",
    "2: bnez a2, 1b",
    "ret",
    ".size memcpy, . - memcpy",
    ".section .text.small_mem.fill, \"ax\", %progbits",
    ".global memset",
    ".type memset, %function",
    "memset:",
    "j 2f",
    "1: addi a2, a2, -1",
    "add a3, a0, a2",
    "sb a1, 0(a3)",
    "2: bnez a2, 1b",
    "ret",
    ".size memset, . - memset",
);
