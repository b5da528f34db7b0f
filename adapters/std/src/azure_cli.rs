//! The login that people already have: the Azure CLI's token cache, used as the Azure CLI, without starting `az`.

mod place;

use std::collections::BTreeSet;
use std::fmt;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use sansal::cache::{Kind, TokenCache};
use sansal::silent::Silent;
use sansal::time::{Millis, UnixTime};
use sansal::{Account, Error, Secret, Token, json};

use self::place::{Place, Unwritten};
use crate::clock::{SystemClock, Time};
use crate::environment::variable;
use crate::public::{PublicClient, PublicClientBuilder};
use crate::setup::SetupError;

/// The Azure CLI's application id: an application of Microsoft's family, known to every tenant.
pub const AZURE_CLI_CLIENT_ID: &str = "04b07795-8ddb-461a-bbee-02f9e1bf7b46";
/// `azureProfile.json` of somebody with thousands of subscriptions stays below this.
const MAX_PROFILE: usize = 16 * 1024 * 1024;
/// What `az` may print.
const MAX_OUTPUT: usize = 256 * 1024;
/// How long `az` may take; it starts Python, and may refresh a token.
const AZ_PATIENCE: Millis = Millis::from_secs(60);

/// Somebody who has signed in with `az login`.
///
/// Their refresh token, in the token cache of the Azure CLI, serves for every resource that the Azure CLI may use. Tokens are
/// asked for as the Azure CLI: the consent, the policies and the sign-in logs are its own. Nothing is written to its cache unless
/// [`write_back`](Self::write_back) says so; what is refreshed here stays in this process.
///
/// ```no_run
/// use sansal_std::AzureCli;
///
/// let login = AzureCli::from_env()?;
/// let client = login.client()?.build()?;
/// let token = login.acquire_token(&client, &["https://vault.azure.net/.default"])?;
/// # let _ = token;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// | cache | where | read here |
/// |---|---|---|
/// | Azure CLI, plain | `msal_token_cache.json` in `AZURE_CONFIG_DIR` or `~/.azure` | yes |
/// | Azure CLI, encrypted, Linux | Secret Service; the file is a signal. With the Azure CLI's change 33849 (August 2026), which encrypts by default: schema `Microsoft Azure CLI`, attribute `type` = `Token cache`, `msal_token_cache.sig`. Without it only where `core.encrypt_token_cache` is set: schema `my_schema_name`, `my_attr1` = `foo`, `my_attr2` = `bar`, `msal_token_cache.bin` | with the feature `keyring` |
/// | Azure CLI, encrypted, elsewhere | `msal_token_cache.bin`, DPAPI (Windows, the default); Keychain, service `Microsoft Azure CLI`, account `Token cache` (macOS) | no: [`AzureCliError::Encrypted`] |
/// | Azure PowerShell, Visual Studio, Azure SDKs (shared) | `.IdentityService/msal.cache` in the user's local application data (Windows) or home folder; for tokens with continuous access evaluation `msal.cache.cae`, others `msal.cache.nocae`; Keychain service and Secret Service schema `Microsoft.Developer.IdentityService`, account `MSALCache` | one in plain text as a [`TokenCacheFile`](crate::TokenCacheFile), one in the Secret Service as a `LibsecretCache` (feature `keyring`) |
pub struct AzureCli {
    place: Place,
    profile: Profile,
    accounts: Vec<Account>,
    tenant: Option<String>,
    user: Option<String>,
    writes: bool,
}

/// What `az account show` would say.
#[derive(Default)]
struct Profile {
    user: Option<String>,
    tenant: Option<String>,
    is_application: bool,
}

/// Why the Azure CLI's login cannot be used.
#[non_exhaustive]
#[derive(Debug)]
pub enum AzureCliError {
    /// Nobody has signed in with `az login`; which file is missing, or says so.
    NotSignedIn(PathBuf),
    /// Several have, or another one than was asked for; the sentence says whom to choose from.
    Which(String),
    /// An application is signed in; its credential is no token. Give it to a [`ConfidentialClient`](crate::ConfidentialClient).
    Application,
    /// The cache is encrypted, and there is no way to it from here. `az` itself can be [asked](AzureCli::run_az).
    Encrypted(PathBuf),
    /// The cache cannot be read or used.
    Setup(SetupError),
    /// No token.
    Client(Error),
    /// `az` was asked and gave none. What it printed is not kept: it may hold secrets.
    Az(&'static str),
}

impl AzureCli {
    /// In `AZURE_CONFIG_DIR`, else `.azure` in the user's home folder.
    ///
    /// # Errors
    /// [`AzureCliError`] says what is missing.
    pub fn from_env() -> Result<Self, AzureCliError> {
        let named = |name| variable(name).map_err(|why| AzureCliError::Setup(why.into()));
        let folder = match named("AZURE_CONFIG_DIR")? {
            Some(folder) => PathBuf::from(folder),
            None => match named(if cfg!(windows) { "USERPROFILE" } else { "HOME" })? {
                Some(home) => PathBuf::from(home).join(".azure"),
                None => return Err(AzureCliError::NotSignedIn(".azure".into())),
            },
        };
        Self::at(folder)
    }

