//! The slots that share a digest, in their order; those that last long enough are found without walking the others.

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, btree_map};
use alloc::vec::Vec;
use core::ops::RangeInclusive;

use crate::time::UnixTime;

/// A slot's number, which is its place in the order of the file, and where it lies in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct At {
    pub(super) number: u64,
    pub(super) place: usize,
}

/// Most digests belong to one slot, which then costs no memory of its own.
#[derive(Clone)]
pub(super) enum Places {
    One(At, Option<UnixTime>),
    /// Boxed: there are some digests of many slots, and very many of one.
    Many(Box<Many>),
}

impl Places {
    /// Adds a slot, which ends then. It may be there already: the same scope twice, or two members with one digest.
    pub(super) fn insert(&mut self, at: At, end: Option<UnixTime>) {
        match self {
            Self::Many(many) => many.insert(at, end),
            Self::One(one, _) if *one == at => {}
            Self::One(one, its_end) => {
                let mut many = Box::<Many>::default();
                many.insert(*one, *its_end);
                many.insert(at, end);
                *self = Self::Many(many);
            }
        }
    }

    /// A slot that is there ends at another time.
    pub(super) fn replace(&mut self, at: At, end: Option<UnixTime>) {
        match self {
            Self::Many(many) => {
                many.remove(at.number);
                many.insert(at, end);
            }
            Self::One(one, its_end) if *one == at => *its_end = end,
            Self::One(..) => {}
        }
    }

    /// Takes a slot out; says whether none is left.
    pub(super) fn remove(&mut self, at: At) -> bool {
        match self {
            Self::One(one, _) => *one == at,
            Self::Many(many) => {
                many.remove(at.number);
                many.slots.is_empty()
            }
        }
    }

    pub(super) fn len(&self) -> usize {
        match self {
            Self::One(..) => 1,
            Self::Many(many) => many.slots.len(),
        }
    }

    pub(super) fn iter(&self) -> Iter<'_> {
        match self {
            Self::One(at, _) => Iter { one: Some(*at), many: None },
            Self::Many(many) => Iter { one: None, many: Some(many.slots.iter()) },
        }
    }

    /// The first slot from a number on that does not end before `least`.
    pub(super) fn next(&self, from: u64, least: UnixTime) -> Option<At> {
        match self {
            Self::One(at, end) => (at.number >= from && *end >= Some(least)).then_some(*at),
            Self::Many(many) => {
                let number = many.next(0, from, least)?;
                many.slots.get(&number).map(|(place, _)| At { number, place: *place })
            }
        }
    }
}

/// By hand, since a chain of adapters costs as much as the hash of a look-up.
#[derive(Default)]
pub(super) struct Iter<'a> {
    one: Option<At>,
    many: Option<btree_map::Iter<'a, u64, (usize, Option<UnixTime>)>>,
}

impl Iterator for Iter<'_> {
    type Item = At;
    #[inline]
    fn next(&mut self) -> Option<At> {
        self.one.take().or_else(|| {
            let (number, (place, _)) = self.many.as_mut()?.next()?;
            Some(At { number: *number, place: *place })
        })
    }
}

/// From so many slots on there are groups.
const GROUPED: usize = 64;
/// 32 neighbours make a group, in each of these levels.
const BITS: u32 = 5;
const LEVELS: usize = 4;

/// Where each number lies and when it ends, and above that for groups of numbers, and groups of groups, the latest end.
#[derive(Clone, Default)]
pub(super) struct Many {
    slots: BTreeMap<u64, (usize, Option<UnixTime>)>,
    groups: Vec<BTreeMap<u64, Option<UnixTime>>>,
}

impl Many {
    fn insert(&mut self, at: At, end: Option<UnixTime>) {
        self.slots.insert(at.number, (at.place, end));
        if !self.groups.is_empty() {
            self.raise(at.number, end);
        } else if self.slots.len() > GROUPED {
            self.groups.resize_with(LEVELS, BTreeMap::new);
            let all: Vec<_> = self.slots.iter().map(|(number, (_, end))| (*number, *end)).collect();
            all.into_iter().for_each(|(number, end)| self.raise(number, end));
        }
    }

