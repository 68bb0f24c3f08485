//! Splits a line into words.

/// The words of a line: separated by blanks; `'…'` or `"…"` makes one word of anything that does not hold that quote.
///
/// Words are slices of the line: nothing is copied, so there is no escape character.
///
/// # Examples
/// ```
/// use otaapp::console::Words;
/// let words: Vec<_> = Words::new(r#"devinfo set pk "my device" '' "#).collect::<Result<_, _>>()?;
/// assert_eq!(words, ["devinfo", "set", "pk", "my device", ""]);
/// # Ok::<(), otaapp::console::WordError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Words<'l> {
    rest: &'l str,
}

/// Why a line cannot be split.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WordError {
    /// A quote is not closed.
    Unclosed,
    /// A quote stands inside a word, or text follows a closing quote.
    Misplaced,
}

impl WordError {
    /// For people.
    pub const fn text(self) -> &'static str {
        match self {
            Self::Unclosed => "a quote is not closed",
            Self::Misplaced => "a quote must enclose a whole word",
        }
    }
}

impl core::fmt::Display for WordError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(self.text())
    }
}
impl core::error::Error for WordError {}

impl<'l> Words<'l> {
    /// The words of `line`.
    pub const fn new(line: &'l str) -> Self {
        Self { rest: line }
    }

    fn quoted(&mut self, quote: char, text: &'l str) -> Result<&'l str, WordError> {
        let (word, rest) = text.split_once(quote).ok_or(WordError::Unclosed)?;
        if !(rest.is_empty() || rest.starts_with(BLANK)) {
            return Err(WordError::Misplaced);
        }
        self.rest = rest;
        Ok(word)
    }
}

const BLANK: [char; 2] = [' ', '\t'];
const QUOTES: [char; 2] = ['"', '\''];

impl<'l> Iterator for Words<'l> {
    type Item = Result<&'l str, WordError>;

    fn next(&mut self) -> Option<Self::Item> {
        let text = self.rest.trim_start_matches(BLANK);
        // After an error there is nothing more to say about the line.
        self.rest = "";
        let first = text.chars().next()?;
        if QUOTES.contains(&first) {
            return Some(self.quoted(first, text.get(1..).unwrap_or_default()));
        }
        let (word, rest) = text.find(BLANK).and_then(|at| text.split_at_checked(at)).unwrap_or((text, ""));
        if word.contains(QUOTES) {
            return Some(Err(WordError::Misplaced));
        }
        self.rest = rest;
        Some(Ok(word))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    fn split(line: &str) -> Result<Vec<&str>, WordError> {
        Words::new(line).collect()
    }

    #[test]
    fn blanks_of_any_number_separate() {
        assert_eq!(split(" \t a  b\tc "), Ok(["a", "b", "c"].into()));
        assert_eq!(split("   "), Ok([].into()));
    }

    #[test]
    fn quotes_keep_blanks_and_the_other_quote() {
        assert_eq!(split(r#"'a "b"' "it's" ''"#), Ok([r#"a "b""#, "it's", ""].into()));
    }

    #[test]
    fn a_quote_that_encloses_no_whole_word_is_refused() {
        assert_eq!(split("\"open"), Err(WordError::Unclosed));
        assert_eq!(split("a\"b\""), Err(WordError::Misplaced));
        assert_eq!(split("\"a\"b"), Err(WordError::Misplaced));
        assert_eq!(split("'"), Err(WordError::Unclosed));
    }

    #[test]
    fn letters_of_several_bytes_are_no_trouble() {
        assert_eq!(split("é 'ü b' 語"), Ok(["é", "ü b", "語"].into()));
    }
}
