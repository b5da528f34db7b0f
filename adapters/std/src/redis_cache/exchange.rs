//! What goes to Redis and comes from there: what is new is read, what was changed is written, and what others wrote meanwhile merged.

use std::collections::{HashMap, HashSet};
use std::mem;

use sansal::cache::{Entry, TokenChange};
use sansal::entropy::{Entropy, NoEntropy};
use sansal::store::{Owner, Partition};
use sansal::time::{Millis, UnixTime};

use super::Shared;
use super::answer::Answer;
use super::known::{Known, Row, cache};
use super::link::{Link, Trouble};
use super::place::{Bucket, change, has_ended, lasts};
use crate::clock::{SystemClock, Time};
use crate::random::SystemRandom;

/// How long the mark of a removed entry stays, in seconds, for hosts that have not looked since.
const REMOVED: u64 = 7 * 24 * 3600;
/// How often others may write first.
const ATTEMPTS: u8 = 40;
/// So many entries are written at once, and so many buckets read.
const AT_ONCE: usize = 200;

/// What this process has to keep in mind between two calls.
#[derive(Default)]
pub(super) struct State {
    pub(super) known: Known,
    /// What could not be written yet.
    pub(super) pending: Vec<TokenChange>,
    /// What was read beside something else, and the client does not know yet.
    pub(super) news: Vec<TokenChange>,
    /// What the client believes meanwhile, by section and key: its next change there begins with that.
    pub(super) believed: HashMap<(String, String), Option<Entry>>,
}

/// One entry as the script wants it.
struct Write {
    bucket: Bucket,
    name: String,
    seconds: u64,
    value: Vec<u8>,
    row: Row,
}

/// What to read.
#[derive(Default)]
pub(super) struct Wanted {
    pub(super) feeds: Vec<String>,
    pub(super) buckets: HashSet<Bucket>,
}

impl Shared {
    /// Does something with the server, and once more when that turns out to have begun anew.
    pub(super) fn with<T>(
        &self,
        state: &mut State,
        mut work: impl FnMut(&mut State, &mut Link) -> Result<T, Trouble>,
    ) -> Result<T, Trouble> {
        let mut link = self.link();
        for _ in 0..3 {
            if link.has_begun() {
                state.known.begun();
            }
            match work(state, &mut link) {
                Err(Trouble::Begun) => {}
                Err(Trouble::Strange) => {
                    link.failed(&Trouble::Strange);
                    return Err(Trouble::Strange);
                }
                other => return other,
            }
        }
        Err(Trouble::StillAway)
    }

    pub(super) fn wanted(&self, partition: &Partition) -> Wanted {
        let client = &partition.client_id;
        let buckets =
            |all: &[(&str, &str)]| all.iter().map(|(client, home)| self.places.bucket(client, home)).collect();
        match &partition.owner {
            Owner::Application => Wanted { buckets: buckets(&[(client, ""), ("", "")]), feeds: Vec::new() },
            Owner::Account(home) => {
                Wanted { buckets: buckets(&[(client, home), ("", home), ("", "")]), feeds: Vec::new() }
            }
            Owner::Everyone => {
                let feeds = [client.to_lowercase(), String::new()].map(|client| self.places.feed(&client));
                Wanted { buckets: HashSet::new(), feeds: Vec::from(feeds) }
            }
        }
    }

