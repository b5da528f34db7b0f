//! What this process knows of the tokens in Redis: which version of which entry, so that it asks for what is new, and writes only
//! over what it has seen.

use std::collections::{HashMap, HashSet};
use std::mem;

use sansal::cache::{Entry, TokenCache, TokenChange};
use sansal::time::{Millis, UnixTime};

use super::place::{Bucket, Places, change, has_ended};

/// After so long without a look the marks of removed entries may be gone: everything is read again.
const STALE: Millis = Millis::from_secs(3 * 24 * 3600);

#[derive(Default)]
pub(super) struct Known {
    /// The latest version of all.
    pub(super) version: u64,
    buckets: HashMap<Bucket, Listed>,
    /// Up to which version all buckets of a feed are known, and since when.
    feeds: HashMap<String, (u64, Millis)>,
    /// Where an entry is, by its name.
    homes: HashMap<String, Bucket>,
}

#[derive(Default)]
struct Listed {
    seen: u64,
    loaded: Millis,
    /// The server has begun anew: what it does not have any more was lost, not removed.
    begun: bool,
    rows: HashMap<String, Row>,
}

/// One entry, or the mark that it was removed.
#[derive(Clone)]
pub(super) struct Row {
    /// 0: to be looked at before it is written over.
    pub(super) version: u64,
    pub(super) section: String,
    pub(super) key: String,
    pub(super) entry: Option<Entry>,
}

/// A row of an answer: its name, its version, and what stands there; nothing if it has ended, an empty value if it was removed.
pub(super) type Answered = (String, u64, Option<Vec<u8>>);

/// What an answer changes.
#[derive(Default)]
pub(super) struct News {
    /// For the client's memory.
    pub(super) changes: Vec<TokenChange>,
    /// To be written once more: the server lost it.
    pub(super) lost: Vec<TokenChange>,
}

impl Known {
    /// The server has begun anew.
    pub(super) fn begun(&mut self) {
        self.version = 0;
        self.feeds.clear();
        for listed in self.buckets.values_mut() {
            (listed.seen, listed.begun) = (0, true);
            listed.rows.values_mut().for_each(|row| row.version = 0);
        }
    }

    /// The version up to which a feed is known.
    pub(super) fn feed_seen(&self, feed: &str, now: Millis) -> u64 {
        self.feeds.get(feed).filter(|(_, at)| now.since(*at) < STALE).map_or(0, |(seen, _)| *seen)
    }

    /// The version up to which a bucket is known.
    pub(super) fn seen(&self, bucket: &Bucket, now: Millis) -> u64 {
        let own = self.buckets.get(bucket).filter(|listed| now.since(listed.loaded) < STALE);
        own.map_or(0, |listed| listed.seen).max(self.feed_seen(&bucket.feed, now))
    }

    pub(super) fn saw_feed(&mut self, feed: &str, version: u64, now: Millis) {
        self.feeds.insert(feed.to_owned(), (version, now));
    }

    /// The buckets of a feed.
    pub(super) fn of_feed(&self, feed: &str) -> HashSet<Bucket> {
        self.buckets.keys().filter(|bucket| bucket.feed == feed).cloned().collect()
    }

