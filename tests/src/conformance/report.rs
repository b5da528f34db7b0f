//! A folder of recordings, played and counted by area.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use super::deviations::Rules;
use super::player::{Verdict, play};
use super::transcript::Transcript;

/// What came of every recording, by the name of its file.
#[derive(Debug, Default)]
pub struct Report {
    /// The verdicts.
    pub verdicts: BTreeMap<String, Verdict>,
}

/// How many recordings came to what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// As recorded.
    pub passed: usize,
    /// As recorded but for rules.
    pub deviating: usize,
    /// Not as recorded.
    pub failed: usize,
    /// Not built.
    pub unsupported: usize,
}

impl Count {
    fn add(&mut self, verdict: &Verdict) {
        let place = match verdict {
            Verdict::Passed => &mut self.passed,
            Verdict::Deviating(_) => &mut self.deviating,
            Verdict::Failed(_) => &mut self.failed,
            Verdict::Unsupported(_) => &mut self.unsupported,
        };
        *place = place.saturating_add(1);
    }

    /// All of them.
    pub fn total(&self) -> usize {
        [self.deviating, self.failed, self.unsupported].into_iter().fold(self.passed, usize::saturating_add)
    }
}

impl Report {
    /// Plays every recording of a folder, or of one area of it.
    ///
    /// # Errors
    /// The folder cannot be read, or there is no recording in it.
    pub fn play(folder: &Path, certs: &Path, area: Option<&str>, rules: &Rules) -> Result<Self, String> {
        let files = recordings(folder, area)?;
        let mut report = Self::default();
        for (name, path) in files {
            let verdict = match Transcript::read(&path) {
                Ok(transcript) => play(&transcript, certs, rules),
                Err(why) => Verdict::Failed(why),
            };
            report.verdicts.insert(name, verdict);
        }
        Ok(report)
    }

    /// The counts of each area.
    pub fn areas(&self) -> BTreeMap<&str, Count> {
        let mut areas: BTreeMap<&str, Count> = BTreeMap::new();
        for (name, verdict) in &self.verdicts {
            areas.entry(area_of(name)).or_default().add(verdict);
        }
        areas
    }

    /// The counts of all.
    pub fn total(&self) -> Count {
        let mut count = Count::default();
        self.verdicts.values().for_each(|verdict| count.add(verdict));
        count
    }

    /// The rules that were needed, by their place in the file.
    pub fn used_rules(&self) -> BTreeSet<usize> {
        let used = |verdict: &Verdict| match verdict {
            Verdict::Deviating(used) => used.clone(),
            _ => BTreeSet::new(),
        };
        self.verdicts.values().flat_map(used).collect()
    }

    /// One line for each recording that did not simply pass.
    pub fn details(&self, rules: &Rules) -> Vec<String> {
        let ids = |used: &BTreeSet<usize>| {
            used.iter()
                .filter_map(|at| rules.list().get(*at))
                .map(|rule| rule.id.as_str())
                .collect::<Vec<_>>()
                .join(", ")
        };
        let line = |(name, verdict): (&String, &Verdict)| match verdict {
            Verdict::Passed => None,
            Verdict::Deviating(used) => Some(format!("deviating {name}: {}", ids(used))),
            Verdict::Failed(difference) => Some(format!("failed {name}: {difference}")),
            Verdict::Unsupported(why) => Some(format!("unsupported {name}: {why}")),
        };
        self.verdicts.iter().filter_map(line).collect()
    }
}

/// `AREA passed deviating failed unsupported`, a line each, and the sum.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (area, count) in self.areas() {
            writeln!(f, "{area} {} {} {} {}", count.passed, count.deviating, count.failed, count.unsupported)?;
        }
        let all = self.total();
        write!(
            f,
            "oracle: {} passed, {} deviating, {} failed, {} unsupported of {}",
            all.passed,
            all.deviating,
            all.failed,
            all.unsupported,
            all.total()
        )
    }
}

/// The first part of a recording's name.
fn area_of(name: &str) -> &str {
    name.split("__").next().unwrap_or(name)
}

/// The recordings of a folder, or of one area of it, by their names.
///
/// # Errors
/// The folder cannot be read, or there is no recording in it.
pub(super) fn recordings(folder: &Path, area: Option<&str>) -> Result<BTreeMap<String, PathBuf>, String> {
    let entries = fs::read_dir(folder).map_err(|why| format!("{}: {why}", folder.display()))?;
    let mut files = BTreeMap::new();
    for entry in entries {
        let path = entry.map_err(|why| format!("{}: {why}", folder.display()))?.path();
        if path.extension().is_some_and(|extension| extension == "json") {
            let name = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
            files.insert(name, path);
        }
    }
    if files.is_empty() {
        return Err(format!("{}: there is no transcript (*.json) in it", folder.display()));
    }
    files.retain(|name, _| area.is_none_or(|area| area == area_of(name)));
    match (area, files.is_empty()) {
        (Some(area), true) => Err(format!("{}: there is no area {area}", folder.display())),
        _ => Ok(files),
    }
}

/// The folder of certificates that belongs to a folder of recordings: beside it, or beside its parent.
pub fn certs_beside(folder: &Path) -> Option<PathBuf> {
    let folder = folder.canonicalize().ok()?;
    let beside = folder.ancestors().skip(1).take(2).map(|above| above.join("certs"));
    beside.into_iter().find(|certs| certs.is_dir())
}

/// The recordings of this repository.
pub fn test_transcripts() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("conformance/transcripts")
}

/// More of them, which `tests/lab/record.py` made.
pub fn test_recorded() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("conformance/recorded")
}

/// The certificates of this repository.
pub fn test_certs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("certs")
}

/// The rules of this repository.
pub fn test_rules() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("conformance/deviations.toml")
}
