//! Who is signed in: the token cache on disk, where it lies, and whom of the people in it a command is about.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use clap::Args;
use sansal_std::sansal::Account;
use sansal_std::sansal::cache::{Kind, TokenCache, TokenChange};
use sansal_std::sansal::store::{Owner, Partition};
use sansal_std::{Persistence, PublicClientBuilder, TokenCacheFile};

use crate::application::Chosen;
use crate::failure::Failure;
use crate::output;

/// Where tokens are kept.
#[derive(Args)]
pub(crate) struct Cache {
    /// The token cache, a file in MSAL's JSON. Default: SANSAL_CACHE, or sansal/tokens.json in the user's data folder.
    #[arg(long, value_name = "FILE", help_heading = "Token cache")]
    cache: Option<PathBuf>,
}

/// What is on disk, as far as this program has read it.
pub(crate) struct Known {
    file: Option<TokenCacheFile>,
    tokens: TokenCache,
    accounts: Vec<Account>,
    client_ids: Vec<String>,
}

impl Cache {
    fn path(&self) -> Result<Option<(PathBuf, bool)>, Failure> {
        let named = self.cache.clone().or_else(|| folder("SANSAL_CACHE"));
        Ok(match named {
            Some(path) => Some((path, true)),
            None => data_folder().map(|folder| (folder.join("sansal").join("tokens.json"), false)),
        })
    }

    /// The file, which must be there.
    pub(crate) fn file(&self) -> Result<PathBuf, Failure> {
        match self.path()? {
            Some((path, _)) if path.exists() => Ok(path),
            Some((path, _)) => Err(Failure::local(format_args!("there is no token cache at {}", path.display()))),
            None => {
                Err(Failure::usage("this user has no data folder: name the token cache by --cache or SANSAL_CACHE"))
            }
        }
    }

    /// What is there. Nobody, where there is no file: nothing is made.
    pub(crate) fn read(&self) -> Result<Known, Failure> {
        match self.path()? {
            Some((path, _)) if path.exists() => {
                let file = TokenCacheFile::open(&path)?;
                match file.damaged() {
                    None => Ok(Known::of(file)),
                    Some(kept) if file.salvaged() == 0 => Err(Failure::local(damage(&path, &kept, 0))),
                    Some(kept) => {
                        output::note(&damage(&path, &kept, file.salvaged()));
                        Ok(Known::of(file))
                    }
                }
            }
            _ => Ok(Known::nobody()),
        }
    }

    /// What is there, in a file that can be written from here on.
    ///
    /// The second value is a sentence about a file that was damaged.
    pub(crate) fn open(&self) -> Result<(Known, Option<String>), Failure> {
        let (path, named) = self.path()?.ok_or_else(|| {
            Failure::usage("this user has no data folder: name the token cache by --cache or SANSAL_CACHE")
        })?;
        if let Some(folder) = path.parent().filter(|_| !named) {
            private_folder(folder).map_err(|error| {
                Failure::local(format_args!("cannot make the folder {}: {}", folder.display(), error.kind()))
            })?;
        }
        let file = TokenCacheFile::open(&path)?;
        let damaged = file.damaged().map(|kept| damage(&path, &kept, file.salvaged()));
        Ok((Known::of(file), damaged))
    }
}

fn damage(path: &Path, kept: &Path, salvaged: usize) -> String {
    let outcome = match salvaged {
        0 => "everybody has to sign in again".to_owned(),
        count => format!("{count} entries were whole and are in a new one"),
    };
    format!("{} was no token cache; it is now {}; {outcome}", path.display(), kept.display())
}

impl Known {
    fn nobody() -> Self {
        Self { file: None, tokens: TokenCache::new(), accounts: Vec::new(), client_ids: Vec::new() }
    }

    fn of(file: TokenCacheFile) -> Self {
        // A cache file loads everything, whatever part is asked for.
        let changes =
            file.load(&Partition { client_id: String::new(), environment: String::new(), owner: Owner::Everyone });
        let mut known = Self { file: Some(file), ..Self::nobody() };
        for (kind, entry) in changes.iter().filter_map(|change| Some((change.section(), change.entry()?))) {
            if kind == Kind::Account.section() {
                let account = Account::from_entry(entry);
                if !known.accounts.iter().any(|own| is_same(own, &account)) {
                    known.accounts.push(account);
                }
            } else if kind == Kind::RefreshToken.section() || kind == Kind::AccessToken.section() {
                let client = entry.text("client_id").unwrap_or_default();
                let of_user = entry.text("home_account_id").is_some_and(|id| !id.is_empty());
                if of_user && !client.is_empty() && !known.client_ids.iter().any(|own| own == client) {
                    known.client_ids.push(client.to_owned());
                }
            }
        }
        known.tokens.apply(changes);
        known
    }

