//! Reads a cache file without `serde_json`.

use alloc::vec::Vec;

use crate::cache::Body;
use crate::cache::content::Content;
use crate::cache::entry::Kind;
use crate::cache::section::Section;
use crate::cache::sections::Sections;
use crate::json::JsonError;
use crate::json::read::Reader;

/// Reads a text that is an object of sections.
pub(in crate::cache) fn read(text: &[u8]) -> Result<Sections, JsonError> {
    let text = core::str::from_utf8(text).map_err(|_| JsonError::Malformed)?;
    let mut reader = Reader::new(text, false);
    if reader.peek() != Some(b'{') {
        reader.value()?;
        reader.end()?;
        return Err(JsonError::NotAnObject);
    }
    let mut sections = Vec::new();
    while let Some(name) = reader.name(sections.is_empty())? {
        let body = match reader.peek() {
            Some(b'{') => Body::Entries(section(&mut reader, Kind::of_section(&name))?),
            _ => Body::Foreign(reader.value()?),
        };
        sections.push((name, body));
    }
    reader.end()?;
    Ok(Sections::from(sections))
}

fn section(reader: &mut Reader<'_>, kind: Option<Kind>) -> Result<Section, JsonError> {
    let mut section = Section::new(kind);
    let mut is_first = true;
    while let Some(key) = reader.name(core::mem::take(&mut is_first))? {
        section.put(key, Content::of(reader.value()?));
    }
    Ok(section)
}
