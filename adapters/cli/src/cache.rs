//! `sansal cache`: what is in a token cache, whether it is sound, and what can be saved of one that is not. Never a secret.

use std::fs;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand, ValueEnum};
use sansal_std::sansal::cache::{Entry, Kind, TokenCache, TokenChange};
use sansal_std::sansal::secret::SecretBytes;
use sansal_std::sansal::time::UnixTime;
use sansal_std::{DataKey, SystemClock, Time};
use serde_json::{Map, Value, json};

use crate::cache_key::Key;
use crate::dates::readable;
use crate::failure::Failure;
use crate::known::Cache;
use crate::{input, output};

/// What to do with a token cache.
#[derive(Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Lists what is in the cache; names and dates, no secrets.
    Show(Show),
    /// Says what is wrong with the cache, and what to do about it. Changes nothing.
    Doctor(Show),
    /// Takes the whole entries out of a damaged cache, into a new file.
    Salvage(Salvage),
    /// Writes the cache into a new file, as MSAL reads it. The new file holds the same secrets.
    Convert(Convert),
    /// Says in what two caches differ.
    Diff(Diff),
}

#[derive(Args)]
struct Show {
    #[command(flatten)]
    cache: Cache,
    #[command(flatten)]
    key: Key,
    /// Print JSON on standard output, and nothing else there.
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
struct Salvage {
    /// The damaged file.
    file: PathBuf,
    /// The new file. It must not be there yet.
    #[arg(long, value_name = "FILE")]
    output: PathBuf,
    /// Print JSON on standard output, and nothing else there.
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
struct Convert {
    /// The file to read.
    file: PathBuf,
    /// The new file, its owner's alone. It must not be there yet.
    #[arg(long, value_name = "FILE")]
    output: PathBuf,
    /// How to write it.
    #[arg(long, value_enum, default_value = "msal")]
    to: Format,
    #[command(flatten)]
    key: Key,
    /// Print JSON on standard output, and nothing else there.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum Format {
    /// MSAL's JSON: Python, .NET, Java, Node, Go.
    Msal,
    /// The same, indented.
    Pretty,
    /// The same, encrypted by the key.
    Encrypted,
}

#[derive(Args)]
struct Diff {
    /// The older file.
    old: PathBuf,
    /// The newer file.
    new: PathBuf,
    #[command(flatten)]
    key: Key,
    /// Print JSON on standard output, and nothing else there.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    match &arguments.command {
        Command::Show(show) => self::show(show),
        Command::Doctor(show) => doctor(show),
        Command::Salvage(salvage) => self::salvage(salvage),
        Command::Convert(convert) => self::convert(convert),
        Command::Diff(diff) => self::diff(diff),
    }
}

/// A file as it is; nothing is repaired, locked or moved.
fn read(path: &Path) -> Result<SecretBytes, Failure> {
    let failed =
        |error: std::io::Error| Failure::local(format_args!("cannot read {}: {}", path.display(), error.kind()));
    fs::read(path).map(SecretBytes::new).map_err(failed)
}

fn parsed(path: &Path, key: &Key) -> Result<TokenCache, Failure> {
    TokenCache::from_json(key.open(path, read(path)?)?.expose()).map_err(|error| {
        let path = path.display();
        Failure::local(format_args!("{path}: {error}; 'sansal cache salvage {path} --output FILE' saves what is whole"))
    })
}

/// Section, key, entry.
fn entries(cache: &TokenCache) -> impl Iterator<Item = TokenChange> + use<> {
    TokenCache::new().changes_to(cache).into_iter()
}

fn now() -> UnixTime {
    SystemClock.now().wall.unwrap_or_default()
}

/// What may be said of an entry. Names of people and tenants are the user's own to see; tokens are nobody's.
fn described(change: &TokenChange, now: UnixTime) -> Value {
    const SAID: [&str; 12] = [
        "username",
        "environment",
        "realm",
        "client_id",
        "target",
        "token_type",
        "family_id",
        "home_account_id",
        "authority_type",
        "credential_type",
        "account_source",
        "local_account_id",
    ];
    let Some(entry) = change.entry() else { return Value::Null };
    let mut said = Map::new();
    let mut say = |name: &str, value: Value| drop(said.insert(name.to_owned(), value));
    say("section", change.section().into());
    for name in SAID {
        if let Some(text) = entry.text(name) {
            say(name, text.into());
        }
    }
    if let Some(end) = entry.expires_on() {
        say("expires_on", end.0.into());
        say("expired", (end < now).into());
    }
    if !entry.secret().is_empty() {
        say("secret", format!("[{} bytes]", entry.secret().len()).into());
    }
    Value::Object(said)
}

fn line(change: &TokenChange, now: UnixTime) -> String {
    let entry = change.entry();
    let text = |name| entry.and_then(|entry| entry.text(name)).filter(|text| !text.is_empty());
    let whose = text("username").or(text("home_account_id")).or(text("client_id")).unwrap_or("-");
    let tenant = text("realm").map(|realm| format!("/{realm}")).unwrap_or_default();
    let scopes = text("target").map(|target| format!("  {target}")).unwrap_or_default();
    let end = entry.and_then(Entry::expires_on).map(|end| {
        let verb = if end < now { "ended" } else { "ends" };
        format!("  {verb} {}", readable(end.0))
    });
    let (section, host, end) = (change.section(), text("environment").unwrap_or("-"), end.unwrap_or_default());
    output::one_line(&format!("{section:<13}  {whose}  {host}{tenant}{scopes}{end}"))
}

fn show(arguments: &Show) -> Result<(), Failure> {
    let path = arguments.cache.file()?;
    let (cache, now) = (parsed(&path, &arguments.key)?, now());
    if arguments.json {
        return output::print_json(&entries(&cache).map(|change| described(&change, now)).collect());
    }
    if entries(&cache).next().is_none() {
        output::note("the token cache is empty");
    }
    entries(&cache).try_for_each(|change| output::print(&line(&change, now)))
}

/// Something to know about a cache.
struct Finding {
    is_bad: bool,
    line: String,
}

fn doctor(arguments: &Show) -> Result<(), Failure> {
    let path = arguments.cache.file()?;
    let mut findings = Vec::new();
    let mut say = |is_bad: bool, line: String| findings.push(Finding { is_bad, line });
    let content = read(&path)?;
    let is_encrypted = DataKey::is_encrypted(content.expose());
    let text = arguments.key.open(&path, content)?;
    if is_encrypted {
        say(false, "it is encrypted, and this is its key".to_owned());
    }
    if let Some(mode) = exposed(&path) {
        say(true, format!("others may read or write it (mode {mode:03o}): chmod 600 it, after asking who did"));
    }
    match TokenCache::from_json(text.expose()) {
        Ok(cache) => examine(&cache, &mut say),
        Err(error) => {
            let found = TokenCache::salvage(text.expose());
            say(
                true,
                format!(
                    "{error}; {} entries are whole, {} are not: 'sansal cache salvage' saves the whole ones",
                    found.entries, found.broken
                ),
            );
        }
    }
    let lock = beside(&path, ".lockfile");
    if lock.exists() {
        let holder = fs::read_to_string(&lock).unwrap_or_default();
        let holder = if holder.is_empty() { "nobody says who" } else { &holder };
        say(
            false,
            format!("a process holds its lock, or ended while it did ({holder}); the next one to write sees to it"),
        );
    }
    for kept in (0..10).map(|n| beside(&path, &if n == 0 { ".damaged".to_owned() } else { format!(".damaged.{n}") })) {
        if kept.exists() {
            say(
                false,
                format!("{} was damaged once; tokens are in it: delete it when it is not needed", kept.display()),
            );
        }
    }
    let bad = findings.iter().filter(|finding| finding.is_bad).count();
    if arguments.json {
        let all: Vec<Value> = findings.iter().map(|one| json!({ "bad": one.is_bad, "finding": one.line })).collect();
        output::print_json(&json!({ "file": path.display().to_string(), "sound": bad == 0, "findings": all }))?;
    } else {
        for finding in &findings {
            let mark = if finding.is_bad { "bad " } else { "note" };
            output::print(&output::one_line(&format!("{mark}  {}", finding.line)))?;
        }
        if bad == 0 {
            output::print(&output::one_line(&format!("{} is sound", path.display())))?;
        }
    }
    if bad == 0 { Ok(()) } else { Err(Failure::local(format_args!("{} is not sound", path.display()))) }
}

fn examine(cache: &TokenCache, say: &mut impl FnMut(bool, String)) {
    let now = now();
    let (mut ended, mut incomplete, mut orphans) = (0_usize, 0_usize, 0_usize);
    let all: Vec<TokenChange> = entries(cache).collect();
    let of = |kind: Kind| {
        let all = all.iter().filter(move |change| change.section() == kind.section());
        all.filter_map(TokenChange::entry)
    };
    let owner = |entry: &Entry| entry.text("home_account_id").map(str::to_lowercase);
    let accounts: Vec<Option<String>> = of(Kind::Account).map(owner).collect();
    for entry in of(Kind::AccessToken) {
        match entry.expires_on() {
            Some(end) if end < now => ended = ended.saturating_add(1),
            Some(_) if !entry.secret().is_empty() => {}
            _ => incomplete = incomplete.saturating_add(1),
        }
    }
    for entry in of(Kind::RefreshToken) {
        if entry.secret().is_empty() || entry.text("client_id").is_none() {
            incomplete = incomplete.saturating_add(1);
        } else if owner(entry).is_some_and(|owner| !owner.is_empty() && !accounts.contains(&Some(owner))) {
            orphans = orphans.saturating_add(1);
        }
    }
    let unknown = all.iter().filter(|change| Kind::of_section(change.section()).is_none()).count();
    let counts = [
        (true, incomplete, "without what their kind needs: they are never found"),
        (false, ended, "access tokens have ended: the next one that is recorded removes them"),
        (false, orphans, "refresh tokens without their account: somebody signed out elsewhere, or a tool kept them"),
        (false, unknown, "of other libraries: they stay as they are"),
    ];
    for (is_bad, count, what) in counts.into_iter().filter(|(_, count, _)| *count > 0) {
        say(is_bad, format!("{count} entries: {what}"));
    }
    say(false, format!("{} entries of {} accounts", all.len(), accounts.len()));
}

fn salvage(arguments: &Salvage) -> Result<(), Failure> {
    let content = read(&arguments.file)?;
    if DataKey::is_encrypted(content.expose()) {
        let path = arguments.file.display();
        return Err(Failure::usage(format_args!("{path} is encrypted: its key opens all of it, or nothing")));
    }
    let found = TokenCache::salvage(content.expose());
    if found.entries == 0 {
        return Err(Failure::local(format_args!("no entry in {} is whole", arguments.file.display())));
    }
    write(&arguments.output, &found.cache.to_json())?;
    let output = arguments.output.display();
    if arguments.json {
        let output = output.to_string();
        return output::print_json(&json!({ "entries": found.entries, "broken": found.broken, "output": output }));
    }
    output::print(&output::one_line(&format!(
        "{} entries are in {output}; {} could not be saved",
        found.entries, found.broken
    )))
}

fn convert(arguments: &Convert) -> Result<(), Failure> {
    let cache = parsed(&arguments.file, &arguments.key)?;
    let text = cache.to_json();
    match arguments.to {
        Format::Msal => write(&arguments.output, &text)?,
        Format::Encrypted => write(&arguments.output, &arguments.key.seal(&text)?)?,
        Format::Pretty => {
            let value: Value = serde_json::from_slice(&text).map_err(Failure::local)?;
            write(&arguments.output, format!("{value:#}\n").as_bytes())?;
        }
    }
    let (count, output) = (entries(&cache).count(), arguments.output.display().to_string());
    if arguments.json {
        return output::print_json(&json!({ "entries": count, "output": output }));
    }
    output::print(&output::one_line(&format!("{count} entries are in {output}")))
}

fn diff(arguments: &Diff) -> Result<(), Failure> {
    let (old, new, now) = (parsed(&arguments.old, &arguments.key)?, parsed(&arguments.new, &arguments.key)?, now());
    let had = |change: &TokenChange| {
        entries(&old).find(|other| other.section() == change.section() && other.key() == change.key())
    };
    let changes = old.changes_to(&new).into_iter().map(|change| match (had(&change), change.entry()) {
        (Some(before), None) => ("removed", before, Vec::new()),
        (Some(before), Some(after)) => {
            let before = before.entry().cloned().unwrap_or_default();
            let names = before.members().chain(after.members()).map(|(name, _)| name);
            let mut names: Vec<String> =
                names.filter(|name| before.member(name) != after.member(name)).map(str::to_owned).collect();
            names.sort();
            names.dedup();
            ("changed", change, names)
        }
        (None, _) => ("added", change, Vec::new()),
    });
    if arguments.json {
        let shown = changes.map(
            |(what, change, members)| json!({ "what": what, "entry": described(&change, now), "members": members }),
        );
        return output::print_json(&shown.collect());
    }
    changes.into_iter().try_for_each(|(what, change, members)| {
        let members = if members.is_empty() { String::new() } else { format!("  ({})", members.join(", ")) };
        output::print(&output::one_line(&format!("{what:<8} {}{members}", line(&change, now))))
    })
}

/// A new file that is its owner's alone.
fn write(path: &Path, text: &[u8]) -> Result<(), Failure> {
    if fs::symlink_metadata(path).is_ok() {
        return Err(Failure::usage(format_args!("{} is there already", path.display())));
    }
    let failed = |_| Failure::local(format_args!("cannot write {}", path.display()));
    input::new_private_file(path, text).map_err(failed)
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.to_path_buf().into_os_string();
    name.push(suffix);
    name.into()
}

#[cfg(unix)]
fn exposed(path: &Path) -> Option<u32> {
    let mode = std::os::unix::fs::MetadataExt::mode(&fs::metadata(path).ok()?) & 0o777;
    (mode & 0o077 != 0).then_some(mode)
}

#[cfg(not(unix))]
fn exposed(_: &Path) -> Option<u32> {
    None
}
