//! Whose code a symbol is.

/// The crate that holds the code of a mangled symbol, or `None` for names that are no Rust paths.
///
/// For a method of a trait implementation that is the crate with the `impl`; for a default method the trait's; for an
/// instance of a generic function the function's, whatever the types.
pub(crate) fn crate_of(symbol: &str) -> Option<String> {
    if let Some(path) = symbol.strip_prefix("_R") {
        let mut reader = Reader { path: path.as_bytes(), at: 0, depth: 0 };
        return match reader.krate() {
            Some(name) => Some(name),
            None => of_text(&readable(symbol)),
        };
    }
    (symbol.starts_with("_ZN") || symbol.starts_with(".Lanon")).then(|| of_text(&readable(symbol))).flatten()
}

/// The name for people, without hashes.
pub(crate) fn readable(symbol: &str) -> String {
    format!("{:#}", rustc_demangle::demangle(symbol))
}

/// The first path of a demangled name; for `<T as Trait>` the trait's.
fn of_text(text: &str) -> Option<String> {
    let mut rest = text;
    if let Some(inner) = text.strip_prefix('<') {
        let mut depth = 1;
        let mut trait_at = None;
        for (at, c) in inner.char_indices() {
            match c {
                '<' | '(' | '[' => depth += 1,
                '>' | ')' | ']' => depth -= 1,
                ' ' if depth == 1 && inner[at..].starts_with(" as ") => trait_at = Some(at + 4),
                _ => {}
            }
            if depth == 0 {
                break;
            }
        }
        rest = &inner[trait_at.unwrap_or(0)..];
    }
    let rest = rest.trim_start_matches(['<', '&', '*', '(', '[']).trim_start_matches("mut ").trim_start_matches("dyn ");
    let end = rest.find("::")?;
    let name = &rest[..end];
    name.chars().all(|c| c.is_alphanumeric() || c == '_').then(|| name.to_owned())
}

/// Walks the head of a v0 path down to its crate.
/// # Source
/// RFC 2603, "Rust symbol name mangling (v0)", the grammar of `path`.
struct Reader<'a> {
    path: &'a [u8],
    at: usize,
    depth: u8,
}

impl Reader<'_> {
    fn next(&mut self) -> Option<u8> {
        let byte = *self.path.get(self.at)?;
        self.at += 1;
        Some(byte)
    }

    fn krate(&mut self) -> Option<String> {
        self.depth += 1;
        if self.depth > 100 {
            return None;
        }
        match self.next()? {
            b'C' => {
                self.disambiguator()?;
                self.identifier()
            }
            b'N' => {
                self.next()?;
                self.krate()
            }
            b'I' => self.krate(),
            // Inherent and trait implementations: the path of the `impl` comes first.
            b'M' | b'X' => {
                self.disambiguator()?;
                self.krate()
            }
            b'B' => {
                self.at = usize::try_from(self.number()?).ok()?;
                self.krate()
            }
            // A default method: the type comes before the trait; the text is easier to read.
            _ => None,
        }
    }

    fn disambiguator(&mut self) -> Option<()> {
        if self.path.get(self.at) == Some(&b's') {
            self.at += 1;
            self.number()?;
        }
        Some(())
    }

    fn number(&mut self) -> Option<u64> {
        let mut value = 0u64;
        if self.path.get(self.at) == Some(&b'_') {
            self.at += 1;
            return Some(0);
        }
        loop {
            let digit = match self.next()? {
                b'_' => return value.checked_add(1),
                c @ b'0'..=b'9' => c - b'0',
                c @ b'a'..=b'z' => c - b'a' + 10,
                c @ b'A'..=b'Z' => c - b'A' + 36,
                _ => return None,
            };
            value = value.checked_mul(62)?.checked_add(u64::from(digit))?;
        }
    }

    fn identifier(&mut self) -> Option<String> {
        let mut len = 0usize;
        while let Some(digit @ b'0'..=b'9') = self.path.get(self.at) {
            len = len.checked_mul(10)?.checked_add(usize::from(digit - b'0'))?;
            self.at += 1;
        }
        if self.path.get(self.at) == Some(&b'_') {
            self.at += 1;
        }
        let name = self.path.get(self.at..self.at.checked_add(len)?).filter(|name| !name.is_empty())?;
        String::from_utf8(name.to_vec()).ok()
    }
}

/// Under which heading of the breakdown a symbol goes.
pub(crate) fn heading(symbol: &str, krate: Option<&str>) -> String {
    let memory = ["mem", "__aeabi_mem", "__memcpy", "bcmp"].iter().any(|start| symbol.starts_with(start));
    match krate {
        _ if memory => "memory functions".into(),
        Some("compiler_builtins") if readable(symbol).contains("::mem") => "memory functions".into(),
        Some("sha2" | "digest" | "block_buffer" | "crypto_common" | "hybrid_array" | "typenum") => "SHA-256".into(),
        Some("compiler_builtins") => "compiler_builtins".into(),
        // The entry of the panic handler.
        Some("__rustc") => "core".into(),
        Some(name) => name.replace('_', "-"),
        None if symbol.starts_with("__") => "compiler_builtins".into(),
        None if symbol == "_start" => "start, and what was inlined there".into(),
        None => "unnamed".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GENERIC: &str = "_RINvMs1_NtCseuKrFcuvaDg_8ota_boot6loaderINtB6_6ImagesINtNtCs1ZIAgTVe8cY_7ota_hal6region6RegionINtNtBU_5flash6SharedNtCsekWszTusv70_5board4PartEEINtNtCs931cVQFGFdj_10ota_verify3rsa6RsaPssKj40_ENtB1R_3DogE5storeB1u_KB2Z_ECs8qyLsdnmyr3_6loader";

    #[test]
    fn code_belongs_to_the_crate_of_its_impl() {
        assert_eq!(crate_of(GENERIC).as_deref(), Some("ota_boot"));
        assert_eq!(crate_of("_RNvNtNtCs1ZIAgTVe8cY_7ota_hal7journal3crc6update").as_deref(), Some("ota_hal"));
        assert_eq!(crate_of("_RNvNtCsgqsoOlHXgAL_4sha26sha25611compress256").as_deref(), Some("sha2"));
    }

    #[test]
    fn a_default_method_belongs_to_the_trait() {
        assert_eq!(of_text("<board::Part as ota_hal::flash::Flash>::sector_at").as_deref(), Some("ota_hal"));
        assert_eq!(of_text("<&[u8] as core::iter::Iterator>::map").as_deref(), Some("core"));
    }

    #[test]
    fn the_older_mangling_is_read_too() {
        let name = "_ZN4core9panicking5panic17h0123456789abcdefE";
        assert_eq!(crate_of(name).as_deref(), Some("core"));
        assert_eq!(readable(name), "core::panicking::panic");
    }

    #[test]
    fn what_is_no_path_has_no_crate() {
        for name in ["", "_R", "_RC", "_RNv", "memcpy", "_start", "_RB_", "_RB0_"] {
            assert_eq!(crate_of(name), None, "{name}");
        }
        assert_eq!(heading("__aeabi_memcpy4", None), "memory functions");
    }
}
