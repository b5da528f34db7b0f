//! Reads JSON in which no name stands twice in an object (RFC 7515 s4), by `serde_json`.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};

use super::{JsonError, Map, Value, check_depth, wipe};
use crate::limits::MAX_JSON_DEPTH;

/// Reads a text that is one value and nothing else.
pub(super) fn parse(bytes: &[u8]) -> Result<Value, JsonError> {
    let text = core::str::from_utf8(bytes).map_err(|_| JsonError::Malformed)?;
    let mut text = serde_json::Deserializer::from_str(text);
    let mut parsed =
        Distinct { deeper: MAX_JSON_DEPTH }.deserialize(&mut text).map_err(|why| match why.classify() {
            _ if check_depth(bytes).is_err() => JsonError::TooDeep,
            // Nothing else in what is JSON does not fit into a value.
            serde_json::error::Category::Data => JsonError::Repeated,
            _ => JsonError::Malformed,
        })?;
    text.end().map_err(|_| {
        wipe(&mut parsed);
        JsonError::Malformed
    })?;
    Ok(parsed)
}

/// Reads any value, and fails at a name that it has met in the same object, and where it is nested too deeply.
#[derive(Clone, Copy)]
struct Distinct {
    deeper: usize,
}

impl Distinct {
    fn inside<E: serde::de::Error>(self) -> Result<Self, E> {
        let deeper = self.deeper.checked_sub(1).ok_or_else(|| E::custom("nested too deeply"))?;
        Ok(Self { deeper })
    }
}

impl<'de> DeserializeSeed<'de> for Distinct {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Distinct {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON without repeated names")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(String::from(value)))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let inside = self.inside()?;
        let mut values = Vec::new();
        while let Some(value) = items.next_element_seed(inside)? {
            values.push(value);
        }
        Ok(Value::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let inside = self.inside()?;
        let mut all = Vec::with_capacity(16);
        while let Some(name) = members.next_key::<String>()? {
            all.push((name, members.next_value_seed(inside)?));
        }
        // All together they are sorted faster than one by one.
        let count = all.len();
        let map: Map = all.into_iter().collect();
        match map.len() == count {
            true => Ok(Value::Object(map)),
            false => Err(A::Error::custom("repeated name")),
        }
    }
}