    /// In this folder.
    ///
    /// # Errors
    /// [`AzureCliError`] says what is missing.
    pub fn at(folder: impl Into<PathBuf>) -> Result<Self, AzureCliError> {
        let folder = folder.into();
        let profile = profile(&folder.join("azureProfile.json"))?;
        let place = Place::find(&folder)?;
        let cache = place.read()?;
        let mut accounts: Vec<Account> = Vec::new();
        for change in TokenCache::new().changes_to(&cache) {
            if let (true, Some(entry)) = (change.section() == Kind::Account.section(), change.entry()) {
                let account = Account::from_entry(entry);
                let is_same = |other: &Account| other.home_account_id() == account.home_account_id();
                if !accounts.iter().any(is_same) {
                    accounts.push(account);
                }
            }
        }
        match (accounts.is_empty(), profile.is_application) {
            (_, true) => Err(AzureCliError::Application),
            (true, _) => Err(AzureCliError::NotSignedIn(place.path().to_owned())),
            _ => Ok(Self { place, profile, accounts, tenant: None, user: None, writes: false }),
        }
    }

    /// In this tenant, not in that of the current subscription.
    #[must_use]
    pub fn tenant(mut self, tenant: &str) -> Self {
        self.tenant = Some(tenant.to_owned());
        self
    }

    /// This user, by name, and not the one of the current subscription.
    #[must_use]
    pub fn user(mut self, name: &str) -> Self {
        self.user = Some(name.to_owned());
        self
    }

    /// Writes new tokens to the Azure CLI's cache, under its lock, as it would itself.
    #[must_use]
    pub fn write_back(mut self) -> Self {
        self.writes = true;
        self
    }

    /// Who that is.
    ///
    /// # Errors
    /// [`AzureCliError::Which`] when it is not clear.
    pub fn account(&self) -> Result<&Account, AzureCliError> {
        let wanted = self.user.as_ref().or(self.profile.user.as_ref());
        let is_called = |account: &&Account| {
            let (Some(wanted), Some(name)) = (wanted, account.username()) else { return wanted.is_none() };
            wanted.to_lowercase() == name.to_lowercase()
        };
        let found: Vec<&Account> = self.accounts.iter().filter(is_called).collect();
        match found.as_slice() {
            [one] => Ok(one),
            _ => {
                let names: BTreeSet<&str> = self.accounts.iter().filter_map(Account::username).collect();
                let names = names.into_iter().collect::<Vec<_>>().join(", ");
                Err(AzureCliError::Which(format!("choose one of those who are signed in at the Azure CLI: {names}")))
            }
        }
    }

    /// The tenant that tokens are asked for in: as [said](Self::tenant), else that of the current subscription, else the user's own.
    ///
    /// # Errors
    /// [`AzureCliError::Which`] when it is not clear who the user is.
    pub fn tenant_id(&self) -> Result<String, AzureCliError> {
        let of_profile = self.profile.tenant.as_ref().filter(|_| self.user.is_none());
        if let Some(tenant) = self.tenant.as_ref().or(of_profile) {
            return Ok(tenant.clone());
        }
        let home = self.account()?.home_account_id();
        Ok(home.split_once('.').map_or("organizations", |(_, tenant)| tenant).to_owned())
    }

    /// The Azure CLI as an application, at the authority of this user, with its token cache.
    ///
    /// # Errors
    /// [`AzureCliError`] says what cannot be used.
    pub fn client(&self) -> Result<PublicClientBuilder, AzureCliError> {
        let authority = format!("https://{}/{}", self.account()?.environment(), self.tenant_id()?);
        let builder = PublicClient::builder(AZURE_CLI_CLIENT_ID).authority(&authority);
        Ok(match self.writes {
            true => self.place.writable(builder)?,
            false => builder.persistence(Unwritten::new(self.place.clone())),
        })
    }

    /// A token for this user, from the cache where that is possible.
    ///
    /// # Errors
    /// [`AzureCliError::Client`] with [`Error::InteractionRequired`] when `az login` has to be run again.
    pub fn acquire_token<S: AsRef<str>>(&self, client: &PublicClient, scopes: &[S]) -> Result<Token, AzureCliError> {
        let request = Silent::new(self.account()?, scopes)?;
        Ok(client.acquire_token_silent_with(&request)?)
    }

    /// Starts `az account get-access-token`: for those whose cache cannot be read from here. Only ever done by this method.
    ///
    /// # Errors
    /// [`AzureCliError::Az`] when it is not there, does not end, or gives no token.
    pub fn run_az(scope: &str, tenant: Option<&str>) -> Result<AzToken, AzureCliError> {
        // On Windows `az` is a script of the command interpreter, which would read more into other characters.
        let is_plain = |text: &str| {
            !text.starts_with('-') && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b":/._~-".contains(&byte))
        };
        if !is_plain(scope) || !tenant.is_none_or(is_plain) {
            return Err(AzureCliError::Az("the scope or the tenant has characters that are not passed on"));
        }
        let mut command = if cfg!(windows) { Command::new("cmd") } else { Command::new("az") };
        if cfg!(windows) {
            command.args(["/C", "az"]);
        }
        command.args(["account", "get-access-token", "--output", "json", "--scope", scope]);
        command.args(tenant.iter().flat_map(|tenant| ["--tenant", tenant]));
        AzToken::read(&finish(command)?)
    }
}

