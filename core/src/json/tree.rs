//! JSON values without `serde_json`, for devices: under its names, and of its behaviour as far as this crate needs it.
//!
//! A number is kept as it is written: it survives as it stands, and no arithmetic with fractions is needed to keep it.

use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;
use core::fmt;

use super::write;
use crate::text;

/// Any JSON value (RFC 8259 s3).
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Value {
    /// `null`.
    #[default]
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number, as it is written.
    Number(Number),
    /// A text.
    String(String),
    /// An array.
    Array(Vec<Value>),
    /// An object.
    Object(Map),
}

/// A number, as it is written (RFC 8259 s6).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Number(pub(super) String);

/// The members of an object, in the order of their names; each name once.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Map(Vec<(String, Value)>);

impl Value {
    /// A text.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            _ => None,
        }
    }

    /// A whole number that fits.
    pub fn as_u64(&self) -> Option<u64> {
        match self {
            Self::Number(number) => number.0.parse().ok(),
            _ => None,
        }
    }

    /// A number, to the nearest that has 64 bits.
    pub fn as_f64(&self) -> Option<f64> {
        match self {
            Self::Number(number) => number.0.parse().ok(),
            _ => None,
        }
    }

    /// An array.
    pub fn as_array(&self) -> Option<&Vec<Value>> {
        match self {
            Self::Array(items) => Some(items),
            _ => None,
        }
    }

    /// An object.
    pub fn as_object(&self) -> Option<&Map> {
        match self {
            Self::Object(members) => Some(members),
            _ => None,
        }
    }

    /// Whether it is `null`.
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// Whether it is a number.
    pub fn is_number(&self) -> bool {
        matches!(self, Self::Number(_))
    }

    /// Whether it is a text.
    pub fn is_string(&self) -> bool {
        matches!(self, Self::String(_))
    }

    /// Whether it is an object.
    pub fn is_object(&self) -> bool {
        matches!(self, Self::Object(_))
    }

    /// A member, if this is an object.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.as_object()?.get(name)
    }
}

impl Number {
    /// The number without its fraction; one that does not fit is the largest or the smallest that does.
    pub(super) fn whole(&self) -> i64 {
        let (is_negative, digits, point) = self.parts();
        let mut number = 0_i64;
        for digit in digits.chain(core::iter::repeat(0)).take(usize::try_from(point.clamp(0, 20)).unwrap_or(0)) {
            number = number.saturating_mul(10).saturating_add(i64::from(digit));
        }
        match (is_negative, number) {
            (true, i64::MAX) => i64::MIN,
            (true, number) => number.saturating_neg(),
            (false, number) => number,
        }
    }

    /// Whether it is zero, in any of its spellings.
    pub(super) fn is_zero(&self) -> bool {
        self.parts().1.next().is_none()
    }

    /// Whether a 64-bit number comes near it: the largest is 2^1024 - 2^971, and what lies halfway to 2^1024 is too large.
    pub(super) fn is_finite(&self) -> bool {
        const HALFWAY: &[u8; 30] = b"179769313486231580793728971405";
        let (_, digits, point) = self.parts();
        let is_less = || digits.map(|digit| digit.saturating_add(b'0')).take(HALFWAY.len()).lt(HALFWAY.iter().copied());
        self.is_zero() || point < 309 || (point == 309 && is_less())
    }

    /// The sign, the digits from the first that is not zero on, and how many of them stand before the point.
    fn parts(&self) -> (bool, impl Iterator<Item = u8>, i64) {
        let (is_negative, text) = self.0.strip_prefix('-').map_or((false, self.0.as_str()), |text| (true, text));
        let (digits, exponent) = text::cut(text, b'e').or_else(|| text::cut(text, b'E')).unwrap_or((text, "0"));
        // An exponent that does not fit is far beyond any digits there are.
        let most = if exponent.starts_with('-') { i64::MIN } else { i64::MAX };
        let before = digits.bytes().take_while(|byte| *byte != b'.').count();
        let zeros = digits.bytes().filter(|byte| *byte != b'.').take_while(|byte| *byte == b'0').count();
        let length = |count| i64::try_from(count).unwrap_or(i64::MAX);
        let point =
            text::integer(exponent).unwrap_or(most).saturating_add(length(before)).saturating_sub(length(zeros));
        let digits = digits.bytes().filter(|byte| *byte != b'.').skip(zeros).map(|byte| byte.wrapping_sub(b'0'));
        (is_negative, digits, point)
    }
}

