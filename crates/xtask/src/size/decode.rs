//! What an instruction does to the flow of control, the stack pointer, and which addresses it names. Nothing else.

use super::elf::{Machine, Section};

/// Where an instruction may go, beside the next one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flow {
    /// Nowhere, back to the caller, or into a jump table of the same function.
    None,
    /// A function, which comes back.
    Call(u32),
    /// An address of the same function, or a last call.
    Jump(u32),
    /// Whatever a register holds, which comes back.
    CallRegister,
    /// Whatever a register holds: a last call, on RISC-V also a jump table.
    JumpRegister,
}

/// What is known of one instruction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Instruction {
    pub(crate) len: u32,
    pub(crate) flow: Flow,
    /// An address or number it makes or loads.
    pub(crate) constant: Option<u32>,
    /// Bytes it takes from the stack.
    pub(crate) stack: u32,
}

impl Instruction {
    const fn new(len: u32) -> Self {
        Self { len, flow: Flow::None, constant: None, stack: 0 }
    }
    const fn flow(mut self, flow: Flow) -> Self {
        self.flow = flow;
        self
    }
    const fn constant(mut self, constant: Option<u32>) -> Self {
        self.constant = constant;
        self
    }
    const fn stack(mut self, bytes: u32) -> Self {
        self.stack = bytes;
        self
    }
}

/// Reads the instructions of one function in order; remembers what they put into registers.
pub(crate) struct Decoder<'a> {
    code: &'a Section,
    machine: Machine,
    registers: [Option<u32>; 32],
}

impl<'a> Decoder<'a> {
    pub(crate) const fn new(code: &'a Section, machine: Machine) -> Self {
        Self { code, machine, registers: [None; 32] }
    }

    /// The instruction at `pc`; `None` past the end.
    pub(crate) fn at(&mut self, pc: u32) -> Option<Instruction> {
        let first = self.code.half_at(pc)?;
        Some(match self.machine {
            Machine::Thumb if first >> 11 >= 0b11101 => self.thumb32(pc, first, self.code.half_at(pc + 2)?),
            Machine::Thumb => self.thumb16(pc, first),
            Machine::RiscV if first & 3 == 3 => {
                self.riscv32(pc, u32::from(first) | u32::from(self.code.half_at(pc + 2)?) << 16)
            }
            Machine::RiscV => self.riscv16(pc, u32::from(first)),
        })
    }

    /// # Source
    /// ARMv7-M Architecture Reference Manual, A7.7; the letters are its encodings.
    fn thumb16(&self, pc: u32, op: u16) -> Instruction {
        let word = u32::from(op);
        let base = Instruction::new(2);
        let from = pc.wrapping_add(4);
        match op {
            // B T1; conditions 14 and 15 are UDF and SVC.
            _ if op >> 12 == 0b1101 && (op >> 8) & 15 < 14 => {
                base.flow(Flow::Jump(from.wrapping_add(signed(word << 1, 9))))
            }
            // B T2
            _ if op >> 11 == 0b11100 => base.flow(Flow::Jump(from.wrapping_add(signed(word << 1, 12)))),
            // BLX, BX: register 14 is the way back.
            _ if op & 0xFF87 == 0x4780 => base.flow(Flow::CallRegister),
            _ if op & 0xFF87 == 0x4700 && op >> 3 & 15 != 14 => base.flow(Flow::JumpRegister),
            // PUSH T1, SUB SP T1
            _ if op & 0xFE00 == 0xB400 => base.stack(4 * (word & 0x1FF).count_ones()),
            _ if op & 0xFF80 == 0xB080 => base.stack(4 * (word & 0x7F)),
            // LDR literal T1
            _ if op >> 11 == 0b01001 => base.constant(self.code.word_at((from & !3) + 4 * (word & 0xFF))),
            _ => base,
        }
    }

