//! Which of the others' tools are here, in which version, and how the rest comes here.

use super::tools::Tool;
use crate::run::{has, need_debian, output, root, target_dir};
use anyhow::{Context, Result, bail, ensure};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Pinned, so that a run next year measures the same programs.
const DETOOLS: &str = "detools==0.53.0";
const HDIFFPATCH: &str = "hdiffpatch==2.6.0";
const HEATSHRINK: &str = "heatshrink2==0.15.0";
/// Builds HDiffPatch's own programs from the sources in the Python package, without what nothing here uses.
const MAKE: [&str; 11] =
    ["LDEF=0", "ZLIB=0", "ZSTD=0", "BSD=0", "BZIP2=0", "VCD=0", "MT=0", "DIR_DIFF=0", "MD5=0", "XXH=0", "LZMA=1"];
const SCRIPT: &str = include_str!("hpatchlite.py");

/// The tools, kept under `target/`.
pub(super) struct Kit {
    dir: PathBuf,
    present: Vec<(Tool, String)>,
}

impl Kit {
    /// Looks what is here.
    pub(super) fn look() -> Result<Self> {
        let dir = target_dir()?.join("xtask/delta-tools");
        std::fs::create_dir_all(&dir).with_context(|| format!("cannot make {}", dir.display()))?;
        std::fs::write(dir.join("hpatchlite.py"), SCRIPT)?;
        let mut kit = Self { dir, present: Vec::new() };
        kit.present = Tool::ALL.into_iter().filter_map(|tool| Some((tool, kit.version(tool)?))).collect();
        Ok(kit)
    }

    /// Installs what is missing, from Debian and PyPI.
    pub(super) fn install(self) -> Result<Self> {
        let missing: Vec<Tool> = Tool::ALL.into_iter().filter(|tool| !self.has(*tool)).collect();
        let debian: Vec<&str> = missing.iter().filter_map(|tool| debian(*tool)).collect();
        if !debian.is_empty() {
            need_debian(&debian, "the comparison")?;
        }
        if missing.iter().any(|tool| python_module(*tool).is_some()) {
            self.install_python()?;
        }
        if missing.contains(&Tool::HdiffPatch) {
            self.build_hdiffpatch()?;
        }
        Self::look()
    }

    /// Whether `tool` is here.
    pub(super) fn has(&self, tool: Tool) -> bool {
        self.version_of(tool).is_some()
    }

    /// The version of a tool that is here.
    pub(super) fn version_of(&self, tool: Tool) -> Option<&str> {
        self.present.iter().find(|(known, _)| *known == tool).map(|(_, version)| version.as_str())
    }

    /// The tools that are here, with their versions.
    pub(super) fn present(&self) -> impl Iterator<Item = String> {
        self.present.iter().map(|(tool, version)| format!("{} {version}", name(*tool)))
    }

    /// The tools that are not here, each with how to get it.
    pub(super) fn missing(&self) -> impl Iterator<Item = String> {
        let missing = Tool::ALL.into_iter().filter(|tool| !self.has(*tool));
        missing.map(|tool| {
            let how = match (debian(tool), python_module(tool)) {
                (Some(package), _) => format!("apt-get install {package}"),
                (_, Some(_)) => format!("pip install {}", pinned(tool)),
                _ => format!("pip download --no-binary hdiffpatch {HDIFFPATCH}, then make hdiffz hpatchz in it"),
            };
            format!("{} ({how})", name(tool))
        })
    }

    /// A setting's command with its programs and files. The second is where standard output goes, when it goes to a file.
    pub(super) fn command(&self, template: &str, files: &[(&str, &Path)]) -> Result<(Vec<OsString>, Option<PathBuf>)> {
        let (template, stdout) = template.split_once(" > ").map_or((template, None), |(left, to)| (left, Some(to)));
        let mut words = template.split(' ');
        let mut command = self.program(words.next().unwrap_or_default())?;
        command.extend(words.map(|word| filled(word, files)));
        Ok((command, stdout.map(|to| filled(to, files).into())))
    }