impl Map {
    /// No members.
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// From members in any order. Where a name stands twice, the last one counts.
    pub(super) fn of(mut members: Vec<(String, Value)>) -> Self {
        // The last of those with the same name comes first.
        members.reverse();
        members.sort_by(|(one, _), (other, _)| one.cmp(other));
        members.dedup_by(|(name, _), (kept, _)| name == kept);
        members.shrink_to_fit();
        Self(members)
    }

    fn place(&self, name: &str) -> Result<usize, usize> {
        self.0.binary_search_by(|(own, _)| own.as_str().cmp(name))
    }

    /// A member's value.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(self.place(name).ok()?).map(|(_, value)| value)
    }

    /// A member's value, to be changed.
    pub fn get_mut(&mut self, name: &str) -> Option<&mut Value> {
        let place = self.place(name).ok()?;
        self.0.get_mut(place).map(|(_, value)| value)
    }

    /// Whether there is such a member.
    pub fn contains_key(&self, name: &str) -> bool {
        self.place(name).is_ok()
    }

    /// Sets a member, and gives back what stood there.
    pub fn insert(&mut self, name: String, value: Value) -> Option<Value> {
        match self.place(&name) {
            Ok(place) => self.0.get_mut(place).map(|(_, old)| core::mem::replace(old, value)),
            Err(place) => {
                self.0.reserve_exact(1);
                self.0.insert(place, (name, value));
                None
            }
        }
    }

    /// Takes a member out.
    pub fn remove(&mut self, name: &str) -> Option<Value> {
        let place = self.place(name).ok()?;
        Some(self.0.remove(place).1)
    }

    /// Keeps the members that `keep` accepts.
    pub fn retain(&mut self, mut keep: impl FnMut(&String, &mut Value) -> bool) {
        self.0.retain_mut(|(name, value)| keep(name, value));
    }

    /// Names and values.
    pub fn iter(&self) -> impl Iterator<Item = (&String, &Value)> {
        self.0.iter().map(|(name, value)| (name, value))
    }

    /// The names.
    pub fn keys(&self) -> impl Iterator<Item = &String> {
        self.0.iter().map(|(name, _)| name)
    }

    /// The values.
    pub fn values(&self) -> impl Iterator<Item = &Value> {
        self.0.iter().map(|(_, value)| value)
    }

    /// The values, to be changed.
    pub fn values_mut(&mut self) -> impl Iterator<Item = &mut Value> {
        self.0.iter_mut().map(|(_, value)| value)
    }

    /// How many members there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl IntoIterator for Map {
    type Item = (String, Value);
    type IntoIter = vec::IntoIter<(String, Value)>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<'a> IntoIterator for &'a Map {
    type Item = (&'a String, &'a Value);
    type IntoIter = core::iter::Map<core::slice::Iter<'a, (String, Value)>, fn(&'a (String, Value)) -> Self::Item>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter().map(|(name, value)| (name, value))
    }
}

impl FromIterator<(String, Value)> for Map {
    fn from_iter<I: IntoIterator<Item = (String, Value)>>(members: I) -> Self {
        Self::of(members.into_iter().collect())
    }
}

/// As JSON text without spaces.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write::value(f, self)
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::String(String::from(text))
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::String(text)
    }
}

impl From<bool> for Value {
    fn from(flag: bool) -> Self {
        Self::Bool(flag)
    }
}

impl From<u64> for Value {
    fn from(number: u64) -> Self {
        Self::Number(Number(number.to_string()))
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Number(Number(number.to_string()))
    }
}

impl From<Map> for Value {
    fn from(members: Map) -> Self {
        Self::Object(members)
    }
}

impl<T: Into<Value>> From<Vec<T>> for Value {
    fn from(items: Vec<T>) -> Self {
        Self::Array(items.into_iter().map(Into::into).collect())
    }
}

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

impl PartialEq<str> for Value {
    fn eq(&self, other: &str) -> bool {
        self.as_str() == Some(other)
    }
}

impl PartialEq<&str> for Value {
    fn eq(&self, other: &&str) -> bool {
        self.as_str() == Some(*other)
    }
}