    fn raise(&mut self, number: u64, end: Option<UnixTime>) {
        let mut group = number;
        for level in &mut self.groups {
            group >>= BITS;
            let latest = level.entry(group).or_insert(end);
            *latest = end.max(*latest);
        }
    }

    fn remove(&mut self, number: u64) {
        self.slots.remove(&number);
        if self.slots.len() < GROUPED / 2 {
            self.groups = Vec::new();
        }
        let mut group = number;
        for level in 0..self.groups.len() {
            group >>= BITS;
            let latest = self.ends(level, members(group)).map(|(_, end)| end).max();
            if let Some(groups) = self.groups.get_mut(level) {
                match latest {
                    Some(end) => groups.insert(group, end),
                    None => groups.remove(&group),
                };
            }
        }
    }

    /// Numbers (level 0) or groups with their ends.
    fn ends(&self, level: usize, range: RangeInclusive<u64>) -> impl Iterator<Item = (u64, Option<UnixTime>)> {
        let slots = (level == 0).then(|| self.slots.range(range.clone()).map(|(number, (_, end))| (*number, *end)));
        let groups = level.checked_sub(1).and_then(|above| self.groups.get(above));
        let groups = groups.map(|groups| groups.range(range).map(|(group, end)| (*group, *end)));
        slots.into_iter().flatten().chain(groups.into_iter().flatten())
    }

    /// The first number or group from one on that does not end before `least`: first among its neighbours, then by way of
    /// the level above, which knows in which group there is one.
    fn next(&self, level: usize, from: u64, least: UnixTime) -> Option<u64> {
        let first = |range| self.ends(level, range).find(|(_, end)| *end >= Some(least)).map(|(number, _)| number);
        if level == self.groups.len() {
            return first(from..=u64::MAX);
        }
        let group = from >> BITS;
        first(from..=*members(group).end())
            .or_else(|| first(members(self.next(level.saturating_add(1), group.saturating_add(1), least)?)))
    }
}

/// The numbers in a group.
fn members(group: u64) -> RangeInclusive<u64> {
    let first = group << BITS;
    first..=first | ((1 << BITS) - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_that_lasts_is_the_one_that_a_walk_finds() {
        let mut state = 0x5eed_u64;
        let mut chance = |end: u64| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 20) % end
        };
        for spread in [1, 7, 5000] {
            let at = |n: u64| At { number: n * spread, place: usize::try_from(n).unwrap() };
            let mut places = Places::One(at(0), None);
            let mut list = BTreeMap::from([(0, None)]);
            for step in 0..3000 {
                let n = chance(400);
                // It grows, and then it shrinks.
                if chance(10) < if step < 2000 { 7 } else { 2 } {
                    let end = (n % 9 != 0).then(|| UnixTime(chance(100) * chance(100)));
                    match list.insert(n, end) {
                        Some(_) if chance(2) == 0 => places.replace(at(n), end),
                        _ => {
                            places.remove(at(n));
                            places.insert(at(n), end);
                        }
                    }
                } else if list.len() > 1 && list.remove(&n).is_some() {
                    assert!(!places.remove(at(n)));
                }
                if let Places::One(..) = places {
                    places.replace(at(0), Some(UnixTime(step)));
                    list.insert(0, Some(UnixTime(step)));
                    places.insert(at(0), None); // already there
                }
                let (from, least) = (chance(400), UnixTime(chance(11_000)));
                let walked = list.range(from..).find(|(_, end)| **end >= Some(least)).map(|(n, _)| at(*n));
                assert_eq!(places.next(from * spread, least), walked, "{step}");
                assert_eq!(places.len(), list.len());
            }
            assert!(places.iter().eq(list.keys().map(|n| at(*n))));
        }
    }
}
