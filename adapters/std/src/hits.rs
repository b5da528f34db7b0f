//! How many calls were answered from the cache: counted by many threads at a time, each in a place of its own as a rule.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use crossbeam_utils::CachePadded;

/// Places. More threads than these share some.
const PLACES: usize = 8;

/// Hits that are not in the store's memory yet, where the next request's telemetry reads them.
#[derive(Debug, Default)]
pub struct Hits([CachePadded<AtomicU64>; PLACES]);

impl Hits {
    /// One more.
    pub fn add(&self) {
        if let Some(place) = self.0.get(place()) {
            place.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// All that were counted since the last time.
    pub fn take(&self) -> u64 {
        let counted = self.0.iter().filter(|place| place.load(Ordering::Relaxed) > 0);
        counted.map(|place| place.swap(0, Ordering::Relaxed)).fold(0, u64::saturating_add)
    }
}

/// This thread's.
fn place() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static PLACE: usize = NEXT.fetch_add(1, Ordering::Relaxed).checked_rem(PLACES).unwrap_or(0);
    }
    PLACE.try_with(|place| *place).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_lost() {
        let hits = Hits::default();
        let taken: u64 = std::thread::scope(|scope| {
            (0..20).for_each(|_| drop(scope.spawn(|| (0..1000).for_each(|_| hits.add()))));
            (0..100).map(|_| hits.take()).sum()
        });
        assert_eq!(taken + hits.take(), 20_000);
        assert_eq!(hits.take(), 0);
    }
}
