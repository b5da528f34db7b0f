//! Standard output: texts and JSON, and no panic when nobody reads them.

use std::io::{self, ErrorKind, Write};

use serde_json::Value;

use crate::failure::Failure;

/// Prints a text and a line break. That nobody reads on is not an error.
pub(crate) fn print(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    let written = out.write_all(text.as_bytes()).and_then(|()| out.write_all(b"\n")).and_then(|()| out.flush());
    match written {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(Failure::local(format_args!("cannot write to standard output: {error}")))
        }
        _ => Ok(()),
    }
}

/// Prints JSON for people and programs alike.
pub(crate) fn print_json(value: &Value) -> Result<(), Failure> {
    print(&format!("{value:#}"))
}

/// Says something to people, on standard error. Nobody there is not an error.
pub(crate) fn note(text: &str) {
    let _ = writeln!(io::stderr(), "sansal: {text}");
}

/// Shows a drawing to people, on standard error.
pub(crate) fn drawing(text: &str) {
    let _ = io::stderr().write_all(text.as_bytes());
}

/// Whether people want no colours is said by a variable (no-color.org).
#[expect(clippy::disallowed_methods, reason = "about how output looks, not about what is done")]
pub(crate) fn wants_colour() -> bool {
    std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// A text from outside on one line, without what a terminal would obey.
pub(crate) fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() || is_invisible(c) { ' ' } else { c }).collect()
}

/// Characters that reorder or hide others.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2066}'..='\u{2069}' | '\u{FEFF}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terminals_are_not_obeyed() {
        let cases = [
            ("plain \u{e9}", "plain \u{e9}"),
            ("a\nb\r\tc", "a b  c"),
            ("\u{1b}[2J", " [2J"),
            ("\u{9b}2J", " 2J"),
            ("a\u{202e}b", "a b"),
        ];
        for (text, expected) in cases {
            assert_eq!(one_line(text), expected);
        }
    }
}