    /// Reads what is new. What the server lost goes to what is to be written.
    pub(super) fn fetch(
        &self,
        state: &mut State,
        link: &mut Link,
        wanted: &Wanted,
    ) -> Result<Vec<TokenChange>, Trouble> {
        let mut changes = Vec::new();
        let mut buckets: Vec<&Bucket> = wanted.buckets.iter().collect();
        // From where on, since when, and what is known of it and was not named yet: where all is read, that is gone.
        let mut feeds: Vec<(String, u64, u64, HashSet<Bucket>)> = Vec::new();
        for feed in &wanted.feeds {
            let since = state.known.feed_seen(feed, now().0);
            let known = if since == 0 { state.known.of_feed(feed) } else { HashSet::new() };
            feeds.push((feed.clone(), since, since, known));
        }
        loop {
            let (mono, wall) = now();
            let mut command = redis::cmd("EVAL");
            command.arg(include_str!("load.lua")).arg(1).arg(&self.prefix).arg(AT_ONCE).arg(feeds.len());
            for (feed, from, since, _) in &feeds {
                command.arg(feed).arg(from).arg(since);
            }
            let since: HashMap<&str, (&Bucket, u64)> =
                buckets.iter().map(|bucket| (&*bucket.name, (*bucket, state.known.seen(bucket, mono)))).collect();
            for (name, (_, since)) in &since {
                command.arg(name).arg(since);
            }
            let answer = Answer::read(link.query(&command)?).ok_or(Trouble::Strange)?;
            // Emptied, or put back to an earlier state, while it ran.
            if answer.version < state.known.version {
                state.known.begun();
                return Err(Trouble::Begun);
            }
            state.known.version = answer.version;
            for (feed, name, rows) in answer.buckets {
                let (bucket, whole) = match since.get(&*name).filter(|_| feed.is_empty()) {
                    Some((bucket, since)) => ((*bucket).clone(), *since == 0),
                    None => {
                        let bucket = Bucket { feed, name };
                        let of = feeds.iter_mut().find(|(feed, ..)| *feed == bucket.feed).ok_or(Trouble::Strange)?;
                        of.3.remove(&bucket);
                        (bucket, of.2 == 0)
                    }
                };
                let news = state.known.learn(&self.places, &bucket, rows, (answer.version, whole), (mono, wall));
                changes.extend(news.changes);
                state.pending.extend(news.lost);
            }
            let mut unfinished = Vec::new();
            for ((feed, _, since, unnamed), reached) in feeds.into_iter().zip(answer.reached) {
                if reached < answer.version {
                    unfinished.push((feed, reached, since, unnamed));
                    continue;
                }
                state.known.saw_feed(&feed, reached, mono);
                for bucket in unnamed {
                    let news = state.known.learn(&self.places, &bucket, Vec::new(), (reached, true), (mono, wall));
                    changes.extend(news.changes);
                    state.pending.extend(news.lost);
                }
            }
            if unfinished.is_empty() {
                return Ok(changes);
            }
            (feeds, buckets) = (unfinished, Vec::new());
        }
    }

    /// Writes what waits to be written.
    pub(super) fn flush(&self, state: &mut State, link: &mut Link) -> Result<(), Trouble> {
        while !state.pending.is_empty() {
            let rest = state.pending.split_off(state.pending.len().min(AT_ONCE));
            let changes = mem::replace(&mut state.pending, rest);
            let mut todo = changes.clone();
            let mut fetched = Vec::new();
            let result = self.write(state, link, &changes, &mut todo, &mut fetched);
            // The client knows what it changed; how that came out, and what else there was, it does not.
            let ours: HashSet<_> = changes.iter().map(place).collect();
            let open: HashSet<_> = if result.is_err() { todo.iter().map(place).collect() } else { HashSet::new() };
            state.news.extend(fetched.into_iter().filter(|change| !ours.contains(&place(change))));
            for own in changes.iter().filter(|own| !open.contains(&place(own))) {
                let name = self.places.entry(own.section(), own.key());
                let there = state.known.home(&name).and_then(|bucket| state.known.row(bucket, &name)?.entry.as_ref());
                if there == own.entry() {
                    state.believed.remove(&place(own));
                } else {
                    state.news.push(change(own.section(), own.key(), there));
                    state.believed.insert(place(own), own.entry().cloned());
                }
            }
            if result.is_err() {
                todo.append(&mut state.pending);
                state.pending = todo;
                return result;
            }
        }
        Ok(())
    }

    /// `todo` is what is left of the changes, as they were merged last; `fetched` what was read.
    fn write(
        &self,
        state: &mut State,
        link: &mut Link,
        changes: &[TokenChange],
        todo: &mut Vec<TokenChange>,
        fetched: &mut Vec<TokenChange>,
    ) -> Result<(), Trouble> {
        let involved = self.involved(&state.known, changes);
        let mut before: Option<Vec<(Bucket, String, Row)>> = None;
        if changes.iter().any(|change| state.believed.contains_key(&place(change))) {
            let believed = self.believed(state, &involved);
            *todo = merged(&state.known, &involved, &believed, changes);
            before = Some(believed);
        }
        for attempt in 0..ATTEMPTS {
            // Those who write all at once do not meet again and again.
            if attempt > 1 {
                SystemClock.sleep(Millis(chance(attempt)));
            }
            let (_, wall) = now();
            let writes =
                self.writes(&state.known, todo, wall).map_err(|_| Trouble::Away("no random bytes".to_owned()))?;
            if writes.is_empty() {
                return Ok(());
            }
            let mut command = redis::cmd("EVAL");
            command.arg(include_str!("save.lua")).arg(1).arg(&self.prefix).arg(wall.0);
            for Write { bucket, name, seconds, value, row } in &writes {
                command.arg(&bucket.feed).arg(&bucket.name).arg(name).arg(row.version).arg(seconds).arg(value);
            }
            let version: u64 = link.query(&command)?;
            if version > 0 {
                state.known.version = state.known.version.max(version);
                for Write { bucket, name, row, .. } in writes {
                    state.known.wrote(&bucket, &name, Row { version, ..row });
                }
                return Ok(());
            }
            let before = before.get_or_insert_with(|| self.believed(state, &involved));
            let news = self.fetch(state, link, &Wanted { feeds: Vec::new(), buckets: involved.clone() })?;
            for change in &news {
                let was = before.iter().find(|(.., row)| row.section == change.section() && row.key == change.key());
                state.believed.entry(place(change)).or_insert_with(|| was.and_then(|(.., row)| row.entry.clone()));
            }
            fetched.extend(news);
            *todo = merged(&state.known, &involved, before, changes);
        }
        Err(Trouble::Crowded)
    }