    /// Where they are kept.
    pub(crate) fn path(&self) -> Option<&Path> {
        self.file.as_ref().map(TokenCacheFile::path)
    }

    /// The applications that have tokens of users.
    pub(crate) fn client_ids(&self) -> &[String] {
        &self.client_ids
    }

    /// Those who are signed in at this authority; at any, if it is none.
    pub(crate) fn accounts(&self, authority: Option<&Chosen>) -> Vec<&Account> {
        let here = |account: &&Account| authority.is_none_or(|chosen| chosen.is_home_of(account.environment()));
        self.accounts.iter().filter(here).collect()
    }

    /// The one that is meant: by its name or id, or because there is no other. None, where nobody is signed in.
    pub(crate) fn choose(&self, authority: Option<&Chosen>, name: Option<&str>) -> Result<Option<&Account>, Failure> {
        let mut found = self.accounts(authority);
        if let Some(name) = name {
            found.retain(|account| is_called(account, name));
        }
        match (found.as_slice(), name) {
            ([], None) => Ok(None),
            ([], Some(name)) => Err(Failure::person(format_args!("{name} is not signed in; run 'sansal login'"))),
            ([only], _) => Ok(Some(only)),
            (several, _) => {
                let names: Vec<&str> = several.iter().map(|account| unmistakable(account, several)).collect();
                let names = names.join(", ");
                Err(Failure::usage(format_args!("several accounts are signed in; choose with --account: {names}")))
            }
        }
    }

    /// Signs these out here: their tokens leave the cache, whichever application got them.
    pub(crate) fn forget(&self, accounts: &[&Account]) -> Result<(), Failure> {
        let Some(file) = &self.file else { return Ok(()) };
        // Without an application there still is the account itself.
        let clients: Vec<&str> = self.client_ids.iter().map(String::as_str).chain([""]).collect();
        let of = |client: &str, account: &Account| {
            self.tokens.remove_account(client, account.environment(), account.home_account_id())
        };
        let changes: Vec<TokenChange> =
            accounts.iter().flat_map(|account| clients.iter().flat_map(|client| of(client, account))).collect();
        file.save(&changes).map_err(|_| self.not_written("nobody was signed out"))
    }

    /// That the file could not be written, and what became of it.
    pub(crate) fn not_written(&self, outcome: &str) -> Failure {
        let path = self.path().unwrap_or(Path::new("")).display().to_string();
        not_written(&path, outcome)
    }

    /// A client that knows all this and keeps what it learns in the same file.
    pub(crate) fn persisted(self, builder: PublicClientBuilder) -> PublicClientBuilder {
        let builder = builder.token_cache(self.tokens);
        match self.file {
            Some(file) => builder.persistence(file),
            None => builder,
        }
    }
}

/// That the file could not be written, and what became of it.
pub(crate) fn not_written(path: &str, outcome: &str) -> Failure {
    Failure::local(format_args!("the token cache {path} cannot be written: {outcome}"))
}

/// How people are called: by their name, where the server told it.
pub(crate) fn name(account: &Account) -> &str {
    account.username().filter(|name| !name.is_empty()).unwrap_or(account.home_account_id())
}

fn is_called(account: &Account, wanted: &str) -> bool {
    account.username().is_some_and(|name| name.to_lowercase() == wanted.to_lowercase())
        || [Some(account.home_account_id()), account.local_account_id()].contains(&Some(wanted))
}

/// The name, unless another has the same.
fn unmistakable<'a>(account: &'a Account, all: &[&Account]) -> &'a str {
    let own = name(account);
    if all.iter().filter(|other| name(other) == own).count() > 1 { account.home_account_id() } else { own }
}

/// The same person, whichever tenant the entry is of.
fn is_same(one: &Account, other: &Account) -> bool {
    one.home_account_id() == other.home_account_id() && one.environment().eq_ignore_ascii_case(other.environment())
}

/// Where programs keep what is a user's and not for other machines.
fn data_folder() -> Option<PathBuf> {
    if cfg!(windows) {
        return folder("LOCALAPPDATA");
    }
    let home = folder("HOME");
    if cfg!(target_os = "macos") {
        return home.map(|home| home.join("Library").join("Application Support"));
    }
    // The XDG base directories: relative paths are invalid there.
    let named = folder("XDG_DATA_HOME").filter(|path| path.is_absolute());
    named.or_else(|| home.map(|home| home.join(".local").join("share")))
}

#[expect(clippy::disallowed_methods, reason = "where the user's files are stands in variables only")]
fn folder(name: &str) -> Option<PathBuf> {
    std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from)
}

/// Makes a folder that only its owner can enter, unless it is there.
fn private_folder(path: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}