    fn thumb32(&mut self, pc: u32, first: u16, second: u16) -> Instruction {
        let (a, b) = (u32::from(first), u32::from(second));
        let base = Instruction::new(4);
        let from = pc.wrapping_add(4);
        let destination = (b >> 8 & 15) as usize;
        let wide = (a & 15) << 12 | (a >> 10 & 1) << 11 | (b >> 12 & 7) << 8 | b & 0xFF;
        match (a, b) {
            // BL, B T4
            _ if a >> 11 == 0b11110 && b & 0x9000 == 0x9000 => {
                let s = a >> 10 & 1;
                let (i1, i2) = (!(b >> 13 ^ s) & 1, !(b >> 11 ^ s) & 1);
                let offset = s << 24 | i1 << 23 | i2 << 22 | (a & 0x3FF) << 12 | (b & 0x7FF) << 1;
                let target = from.wrapping_add(signed(offset, 25));
                base.flow(if b & 0x4000 != 0 { Flow::Call(target) } else { Flow::Jump(target) })
            }
            // MOVW, MOVT: together an address.
            _ if a & 0xFBF0 == 0xF240 && b & 0x8000 == 0 => {
                self.registers[destination] = Some(wide);
                base
            }
            _ if a & 0xFBF0 == 0xF2C0 && b & 0x8000 == 0 => {
                let whole = self.registers[destination].map(|low| wide << 16 | low & 0xFFFF);
                self.registers[destination] = whole;
                base.constant(whole)
            }
            // SUB SP immediate T3 (of the small numbers only), T4
            _ if a & 0xFBFF == 0xF1AD && b & 0x8F00 == 0x0D00 => base.stack(expanded(wide & 0xFFF)),
            _ if a & 0xFBFF == 0xF2AD && b & 0x8F00 == 0x0D00 => base.stack(wide & 0xFFF),
            // B T3
            _ if a >> 11 == 0b11110 && b & 0xD000 == 0x8000 && a >> 6 & 15 < 14 => {
                let offset =
                    (a >> 10 & 1) << 20 | (b >> 11 & 1) << 19 | (b >> 13 & 1) << 18 | (a & 63) << 12 | (b & 0x7FF) << 1;
                base.flow(Flow::Jump(from.wrapping_add(signed(offset, 21))))
            }
            // PUSH T2, T3; VPUSH
            (0xE92D, _) => base.stack(4 * b.count_ones()),
            (0xF84D, _) if b & 0xFFF == 0xD04 => base.stack(4),
            (0xED2D, _) => base.stack(4 * (b & 0xFF)),
            // LDR literal T2
            (0xF8DF, _) => base.constant(self.code.word_at((from & !3) + (b & 0xFFF))),
            (0xF85F, _) => base.constant(self.code.word_at((from & !3).wrapping_sub(b & 0xFFF))),
            _ => base,
        }
    }

    /// # Source
    /// The RISC-V Instruction Set Manual, volume I, RV32I.
    fn riscv32(&mut self, pc: u32, op: u32) -> Instruction {
        let base = Instruction::new(4);
        let (rd, rs1) = ((op >> 7 & 31) as usize, (op >> 15 & 31) as usize);
        let low = signed(op >> 20, 12);
        let source = self.registers[rs1];
        let mut value = None;
        let mut done = base;
        match op & 0x7F {
            0x6F => {
                let offset =
                    (op >> 31) << 20 | (op >> 12 & 0xFF) << 12 | (op >> 20 & 1) << 11 | (op >> 21 & 0x3FF) << 1;
                let target = pc.wrapping_add(signed(offset, 21));
                done = base.flow(if rd == 0 { Flow::Jump(target) } else { Flow::Call(target) });
            }
            0x67 => {
                done = base.flow(match (rd, rs1, source) {
                    (0, 1, None) => Flow::None,
                    (0, _, Some(address)) => Flow::Jump(address.wrapping_add(low)),
                    (_, _, Some(address)) => Flow::Call(address.wrapping_add(low)),
                    (0, ..) => Flow::JumpRegister,
                    _ => Flow::CallRegister,
                });
            }
            0x63 => {
                let offset = (op >> 31) << 12 | (op >> 7 & 1) << 11 | (op >> 25 & 63) << 5 | (op >> 8 & 15) << 1;
                return base.flow(Flow::Jump(pc.wrapping_add(signed(offset, 13))));
            }
            // Stores name an address and change no register.
            0x23 => {
                let low = signed((op >> 25) << 5 | op >> 7 & 31, 12);
                return base.constant(source.map(|address| address.wrapping_add(low)));
            }
            0x17 => value = Some(pc.wrapping_add(op & 0xFFFF_F000)),
            0x37 => value = Some(op & 0xFFFF_F000),
            0x13 if op >> 12 & 7 == 0 => {
                value = source.map(|address| address.wrapping_add(low));
                done = base.constant(value);
                if rd == 2 && rs1 == 2 && op >> 31 == 1 {
                    done = base.stack(low.wrapping_neg());
                }
            }
            0x03 => done = base.constant(source.map(|address| address.wrapping_add(low))),
            _ => {}
        }
        self.registers[rd] = if rd == 0 { None } else { value };
        done
    }