    /// The buckets of these entries, and those of their accounts: who signed out is told there.
    fn involved(&self, known: &Known, changes: &[TokenChange]) -> HashSet<Bucket> {
        let mut buckets = HashSet::new();
        for change in changes {
            buckets.extend(known.home(&self.places.entry(change.section(), change.key())).cloned());
            if let Some(entry) = change.entry() {
                buckets.extend([self.places.bucket_of(change.section(), entry), self.places.account_of(entry)]);
            }
        }
        buckets
    }

    /// What the client believes is in these buckets.
    fn believed(&self, state: &State, buckets: &HashSet<Bucket>) -> Vec<(Bucket, String, Row)> {
        let mut rows = state.known.rows(buckets);
        for (.., row) in &mut rows {
            if let Some(believed) = state.believed.get(&(row.section.clone(), row.key.clone())) {
                row.entry.clone_from(believed);
            }
        }
        rows
    }

    fn writes(&self, known: &Known, todo: &[TokenChange], wall: UnixTime) -> Result<Vec<Write>, NoEntropy> {
        let mut writes = Vec::new();
        for one in todo {
            let (section, key) = (one.section(), one.key());
            let name = self.places.entry(section, key);
            let home = known.home(&name);
            let row = |version| Row {
                version,
                section: section.to_owned(),
                key: key.to_owned(),
                entry: one.entry().cloned(),
            };
            let mut stays_at = None;
            if let Some(entry) = one.entry() {
                let bucket = self.places.bucket_of(section, entry);
                let there = known.row(&bucket, &name);
                if there.is_none_or(|row| row.version == 0 || row.entry.as_ref() != Some(entry)) {
                    let value = self.places.seal(&name, section, key, entry)?;
                    let version = there.map_or(0, |row| row.version);
                    let (bucket, name, seconds) = (bucket.clone(), name.clone(), lasts(entry, wall, self.keep));
                    writes.push(Write { bucket, name, seconds, value, row: row(version) });
                }
                stays_at = Some(bucket);
            }
            // It was there, and is not any more: removed, or another application's business now.
            if let Some(home) = home.filter(|home| stays_at.as_ref() != Some(home))
                && let Some(there) = known.row(home, &name)
                && let Some(entry) = &there.entry
                && !has_ended(entry, wall)
            {
                let row = Row { entry: None, ..row(there.version) };
                writes.push(Write { bucket: home.clone(), name, seconds: REMOVED, value: Vec::new(), row });
            }
        }
        Ok(writes)
    }
}

/// What is to be written so that nothing is lost of what others wrote since the client believed what it did.
fn merged(
    known: &Known,
    buckets: &HashSet<Bucket>,
    believed: &[(Bucket, String, Row)],
    changes: &[TokenChange],
) -> Vec<TokenChange> {
    // What is not even marked as removed has ended, or was lost: nobody's decision.
    let base = believed.iter().filter(|(bucket, name, _)| known.row(bucket, name).is_some()).map(|(.., row)| row);
    let there = known.rows(buckets);
    cache(there.iter().map(|(.., row)| row)).merge_changes(&cache(base), changes)
}

fn place(change: &TokenChange) -> (String, String) {
    (change.section().to_owned(), change.key().to_owned())
}

/// As many milliseconds, or fewer.
fn chance(most: u8) -> u64 {
    let mut byte = [0];
    let _ = SystemRandom.fill(&mut byte);
    let [byte] = byte;
    u64::from(byte).saturating_mul(u64::from(most).saturating_add(1)) >> 8
}

fn now() -> (Millis, UnixTime) {
    let now = SystemClock.now();
    (now.mono, now.wall.unwrap_or_default())
}