/// What `az account get-access-token` printed.
#[non_exhaustive]
#[derive(Debug)]
pub struct AzToken {
    /// The token.
    pub access_token: Secret,
    /// When it ends; older versions of the Azure CLI do not say.
    pub expires_on: Option<UnixTime>,
    /// Its tenant.
    pub tenant: Option<String>,
}

impl AzToken {
    fn read(output: &[u8]) -> Result<Self, AzureCliError> {
        let members = json::parse_object(output, MAX_OUTPUT)
            .map_err(|_| AzureCliError::Az("it printed something else than JSON"))?;
        let token = members.text("accessToken").filter(|token| !token.is_empty());
        let token = token.ok_or(AzureCliError::Az("it printed no token"))?;
        Ok(Self {
            access_token: Secret::from(token),
            expires_on: members.get("expires_on").and_then(|value| value.as_u64()).map(UnixTime),
            tenant: members.text("tenant").map(str::to_owned),
        })
    }
}

/// Waits for a process and gives back what it printed.
fn finish(mut command: Command) -> Result<zeroize::Zeroizing<Vec<u8>>, AzureCliError> {
    let az = AzureCliError::Az;
    let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
    let mut child = child.map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => az("it is not installed"),
        _ => az("it cannot be started"),
    })?;
    let Some(out) = child.stdout.take() else { return Err(az("its output cannot be read")) };
    let reader = thread::spawn(move || {
        let mut text = zeroize::Zeroizing::new(Vec::with_capacity(MAX_OUTPUT));
        let limit = u64::try_from(MAX_OUTPUT).unwrap_or(u64::MAX);
        out.take(limit).read_to_end(&mut text).map(|_| text)
    });
    let begun = SystemClock.now().mono;
    let status = loop {
        match child.try_wait() {
            Ok(Some(status)) => break status,
            Ok(None) if SystemClock.now().mono.since(begun) < AZ_PATIENCE => thread::sleep(Duration::from_millis(20)),
            _ => {
                let _ = child.kill();
                let _ = child.wait();
                return Err(az("it does not come to an end"));
            }
        }
    };
    match (status.success(), reader.join()) {
        (false, _) => Err(az("it failed; run 'az login', then 'az account get-access-token', to see why")),
        (true, Ok(Ok(text))) => Ok(text),
        _ => Err(az("its output cannot be read")),
    }
}

/// The current subscription. Without a profile, or in one that is not understood, there is none.
fn profile(path: &Path) -> Result<Profile, AzureCliError> {
    let text = match std::fs::read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Profile::default()),
        Err(error) => return Err(AzureCliError::Setup(SetupError::file(path, &error))),
    };
    // The Azure CLI writes a byte order mark.
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&text);
    let Ok(members) = json::parse_object(text, MAX_PROFILE) else { return Ok(Profile::default()) };
    let all = members.get("subscriptions").and_then(|list| list.as_array()).map(Vec::as_slice).unwrap_or_default();
    let current = all.iter().find(|one| one.get("isDefault").and_then(|value| value.as_bool()) == Some(true));
    let Some(current) = current else { return Ok(Profile::default()) };
    let text = |name: &str| current.pointer(name).and_then(|value| value.as_str()).map(str::to_owned);
    Ok(Profile {
        user: text("/user/name"),
        tenant: text("/tenantId"),
        is_application: text("/user/type").as_deref() == Some("servicePrincipal"),
    })
}

impl AzureCliError {
    /// Whether it says that there is no login, rather than that it cannot be used.
    pub fn is_not_there(&self) -> bool {
        matches!(self, Self::NotSignedIn(_) | Self::Application)
    }
}

impl From<Error> for AzureCliError {
    fn from(error: Error) -> Self {
        Self::Client(error)
    }
}

impl fmt::Display for AzureCliError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotSignedIn(path) => {
                write!(f, "nobody is signed in at the Azure CLI: no account in {}; run 'az login'", path.display())
            }
            Self::Which(sentence) => f.write_str(sentence),
            Self::Application => f.write_str("an application is signed in at the Azure CLI: use its credential itself"),
            Self::Encrypted(path) => {
                let path = path.display();
                write!(
                    f,
                    "the Azure CLI's token cache is encrypted ({path}) and cannot be read from here: ask az itself, or run \
                    'az config set core.encrypt_token_cache=false' and 'az login'"
                )
            }
            Self::Setup(why) => why.fmt(f),
            Self::Client(why) => why.fmt(f),
            Self::Az(why) => write!(f, "az gave no token: {why}"),
        }
    }
}

impl std::error::Error for AzureCliError {}

impl fmt::Debug for AzureCli {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AzureCli")
            .field("cache", &self.place.path())
            .field("writes", &self.writes)
            .finish_non_exhaustive()
    }
}
