//! Tables in Markdown that read well in a terminal too.

use std::fmt::Write as _;

/// The lines with their columns aligned; the first line is the head, the first `left` columns stand to the left.
pub(crate) fn aligned<R: AsRef<[String]>>(lines: &[R], left: usize) -> String {
    let columns = lines.first().map_or(0, |head| head.as_ref().len());
    let cell = |line: &R, column: usize| line.as_ref().get(column).map_or(0, |cell| cell.chars().count());
    let width = |column: usize| lines.iter().map(|line| cell(line, column)).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for (n, line) in lines.iter().enumerate() {
        for (column, (cell, width)) in line.as_ref().iter().zip(&widths).enumerate() {
            let _ = if column < left { write!(text, "| {cell:<width$} ") } else { write!(text, "| {cell:>width$} ") };
        }
        text.push_str("|\n");
        if n == 0 {
            for (column, width) in widths.iter().enumerate() {
                let _ = write!(text, "|{}{}", "-".repeat(width + 1), if column < left { "-" } else { ":" });
            }
            text.push_str("|\n");
        }
    }
    text
}

/// A number with a comma before every three digits.
pub(crate) fn grouped(number: impl Into<u64>) -> String {
    let digits = number.into().to_string();
    let mut text = String::new();
    for (n, digit) in digits.chars().enumerate() {
        if n > 0 && (digits.len() - n).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{aligned, grouped};

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let line = |cells: [&str; 3]| cells.map(str::to_owned);
        let text = aligned(&[line(["a", "b", "figure"]), line(["long", "ü", "1"])], 2);
        assert_eq!(text, "| a    | b | figure |\n|------|---|-------:|\n| long | ü |      1 |\n");
        assert_eq!(aligned::<[String; 0]>(&[], 1), "");
    }

    #[test]
    fn digits_are_grouped_by_three() {
        assert_eq!([0_u32, 999, 1000, 1_234_567].map(grouped), ["0", "999", "1,000", "1,234,567"]);
    }
}
