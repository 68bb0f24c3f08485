//! The tools of others, and the settings in which they are run.

/// Where a tool comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tool {
    Bsdiff,
    Xdelta,
    Zstd,
    Xz,
    Detools,
    HdiffPatch,
    HpatchLite,
    Heatshrink,
    Qbsdiff,
}

impl Tool {
    pub(super) const ALL: [Self; 9] = [
        Self::Bsdiff,
        Self::Xdelta,
        Self::Zstd,
        Self::Xz,
        Self::Detools,
        Self::HdiffPatch,
        Self::HpatchLite,
        Self::Heatshrink,
        Self::Qbsdiff,
    ];
}

/// One setting of one tool. In commands, the first word names a program that `Kit` knows; `{old}`, `{new}`, `{patch}`
/// and `{out}` are files; `>` before a file takes standard output.
#[derive(Debug, Clone, Copy)]
pub(super) struct Setting {
    pub(super) name: &'static str,
    pub(super) tool: Tool,
    /// The only instruction set it is for.
    pub(super) isa: Option<&'static str>,
    pub(super) make: &'static str,
    pub(super) apply: &'static str,
}

const fn any(name: &'static str, tool: Tool, make: &'static str, apply: &'static str) -> Setting {
    Setting { name, tool, isa: None, make, apply }
}

const fn on(isa: &'static str, name: &'static str, tool: Tool, make: &'static str, apply: &'static str) -> Setting {
    Setting { name, tool, isa: Some(isa), make, apply }
}

const DETOOLS: &str = "detools apply_patch {old} {patch} {out}";
const HPATCHZ: &str = "hpatchz {old} {patch} {out}";
const LITE: &str = "hpatchlite apply - - {old} {patch} {out}";
const UNSHRINK_11: &str = "heatshrink decompress -w 11 -l 4 {patch} {out}";
const UNSHRINK_12: &str = "heatshrink decompress -w 12 -l 5 {patch} {out}";
const XZ_THUMB: &str = "xz -k --armthumb --lzma2=preset=9e,lc=3,lp=1,pb=1 -c {new} > {patch}";
const UNXZ: &str = "xz -q -d -c {patch} > {out}";
const UNZSTD: &str = "zstd -q -f -d --long=27 {patch} -o {out}";
const UNZSTD_FROM: &str = "zstd -q -f -d --long=27 --patch-from={old} {patch} -o {out}";

/// The setting that the limit on 4 KiB appliers is about.
pub(super) const LITE_4K: &str = "HPatchLite tuz 4k";

