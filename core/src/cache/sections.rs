//! The sections of a cache, in the order of their names. There are a handful: a list does what a map would, in less code.

use alloc::string::String;
use alloc::vec::Vec;

use super::Body;

/// What stands under each name.
#[derive(Clone, Default)]
pub(super) struct Sections(Vec<(String, Body)>);

impl Sections {
    pub(super) fn get(&self, name: &str) -> Option<&Body> {
        self.0.get(self.place(name).ok()?).map(|(_, body)| body)
    }

    /// The one whose name comes first.
    pub(super) fn first(&self) -> Option<(&str, &Body)> {
        self.0.first().map(|(name, body)| (name.as_str(), body))
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &Body)> {
        self.0.iter().map(|(name, body)| (name.as_str(), body))
    }

    /// What stands under a name; if nothing does, something new.
    pub(super) fn or_insert_with(&mut self, name: String, new: impl FnOnce() -> Body) -> Option<&mut Body> {
        let place = self.place(&name).unwrap_or_else(|place| {
            self.0.insert(place, (name, new()));
            place
        });
        self.0.get_mut(place).map(|(_, body)| body)
    }

    fn place(&self, name: &str) -> Result<usize, usize> {
        self.0.binary_search_by(|(other, _)| other.as_str().cmp(name))
    }
}

/// Of those that have the same name, the last one stands.
impl From<Vec<(String, Body)>> for Sections {
    fn from(mut all: Vec<(String, Body)>) -> Self {
        all.reverse();
        all.sort_by(|(a, _), (b, _)| a.cmp(b));
        all.dedup_by(|(a, _), (b, _)| a == b);
        Self(all)
    }
}