    fn program(&self, name: &str) -> Result<Vec<OsString>> {
        let python = self.dir.join("venv/bin/python3").into_os_string();
        Ok(match name {
            "detools" | "heatshrink" => {
                vec![python, "-m".into(), if name == "detools" { "detools" } else { "heatshrink2" }.into()]
            }
            "hpatchlite" => vec![python, self.dir.join("hpatchlite.py").into()],
            "hdiffz" | "hpatchz" => vec![self.dir.join(name).into()],
            "qbsdiff" => vec![std::env::current_exe()?.into(), "qbsdiff".into()],
            _ => vec![name.into()],
        })
    }

    fn version(&self, tool: Tool) -> Option<String> {
        match tool {
            Tool::Bsdiff | Tool::Xdelta | Tool::Zstd | Tool::Xz => {
                let programs: &[&str] = match tool {
                    Tool::Bsdiff => &["bsdiff", "bspatch"],
                    Tool::Xdelta => &["xdelta3"],
                    Tool::Zstd => &["zstd"],
                    _ => &["xz"],
                };
                programs.iter().all(|program| has(program)).then(|| debian_version(debian(tool).unwrap_or_default()))
            }
            Tool::HdiffPatch => {
                let said = output(Command::new(self.dir.join("hdiffz")).arg("-v")).ok()?;
                Some(said.split_whitespace().last()?.trim_start_matches('v').to_owned())
            }
            Tool::Qbsdiff => locked_version("qbsdiff"),
            Tool::Detools | Tool::HpatchLite | Tool::Heatshrink => {
                let module = python_module(tool)?;
                let ask = format!("import importlib.metadata as m, {module}; print(m.version('{module}'))");
                Some(self.python(&["-c", &ask]).ok()?.trim().to_owned())
            }
        }
    }

    fn python(&self, args: &[&str]) -> Result<String> {
        output(Command::new(self.dir.join("venv/bin/python3")).args(args))
    }

    fn install_python(&self) -> Result<()> {
        let make = || output(Command::new("python3").args(["-m", "venv", "--clear"]).arg(self.dir.join("venv")));
        if make().is_err() {
            need_debian(&["python3", "python3-venv"], "the comparison")?;
            make()?;
        }
        let packages = [DETOOLS, HDIFFPATCH, HEATSHRINK];
        eprintln!("installing for the comparison: {}", packages.join(" "));
        self.python(&[&["-m", "pip", "install", "--quiet"], &packages[..]].concat()).map(drop)
    }

    /// The Python package brings the sources of HDiffPatch whole.
    fn build_hdiffpatch(&self) -> Result<()> {
        let needed: Vec<&str> = ["g++", "make"].into_iter().filter(|program| !has(program)).collect();
        if !needed.is_empty() {
            need_debian(&needed, "HDiffPatch")?;
        }
        if !self.dir.join("venv").exists() {
            self.install_python()?;
        }
        eprintln!("building HDiffPatch from the sources in {HDIFFPATCH}");
        let dir = self.dir.to_str().context("the path of target/ is not UTF-8")?;
        let download = ["-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", "hdiffpatch", "-d", dir];
        self.python(&[&download[..], &[HDIFFPATCH]].concat())?;
        let tree = HDIFFPATCH.replace("==", "-");
        output(Command::new("tar").arg("-C").arg(dir).arg("-xzf").arg(self.dir.join(format!("{tree}.tar.gz"))))?;
        let sources = self.dir.join(tree).join("hdiffpatch/_c_src/HDiffPatch");
        output(Command::new("make").arg("-C").arg(&sources).args(MAKE).args(["hdiffz", "hpatchz"]))?;
        for program in ["hdiffz", "hpatchz"] {
            std::fs::copy(sources.join(program), self.dir.join(program)).with_context(|| format!("no {program}"))?;
        }
        Ok(())
    }
}

/// `word` with the files in place of their names in braces.
fn filled(word: &str, files: &[(&str, &Path)]) -> OsString {
    let found = files.iter().find_map(|(name, path)| Some((word.strip_suffix(&format!("{{{name}}}"))?, path)));
    let Some((before, path)) = found else { return word.into() };
    let mut whole = OsString::from(before);
    whole.push(path);
    whole
}