    /// # Source
    /// The same, "C" extension, RV32C.
    fn riscv16(&mut self, pc: u32, op: u32) -> Instruction {
        let base = Instruction::new(2);
        let rd = (op >> 7 & 31) as usize;
        let short = 8 + (op >> 7 & 7) as usize;
        let six = signed((op >> 12 & 1) << 5 | op >> 2 & 31, 6);
        let (quadrant, function) = (op & 3, op >> 13);
        match (quadrant, function) {
            (1, 1 | 5) => {
                let bit = |from: u32, to: u32| (op >> from & 1) << to;
                let offset = bit(12, 11) | bit(11, 4) | (op >> 9 & 3) << 8 | bit(8, 10) | bit(7, 6) | bit(6, 7);
                let target = pc.wrapping_add(signed(offset | (op >> 3 & 7) << 1 | bit(2, 5), 12));
                return base.flow(if function == 1 { Flow::Call(target) } else { Flow::Jump(target) });
            }
            (1, 6 | 7) => {
                let offset = (op >> 12 & 1) << 8
                    | (op >> 10 & 3) << 3
                    | (op >> 5 & 3) << 6
                    | (op >> 3 & 3) << 1
                    | (op >> 2 & 1) << 5;
                return base.flow(Flow::Jump(pc.wrapping_add(signed(offset, 9))));
            }
            // C.ADDI16SP
            (1, 3) if rd == 2 => {
                let offset = (op >> 12 & 1) << 9
                    | (op >> 6 & 1) << 4
                    | (op >> 5 & 1) << 6
                    | (op >> 3 & 3) << 7
                    | (op >> 2 & 1) << 5;
                let offset = signed(offset, 10);
                return if offset >> 31 == 1 { base.stack(offset.wrapping_neg()) } else { base };
            }
            (1, 3) => self.registers[rd] = Some(six << 12),
            (1, 0) => {
                let value = self.registers[rd].map(|value| value.wrapping_add(six));
                self.registers[rd] = if rd == 0 { None } else { value };
                let done = base.constant(value);
                return if rd == 2 && six >> 31 == 1 { done.stack(six.wrapping_neg()) } else { done };
            }
            (1, 2) => self.registers[rd] = None,
            (1, _) => self.registers[short] = None,
            (2, 4) if op >> 2 & 31 == 0 && rd != 0 => {
                let call = op >> 12 & 1 == 1;
                return base.flow(match (call, rd) {
                    (true, _) => Flow::CallRegister,
                    (false, 1) => Flow::None,
                    (false, _) => Flow::JumpRegister,
                });
            }
            (2, 0..=4) => self.registers[rd] = None,
            (0, 0..=3) => self.registers[8 + (op >> 2 & 7) as usize] = None,
            _ => {}
        }
        base
    }
}

/// The lowest `bits` of a number as a signed one.
const fn signed(value: u32, bits: u32) -> u32 {
    let shift = 32 - bits;
    ((value << shift) as i32 >> shift) as u32
}

