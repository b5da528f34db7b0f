//! Reads JSON without `serde_json` (RFC 8259): value by value, or the members of an object one by one.

use alloc::string::String;
use alloc::vec::Vec;

use super::JsonError;
use super::tree::{Map, Number, Value};
use crate::limits::MAX_JSON_DEPTH;

/// A place in a text.
pub(crate) struct Reader<'a> {
    text: &'a str,
    at: usize,
    deeper: usize,
    /// Whether a name must not stand twice in an object.
    distinct: bool,
}

/// What reading ends with.
type Read<T> = Result<T, JsonError>;

impl<'a> Reader<'a> {
    pub(crate) fn new(text: &'a str, distinct: bool) -> Self {
        Self { text, at: 0, deeper: MAX_JSON_DEPTH, distinct }
    }

    /// The byte that comes next, behind white space.
    pub(crate) fn peek(&mut self) -> Option<u8> {
        while let Some(byte) = self.byte() {
            if !matches!(byte, b' ' | b'\t' | b'\r' | b'\n') {
                return Some(byte);
            }
            self.skip(1);
        }
        None
    }

    /// Nothing may come any more but white space.
    pub(crate) fn end(&mut self) -> Read<()> {
        if self.peek().is_none() { Ok(()) } else { Err(JsonError::Malformed) }
    }

    /// The name of the next member, where an object has begun, or of its first one, with which it begins; its value is to be read
    /// then. `None`: the object has ended.
    pub(crate) fn name(&mut self, is_first: bool) -> Read<Option<String>> {
        if is_first {
            self.take(b'{')?;
        }
        match self.peek() {
            Some(b'}') => {
                self.skip(1);
                return Ok(None);
            }
            Some(b',') if !is_first => self.skip(1),
            _ if is_first => {}
            _ => return Err(JsonError::Malformed),
        }
        self.take(b'"')?;
        let name = self.text()?;
        self.take(b':')?;
        Ok(Some(name))
    }

    /// The value that comes next.
    pub(crate) fn value(&mut self) -> Read<Value> {
        match self.peek().ok_or(JsonError::Malformed)? {
            b'{' => self.object(),
            b'[' => self.array(),
            b'"' => {
                self.skip(1);
                self.text().map(Value::String)
            }
            b'-' | b'0'..=b'9' => self.number(),
            _ => {
                let rest = self.text.get(self.at..).unwrap_or_default();
                let words = [("null", Value::Null), ("true", Value::Bool(true)), ("false", Value::Bool(false))];
                let found = words.into_iter().find(|(word, _)| rest.starts_with(word));
                let (word, value) = found.ok_or(JsonError::Malformed)?;
                self.skip(word.len());
                Ok(value)
            }
        }
    }

    fn object(&mut self) -> Read<Value> {
        self.enter()?;
        let mut members = Vec::new();
        while let Some(name) = self.name(members.is_empty())? {
            let value = self.value()?;
            members.push((name, value));
        }
        self.leave();
        let count = members.len();
        let members = Map::of(members);
        if self.distinct && members.len() != count {
            return Err(JsonError::Repeated);
        }
        Ok(Value::Object(members))
    }

    fn array(&mut self) -> Read<Value> {
        self.enter()?;
        self.skip(1);
        let mut items = Vec::new();
        loop {
            match self.peek() {
                Some(b']') => break,
                Some(b',') if !items.is_empty() => self.skip(1),
                _ if items.is_empty() => {}
                _ => return Err(JsonError::Malformed),
            }
            let item = self.value()?;
            items.push(item);
        }
        self.skip(1);
        self.leave();
        Ok(Value::Array(items))
    }