const fn name(tool: Tool) -> &'static str {
    match tool {
        Tool::Bsdiff => "bsdiff",
        Tool::Xdelta => "xdelta3",
        Tool::Zstd => "zstd",
        Tool::Xz => "xz",
        Tool::Detools => "detools",
        Tool::HdiffPatch => "HDiffPatch",
        Tool::HpatchLite => "HPatchLite (hdiffpatch of PyPI)",
        Tool::Heatshrink => "heatshrink2",
        Tool::Qbsdiff => "qbsdiff",
    }
}

const fn debian(tool: Tool) -> Option<&'static str> {
    match tool {
        Tool::Bsdiff => Some("bsdiff"),
        Tool::Xdelta => Some("xdelta3"),
        Tool::Zstd => Some("zstd"),
        Tool::Xz => Some("xz-utils"),
        _ => None,
    }
}

const fn python_module(tool: Tool) -> Option<&'static str> {
    match tool {
        Tool::Detools => Some("detools"),
        Tool::HpatchLite => Some("hdiffpatch"),
        Tool::Heatshrink => Some("heatshrink2"),
        _ => None,
    }
}

const fn pinned(tool: Tool) -> &'static str {
    match tool {
        Tool::Detools => DETOOLS,
        Tool::Heatshrink => HEATSHRINK,
        _ => HDIFFPATCH,
    }
}

fn debian_version(package: &str) -> String {
    output(Command::new("dpkg-query").args(["-W", "-f", "${Version}", package]))
        .unwrap_or_else(|_| "of the path".into())
}

fn locked_version(package: &str) -> Option<String> {
    let lock = std::fs::read_to_string(root().join("Cargo.lock")).ok()?;
    let (_, rest) = lock.split_once(&format!("name = \"{package}\"\nversion = \""))?;
    Some(rest.split('"').next()?.to_owned())
}

/// Arguments of qbsdiff as a program of its own, which it does not bring.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Qbsdiff {
    /// `diff` or `patch`
    verb: String,
    old: PathBuf,
    given: PathBuf,
    result: PathBuf,
}

/// Makes a patch with qbsdiff, or applies one.
pub(crate) fn qbsdiff(args: &Qbsdiff) -> Result<()> {
    let (old, given) = (std::fs::read(&args.old)?, std::fs::read(&args.given)?);
    let mut result = Vec::new();
    match args.verb.as_str() {
        "diff" => {
            let compared =
                qbsdiff::Bsdiff::new(&old, &given).compression_level(9).compare(std::io::Cursor::new(&mut result));
            compared.context("qbsdiff made no patch")?;
        }
        "patch" => {
            let patch = qbsdiff::Bspatch::new(&given).context("qbsdiff takes this for no patch")?;
            patch.apply(&old, std::io::Cursor::new(&mut result)).context("qbsdiff did not apply the patch")?;
        }
        other => bail!("{other} is neither diff nor patch"),
    }
    ensure!(!result.is_empty(), "qbsdiff wrote nothing");
    std::fs::write(&args.result, result)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_take_their_places_also_behind_an_option() {
        let files = [("old", Path::new("/a b")), ("patch", Path::new("/p"))];
        assert_eq!(filled("{old}", &files), "/a b");
        assert_eq!(filled("--patch-from={old}", &files), "--patch-from=/a b");
        assert_eq!(filled("{new}", &files), "{new}");
        let kit = Kit { dir: "/kit".into(), present: Vec::new() };
        let (command, stdout) = kit.command("xz -c {old} > {patch}", &files).unwrap();
        assert_eq!(command, ["xz", "-c", "/a b"].map(OsString::from));
        assert_eq!(stdout, Some("/p".into()));
        let (command, stdout) = kit.command("detools apply_patch {old}", &files).unwrap();
        assert_eq!(command, ["/kit/venv/bin/python3", "-m", "detools", "apply_patch", "/a b"].map(OsString::from));
        assert_eq!(stdout, None);
    }

    #[test]
    fn every_missing_tool_says_how_to_get_it() {
        let kit = Kit { dir: "/kit".into(), present: vec![(Tool::Zstd, "1".into())] };
        let missing: Vec<String> = kit.missing().collect();
        assert_eq!(missing.len(), Tool::ALL.len() - 1);
        assert!(missing.contains(&"bsdiff (apt-get install bsdiff)".to_owned()), "{missing:?}");
        assert!(missing.contains(&format!("detools (pip install {DETOOLS})")), "{missing:?}");
    }
}