/// ThumbExpandImm.
const fn expanded(imm: u32) -> u32 {
    let low = imm & 0xFF;
    match imm >> 8 {
        0 => low,
        1 => low << 16 | low,
        2 => low << 24 | low << 8,
        3 => low << 24 | low << 16 | low << 8 | low,
        _ => (low | 0x80).rotate_right(imm >> 7),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Decodes at 0x1000 and returns the last of the instructions.
    fn last(machine: Machine, bytes: &[u8]) -> Instruction {
        let code = Section { name: ".text".into(), addr: 0x1000, size: bytes.len() as u32, bytes: bytes.to_vec() };
        let mut decoder = Decoder::new(&code, machine);
        let (mut pc, mut found) = (0x1000, None);
        while let Some(instruction) = decoder.at(pc) {
            pc += instruction.len;
            found = Some(instruction);
        }
        found.expect("there is an instruction")
    }

    // Bytes as LLVM's assembler makes them.
    #[test]
    fn thumb() {
        let t = |bytes: &[u8]| last(Machine::Thumb, bytes);
        assert_eq!(t(&[0x00, 0xF0, 0x02, 0xF8]).flow, Flow::Call(0x1008)); // bl .+8
        assert_eq!(t(&[0xFF, 0xF7, 0xFE, 0xFF]).flow, Flow::Call(0x1000)); // bl .
        assert_eq!(t(&[0x00, 0xF0, 0x02, 0xB8]).flow, Flow::Jump(0x1008)); // b.w .+8
        assert_eq!(t(&[0x02, 0xE0]).flow, Flow::Jump(0x1008)); // b .+8
        assert_eq!(t(&[0xFE, 0xD0]).flow, Flow::Jump(0x1000)); // beq .
        assert_eq!(t(&[0x98, 0x47]).flow, Flow::CallRegister); // blx r3
        assert_eq!(t(&[0x18, 0x47]).flow, Flow::JumpRegister); // bx r3
        assert_eq!(t(&[0x70, 0x47]).flow, Flow::None); // bx lr
        assert_eq!(t(&[0xF0, 0xB5]).stack, 20); // push {r4-r7, lr}
        assert_eq!(t(&[0x82, 0xB0]).stack, 8); // sub sp, #8
        assert_eq!(t(&[0x2D, 0xE9, 0xF0, 0x4F]).stack, 36); // push.w {r4-r11, lr}
        assert_eq!(t(&[0xAD, 0xF5, 0x80, 0x7D]).stack, 256); // sub.w sp, sp, #256
        // movw r0, #0x1234; movt r0, #0x2000
        assert_eq!(t(&[0x41, 0xF2, 0x34, 0x20, 0xC2, 0xF2, 0x00, 0x00]).constant, Some(0x2000_1234));
    }

    #[test]
    fn riscv() {
        let r =
            |words: &[u32]| last(Machine::RiscV, &words.iter().flat_map(|word| word.to_le_bytes()).collect::<Vec<_>>());
        assert_eq!(r(&[0x0080_00EF]).flow, Flow::Call(0x1008)); // jal .+8
        assert_eq!(r(&[0x0080_006F]).flow, Flow::Jump(0x1008)); // j .+8
        assert_eq!(r(&[0x0000_0097, 0x0200_80E7]).flow, Flow::Call(0x1020)); // auipc ra, 0; jalr 32(ra)
        assert_eq!(r(&[0x0005_00E7]).flow, Flow::CallRegister); // jalr a0
        assert_eq!(r(&[0x0000_8067]).flow, Flow::None); // ret
        assert_eq!(r(&[0xF801_0113]).stack, 128); // addi sp, sp, -128
        assert_eq!(r(&[0x2000_0537, 0x0045_0513]).constant, Some(0x2000_0004)); // lui a0; addi a0, a0, 4
        let c = |half: u16| last(Machine::RiscV, &half.to_le_bytes());
        assert_eq!(c(0x2021).flow, Flow::Call(0x1008)); // c.jal .+8
        assert_eq!(c(0xA021).flow, Flow::Jump(0x1008)); // c.j .+8
        assert_eq!(c(0x8082).flow, Flow::None); // ret
        assert_eq!(c(0x9502).flow, Flow::CallRegister); // c.jalr a0
        assert_eq!(c(0x1141).stack, 16); // c.addi sp, -16
        assert_eq!(c(0x7139).stack, 64); // c.addi16sp -64
    }
}