    /// Takes an answer in: all that is there (`whole`), or what is new.
    pub(super) fn learn(
        &mut self,
        places: &Places,
        bucket: &Bucket,
        answered: Vec<Answered>,
        (version, whole): (u64, bool),
        now: (Millis, UnixTime),
    ) -> News {
        let listed = self.buckets.entry(bucket.clone()).or_default();
        let mut before = if whole { mem::take(&mut listed.rows) } else { HashMap::new() };
        let (mut news, mut gone) = (News::default(), Vec::new());
        for (name, version, value) in answered {
            let old = before.remove(&name).or_else(|| listed.rows.remove(&name));
            let told = value.as_ref().filter(|value| !value.is_empty()).map(|value| places.open(&name, value));
            let row = match (told, old) {
                (Some(Some(told)), old) => {
                    let was = old.and_then(|old| old.entry);
                    if was.as_ref() != Some(&told.entry) {
                        news.changes.push(change(&told.section, &told.key, Some(&told.entry)));
                    }
                    if let Some(was) = was.filter(|_| listed.begun) {
                        news.lost.push(change(&told.section, &told.key, Some(&was)));
                    }
                    self.homes.insert(name.clone(), bucket.clone());
                    Row { version, section: told.section, key: told.key, entry: Some(told.entry) }
                }
                // What cannot be opened may be written over, and is nobody's loss.
                (Some(None), _) => {
                    tracing::warn!("an entry in Redis is damaged");
                    Row { version, section: String::new(), key: String::new(), entry: None }
                }
                (None, old) if value.is_some() => {
                    let (section, key) =
                        old.as_ref().map(|old| (old.section.clone(), old.key.clone())).unwrap_or_default();
                    if old.is_some_and(|old| old.entry.is_some()) && self.homes.get(&name) == Some(bucket) {
                        news.changes.push(change(&section, &key, None));
                    }
                    Row { version, section, key, entry: None }
                }
                // It has ended, in memory too.
                (None, _) => {
                    gone.push(name);
                    continue;
                }
            };
            listed.rows.insert(name, row);
        }
        for (name, row) in before {
            gone.push(name);
            let Some(entry) = row.entry.filter(|entry| !has_ended(entry, now.1)) else { continue };
            if listed.begun {
                news.lost.push(change(&row.section, &row.key, Some(&entry)));
            } else {
                news.changes.push(change(&row.section, &row.key, None));
            }
        }
        if !news.lost.is_empty() {
            let theirs = cache(listed.rows.values());
            news.lost = theirs.merge_changes(&TokenCache::new(), &news.lost);
            let at = |change: &TokenChange| (change.section().to_owned(), change.key().to_owned());
            let ours: HashSet<_> = news.lost.iter().map(at).collect();
            news.changes.retain(|change| !ours.contains(&at(change)));
        }
        (listed.seen, listed.loaded) = (version.max(listed.seen), now.0);
        listed.begun &= !whole;
        for name in gone {
            if self.homes.get(&name) == Some(bucket) {
                self.homes.remove(&name);
            }
        }
        news
    }

    /// What was written, by this process.
    pub(super) fn wrote(&mut self, bucket: &Bucket, name: &str, row: Row) {
        if row.entry.is_some() {
            self.homes.insert(name.to_owned(), bucket.clone());
        }
        self.buckets.entry(bucket.clone()).or_default().rows.insert(name.to_owned(), row);
    }

    /// Where an entry of this name is.
    pub(super) fn home(&self, name: &str) -> Option<&Bucket> {
        self.homes.get(name)
    }

    pub(super) fn row(&self, bucket: &Bucket, name: &str) -> Option<&Row> {
        self.buckets.get(bucket)?.rows.get(name)
    }

    /// What is known of these buckets.
    pub(super) fn rows(&self, buckets: &HashSet<Bucket>) -> Vec<(Bucket, String, Row)> {
        let known = buckets.iter().filter_map(|bucket| Some((bucket, self.buckets.get(bucket)?)));
        let rows = known.flat_map(|(bucket, listed)| listed.rows.iter().map(move |(name, row)| (bucket, name, row)));
        rows.map(|(bucket, name, row)| (bucket.clone(), name.clone(), row.clone())).collect()
    }
}

/// Rows as a token cache.
pub(super) fn cache<'a>(rows: impl Iterator<Item = &'a Row>) -> TokenCache {
    let puts = rows.filter(|row| row.entry.is_some()).map(|row| change(&row.section, &row.key, row.entry.as_ref()));
    let mut cache = TokenCache::new();
    cache.apply(puts.collect::<Vec<_>>());
    cache
}