/// Patches.
pub(super) const PATCHES: &[Setting] = &[
    any("bsdiff", Tool::Bsdiff, "bsdiff {old} {new} {patch}", "bspatch {old} {out} {patch}"),
    any("qbsdiff -9", Tool::Qbsdiff, "qbsdiff diff {old} {new} {patch}", "qbsdiff patch {old} {patch} {out}"),
    any("xdelta3 -9", Tool::Xdelta, "xdelta3 -e -9 -f -s {old} {new} {patch}", "xdelta3 -d -f -s {old} {patch} {out}"),
    any(
        "xdelta3 -9 -S lzma",
        Tool::Xdelta,
        "xdelta3 -e -9 -S lzma -f -s {old} {new} {patch}",
        "xdelta3 -d -f -s {old} {patch} {out}",
    ),
    any(
        "zstd -19 --patch-from",
        Tool::Zstd,
        "zstd -q -f -19 --long=27 --patch-from={old} {new} -o {patch}",
        UNZSTD_FROM,
    ),
    any(
        "zstd -22 --patch-from",
        Tool::Zstd,
        "zstd -q -f --ultra -22 --long=27 --patch-from={old} {new} -o {patch}",
        UNZSTD_FROM,
    ),
    any("detools lzma", Tool::Detools, "detools create_patch -c lzma {old} {new} {patch}", DETOOLS),
    any("detools bz2", Tool::Detools, "detools create_patch -c bz2 {old} {new} {patch}", DETOOLS),
    any("detools zstd", Tool::Detools, "detools create_patch -c zstd {old} {new} {patch}", DETOOLS),
    any("detools heatshrink 8,7", Tool::Detools, "detools create_patch -c heatshrink {old} {new} {patch}", DETOOLS),
    any(
        "detools heatshrink 12,8",
        Tool::Detools,
        "detools create_patch -c heatshrink --heatshrink-window-sz2 12 --heatshrink-lookahead-sz2 8 {old} {new} {patch}",
        DETOOLS,
    ),
    any(
        "detools hdiffpatch lzma",
        Tool::Detools,
        "detools create_patch -t hdiffpatch -a hdiffpatch -c lzma {old} {new} {patch}",
        DETOOLS,
    ),
    on(
        "thumb",
        "detools lzma, data format",
        Tool::Detools,
        "detools create_patch -c lzma --data-format arm-cortex-m4 {old} {new} {patch}",
        DETOOLS,
    ),
    on(
        "xtensa",
        "detools lzma, data format",
        Tool::Detools,
        "detools create_patch -c lzma --data-format xtensa-lx106 {old} {new} {patch}",
        DETOOLS,
    ),
    any("hdiffz -m-1 lzma2", Tool::HdiffPatch, "hdiffz -m-1 -c-lzma2-9 -d -f {old} {new} {patch}", HPATCHZ),
    any("hdiffz -SD -m-1 lzma2", Tool::HdiffPatch, "hdiffz -SD -m-1 -c-lzma2-9 -d -f {old} {new} {patch}", HPATCHZ),
    any("hdiffz -SD -m-6 lzma2", Tool::HdiffPatch, "hdiffz -SD -m-6 -c-lzma2-9 -d -f {old} {new} {patch}", HPATCHZ),
    any("HPatchLite lzma 32k", Tool::HpatchLite, "hpatchlite make lzma 15 {old} {new} {patch}", LITE),
    any("HPatchLite lzma 4k", Tool::HpatchLite, "hpatchlite make lzma 12 {old} {new} {patch}", LITE),
    any("HPatchLite tuz 32k", Tool::HpatchLite, "hpatchlite make tuz 32768 {old} {new} {patch}", LITE),
    any(LITE_4K, Tool::HpatchLite, "hpatchlite make tuz 4096 {old} {new} {patch}", LITE),
    any("HPatchLite tuz 1k", Tool::HpatchLite, "hpatchlite make tuz 1024 {old} {new} {patch}", LITE),
    any("full image, xz -9e", Tool::Xz, "xz -k -9e -c {new} > {patch}", UNXZ),
    on("thumb", "full image, xz -9e, Thumb filter", Tool::Xz, XZ_THUMB, UNXZ),
];

/// Full images. `{old}` is an empty file.
pub(super) const COMPRESSED: &[Setting] = &[
    any("heatshrink 11,4", Tool::Heatshrink, "heatshrink compress -w 11 -l 4 {new} {patch}", UNSHRINK_11),
    any("heatshrink 12,5", Tool::Heatshrink, "heatshrink compress -w 12 -l 5 {new} {patch}", UNSHRINK_12),
    any("tinyuz 4k (HPatchLite)", Tool::HpatchLite, "hpatchlite make tuz 4096 {old} {new} {patch}", LITE),
    any("zstd -19", Tool::Zstd, "zstd -q -f -19 {new} -o {patch}", UNZSTD),
    any("xz -9e", Tool::Xz, "xz -k -9e -c {new} > {patch}", UNXZ),
    any("xz -9e lp=1 pb=1", Tool::Xz, "xz -k --lzma2=preset=9e,lc=3,lp=1,pb=1 -c {new} > {patch}", UNXZ),
    on("thumb", "xz -9e, ARM filter", Tool::Xz, "xz -k --arm --lzma2=preset=9e -c {new} > {patch}", UNXZ),
    on("thumb", "xz -9e, Thumb filter", Tool::Xz, "xz -k --armthumb --lzma2=preset=9e -c {new} > {patch}", UNXZ),
    on("thumb", "xz -9e lp=1 pb=1, Thumb filter", Tool::Xz, XZ_THUMB, UNXZ),
    on("riscv32", "xz -9e, RISC-V filter", Tool::Xz, "xz -k --riscv --lzma2=preset=9e -c {new} > {patch}", UNXZ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_means_one_setting_on_each_instruction_set() {
        for list in [PATCHES, COMPRESSED] {
            for (n, setting) in list.iter().enumerate() {
                let twins = list[..n].iter().filter(|other| other.name == setting.name);
                assert!(twins.clone().all(|other| other.isa.is_some() && other.isa != setting.isa), "{}", setting.name);
                assert!(twins.clone().all(|other| other.tool == setting.tool), "{}", setting.name);
                assert!(setting.make.contains("{new}") && setting.make.contains("{patch}"), "{}", setting.name);
                assert!(setting.apply.contains("{patch}") && setting.apply.contains("{out}"), "{}", setting.name);
            }
        }
        assert!(PATCHES.iter().any(|setting| setting.name == LITE_4K));
    }
}