    /// What stands between quotes; the first one is behind us. In memory of its size: one that grows would leave secrets behind.
    fn text(&mut self) -> Read<String> {
        let begin = self.at;
        loop {
            match self.byte().ok_or(JsonError::Malformed)? {
                b'"' => break,
                b'\\' => self.skip(2),
                0..0x20 => return Err(JsonError::Malformed),
                _ => self.skip(1),
            }
        }
        let mut rest = self.text.get(begin..self.at).unwrap_or_default();
        self.skip(1);
        let mut out = String::with_capacity(rest.len());
        while let Some(at) = rest.bytes().position(|byte| byte == b'\\') {
            out.push_str(rest.get(..at).unwrap_or_default());
            let mut escape = rest.get(at..).unwrap_or_default().bytes().skip(1);
            let mut length = 2_usize;
            out.push(match escape.next().unwrap_or_default() {
                c @ (b'"' | b'\\' | b'/') => char::from(c),
                b'b' => '\x08',
                b'f' => '\x0C',
                b'n' => '\n',
                b'r' => '\r',
                b't' => '\t',
                b'u' => {
                    let mut code = unit(&mut escape)?;
                    length = 6;
                    if code & 0xFC00 == 0xD800 {
                        // UTF-16: two of them are one character.
                        let is_escape = escape.next() == Some(b'\\') && escape.next() == Some(b'u');
                        let low = if is_escape { unit(&mut escape)? } else { 0 };
                        if low & 0xFC00 != 0xDC00 {
                            return Err(JsonError::Malformed);
                        }
                        code = (((code & 0x3FF) << 10) | (low & 0x3FF)).saturating_add(0x1_0000);
                        length = 12;
                    }
                    char::from_u32(code).ok_or(JsonError::Malformed)?
                }
                _ => return Err(JsonError::Malformed),
            });
            rest = rest.get(at.saturating_add(length)..).ok_or(JsonError::Malformed)?;
        }
        out.push_str(rest);
        Ok(out)
    }

    /// A number, which is kept as it is written. One that no 64-bit number comes near is refused, as other parsers do.
    fn number(&mut self) -> Read<Value> {
        let begin = self.at;
        if self.byte() == Some(b'-') {
            self.skip(1);
        }
        let first = self.byte();
        let digits = self.digits()?;
        if first == Some(b'0') && digits > 1 {
            return Err(JsonError::Malformed);
        }
        if self.byte() == Some(b'.') {
            self.skip(1);
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.byte() {
            self.skip(1);
            if let Some(b'+' | b'-') = self.byte() {
                self.skip(1);
            }
            self.digits()?;
        }
        let number = Number(String::from(self.text.get(begin..self.at).unwrap_or_default()));
        if number.is_finite() { Ok(Value::Number(number)) } else { Err(JsonError::Malformed) }
    }

    /// Digits, one at least; how many.
    fn digits(&mut self) -> Read<usize> {
        let begin = self.at;
        while self.byte().is_some_and(|byte| byte.is_ascii_digit()) {
            self.skip(1);
        }
        match self.at.saturating_sub(begin) {
            0 => Err(JsonError::Malformed),
            count => Ok(count),
        }
    }

    fn enter(&mut self) -> Read<()> {
        self.deeper = self.deeper.checked_sub(1).ok_or(JsonError::TooDeep)?;
        Ok(())
    }

    fn leave(&mut self) {
        self.deeper = self.deeper.saturating_add(1);
    }

    /// This byte comes next, behind white space.
    fn take(&mut self, byte: u8) -> Read<()> {
        if self.peek() != Some(byte) {
            return Err(JsonError::Malformed);
        }
        self.skip(1);
        Ok(())
    }

    fn byte(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn skip(&mut self, count: usize) {
        self.at = self.at.saturating_add(count);
    }
}

/// Four hexadecimal digits.
fn unit(digits: &mut impl Iterator<Item = u8>) -> Read<u32> {
    let mut code = 0;
    for _ in 0..4 {
        let digit = char::from(digits.next().unwrap_or_default()).to_digit(16).ok_or(JsonError::Malformed)?;
        code = (code << 4) | digit;
    }
    Ok(code)
}
