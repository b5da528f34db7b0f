//! Writes JSON without `serde_json` (RFC 8259), without spaces, escaping as little as it must.

use core::fmt::{self, Write};

use super::tree::{Map, Value};

/// Writes a value.
///
/// # Errors
/// What the sink says.
pub(crate) fn value(out: &mut dyn Write, value: &Value) -> fmt::Result {
    match value {
        Value::Null => out.write_str("null"),
        Value::Bool(flag) => out.write_str(if *flag { "true" } else { "false" }),
        Value::Number(number) => out.write_str(&number.0),
        Value::String(text) => self::text(out, text),
        Value::Array(items) => {
            let mut between = "[";
            for item in items {
                out.write_str(between)?;
                self::value(out, item)?;
                between = ",";
            }
            out.write_str(if items.is_empty() { "[]" } else { "]" })
        }
        Value::Object(members) => object(out, members),
    }
}

/// Writes an object.
///
/// # Errors
/// What the sink says.
pub(crate) fn object(out: &mut dyn Write, members: &Map) -> fmt::Result {
    let mut between = "{";
    for (name, member) in members.iter() {
        out.write_str(between)?;
        text(out, name)?;
        out.write_str(":")?;
        value(out, member)?;
        between = ",";
    }
    out.write_str(if members.is_empty() { "{}" } else { "}" })
}

/// Writes a text with its quotes (RFC 8259 s7).
///
/// # Errors
/// What the sink says.
pub(crate) fn text(out: &mut dyn Write, text: &str) -> fmt::Result {
    out.write_str("\"")?;
    for c in text.chars() {
        let short = match c {
            '"' | '\\' => c,
            '\n' => 'n',
            '\r' => 'r',
            '\t' => 't',
            '\x08' => 'b',
            '\x0C' => 'f',
            '\0'..' ' => {
                out.write_str(if c < '\x10' { "\\u000" } else { "\\u001" })?;
                out.write_char(char::from_digit(u32::from(c) & 15, 16).unwrap_or_default())?;
                continue;
            }
            _ => {
                out.write_char(c)?;
                continue;
            }
        };
        out.write_char('\\')?;
        out.write_char(short)?;
    }
    out.write_str("\"")
}
