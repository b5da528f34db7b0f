//! JSON as the recordings compare it: numbers by value, and texts that keep the order of their members.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Number, Value};

/// Whether two numbers are the same value: `3600` and `3600.0` are, and no precision is lost between integers.
pub fn same_number(a: &Number, b: &Number) -> bool {
    match (integer(a), integer(b)) {
        (Some(a), Some(b)) => a == b,
        // Beyond 2^53 not every integer has a float of its own.
        (Some(i), None) | (None, Some(i)) => {
            let float = if integer(a).is_some() { b.as_f64() } else { a.as_f64() };
            float.is_some_and(|f| f == i as f64 && f as i128 == i)
        }
        (None, None) => a.as_f64() == b.as_f64(),
    }
}

fn integer(number: &Number) -> Option<i128> {
    number.as_i64().map(i128::from).or(number.as_u64().map(i128::from))
}

/// A short form for messages.
pub fn brief(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(300) {
        Some((at, _)) => text.get(..at).unwrap_or_default().to_string() + "…",
        None => text,
    }
}

/// A JSON value as text with its members in the order in which they stood in the file: the order of a token cache is
/// the order in which its entries are found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ordered(String);

impl Ordered {
    /// As JSON text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<'de> Deserialize<'de> for Ordered {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(OrderedVisitor)
    }
}

struct OrderedVisitor;

impl OrderedVisitor {
    fn scalar<E>(value: impl Into<Value>) -> Result<Ordered, E> {
        Ok(Ordered(value.into().to_string()))
    }
}

impl<'de> Visitor<'de> for OrderedVisitor {
    type Value = Ordered;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }
    fn visit_bool<E>(self, v: bool) -> Result<Ordered, E> {
        Self::scalar(v)
    }
    fn visit_i64<E>(self, v: i64) -> Result<Ordered, E> {
        Self::scalar(v)
    }
    fn visit_u64<E>(self, v: u64) -> Result<Ordered, E> {
        Self::scalar(v)
    }
    fn visit_f64<E>(self, v: f64) -> Result<Ordered, E> {
        Self::scalar(v)
    }
    fn visit_str<E>(self, v: &str) -> Result<Ordered, E> {
        Self::scalar(v)
    }
    fn visit_unit<E>(self) -> Result<Ordered, E> {
        Self::scalar(Value::Null)
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Ordered, A::Error> {
        let mut out = Vec::new();
        while let Some(Ordered(item)) = items.next_element()? {
            out.push(item);
        }
        Ok(Ordered(format!("[{}]", out.join(","))))
    }
    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Ordered, A::Error> {
        let mut out = Vec::new();
        while let Some((name, Ordered(value))) = members.next_entry::<String, Ordered>()? {
            out.push(format!("{}:{value}", Value::from(name)));
        }
        Ok(Ordered(format!("{{{}}}", out.join(","))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_compare_by_value() {
        let cases = [
            ("3600", "3600.0", true),
            ("3600", "3600.5", false),
            ("-1", "-1.0", true),
            ("9007199254740993", "9007199254740992", false),
            ("9007199254740993", "9007199254740992.0", false),
            ("18446744073709551615", "18446744073709551615", true),
            ("18446744073709551615", "-1", false),
            ("1.5", "1.5", true),
        ];
        for (a, b, expected) in cases {
            let (x, y): (Number, Number) = (serde_json::from_str(a).unwrap(), serde_json::from_str(b).unwrap());
            assert_eq!(same_number(&x, &y), expected, "{a} {b}");
            assert_eq!(same_number(&y, &x), expected, "{b} {a}");
        }
    }

    #[test]
    fn order_is_kept() {
        let text = r#"{"z":{"b":[1,2.5,null],"a":"x\"y"},"a":true}"#;
        assert_eq!(serde_json::from_str::<Ordered>(text).unwrap().as_str(), text);
    }
}
