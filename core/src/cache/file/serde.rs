//! Reads a cache file by `serde_json`.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use serde::de::{Deserialize, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::cache::Body;
use crate::cache::content::Content;
use crate::cache::entry::Kind;
use crate::cache::section::Section;
use crate::cache::sections::Sections;
use crate::json::{JsonError, Value};

/// Reads a text that is an object of sections.
pub(in crate::cache) fn read(text: &[u8]) -> Result<Sections, JsonError> {
    match serde_json::from_slice::<File>(text) {
        Ok(file) => Ok(file.0),
        Err(_) if serde_json::from_slice::<IgnoredAny>(text).is_err() => Err(JsonError::Malformed),
        Err(_) => Err(JsonError::NotAnObject),
    }
}

/// The outer two levels.
struct File(Sections);

impl<'de> Deserialize<'de> for File {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Named;
        impl<'de> Visitor<'de> for Named {
            type Value = File;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of sections")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<File, A::Error> {
                let mut sections = Vec::new();
                while let Some(name) = map.next_key::<String>()? {
                    let body = map.next_value_seed(OneSection(Kind::of_section(&name)))?;
                    sections.push((name, body));
                }
                Ok(File(Sections::from(sections)))
            }
        }
        from.deserialize_map(Named)
    }
}

/// Reads what stands under the name of a section: entries, as a rule.
struct OneSection(Option<Kind>);

impl<'de> DeserializeSeed<'de> for OneSection {
    type Value = Body;
    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Body, D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for OneSection {
    type Value = Body;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a section")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Body, A::Error> {
        let mut section = Section::new(self.0);
        while let Some((key, value)) = map.next_entry::<String, Value>()? {
            section.put(key, Content::of(value));
        }
        Ok(Body::Entries(section))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Body, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element::<Value>()? {
            items.push(item);
        }
        Ok(Body::Foreign(Value::Array(items)))
    }

    fn visit_unit<E>(self) -> Result<Body, E> {
        Ok(Body::Foreign(Value::Null))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Body, E> {
        Ok(Body::Foreign(value.into()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Body, E> {
        Ok(Body::Foreign(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Body, E> {
        Ok(Body::Foreign(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Body, E> {
        Ok(Body::Foreign(value.into()))
    }

    fn visit_str<E>(self, value: &str) -> Result<Body, E> {
        Ok(Body::Foreign(value.into()))
    }
}
