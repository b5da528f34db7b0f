//! The variables of the Azure SDKs as data (decision 16 of the design). An empty variable counts as unset (G-58).

use std::fmt;
use std::fs::File;
use std::path::{Path, PathBuf};

use sansal::Secret;
use sansal::error::AskError;

use crate::local_files::{bounded, failed};

/// Where `AZURE_TENANT_ID` is looked for when `AZURE_AUTHORITY_HOST` is unset.
const PUBLIC_CLOUD: &str = "https://login.microsoftonline.com";
/// A client assertion; the machine bounds it too.
const MAX_ASSERTION: usize = 64 * 1024;

/// What the environment says about this application. Fields are public: fill one by hand if you like.
///
/// | variable | meaning |
/// |---|---|
/// | `AZURE_CLIENT_ID` | application (client) id |
/// | `AZURE_AUTHORITY` | the whole authority, `https://host/tenant` |
/// | `AZURE_TENANT_ID`, `AZURE_AUTHORITY_HOST` | the same in two parts; the host is the public cloud's by default |
/// | `AZURE_CLIENT_SECRET` | a client secret |
/// | `AZURE_CLIENT_CERTIFICATE_PATH`, or `AZURE_CERTIFICATE_PATH` | a file with key and certificate |
/// | `AZURE_CLIENT_CERTIFICATE_PASSWORD` | the passphrase of that key |
/// | `AZURE_CERTIFICATE_THUMBPRINT` | the thumbprint of that certificate |
/// | `REGION_NAME` | the Azure region this machine is in, as Azure's hosts set it; opts in to nothing |
/// | `MSAL_FORCE_REGION` | the region for those who name none themselves |
/// | `AZURE_FEDERATED_TOKEN_FILE` | a file with a client assertion, read anew for each request; counts only if there is neither secret nor certificate, since Kubernetes sets it by itself |
#[derive(Clone, Debug, Default)]
pub struct Environment {
    /// `AZURE_CLIENT_ID`
    pub client_id: Option<String>,
    /// `AZURE_TENANT_ID`
    pub tenant_id: Option<String>,
    /// `AZURE_AUTHORITY_HOST`
    pub authority_host: Option<String>,
    /// `AZURE_AUTHORITY`
    pub authority: Option<String>,
    /// `AZURE_CLIENT_SECRET`
    pub client_secret: Option<Secret>,
    /// `AZURE_CLIENT_CERTIFICATE_PATH` or `AZURE_CERTIFICATE_PATH`
    pub certificate_path: Option<PathBuf>,
    /// `AZURE_CLIENT_CERTIFICATE_PASSWORD`
    pub certificate_password: Option<Secret>,
    /// `AZURE_CERTIFICATE_THUMBPRINT`
    pub certificate_thumbprint: Option<String>,
    /// `AZURE_FEDERATED_TOKEN_FILE`
    pub federated_token_file: Option<PathBuf>,
    /// `REGION_NAME`
    pub region_name: Option<String>,
    /// `MSAL_FORCE_REGION`
    pub force_region: Option<String>,
}

/// Which credential the environment names.
#[non_exhaustive]
#[derive(Clone, Debug)]
pub enum EnvironmentCredential {
    /// A client secret.
    Secret(Secret),
    /// A file with key and certificate.
    Certificate {
        /// The file.
        path: PathBuf,
        /// The passphrase of the key.
        passphrase: Option<Secret>,
        /// The thumbprint of the certificate.
        thumbprint: Option<String>,
    },
    /// A file with a client assertion, to be read for each request.
    TokenFile(PathBuf),
}

/// What is wrong with the variables.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EnvironmentError {
    /// One of these must be set.
    Missing(&'static str),
    /// Only one of the two may be set, or they say different things.
    Contradiction(&'static str, &'static str),
    /// The first means nothing without the second.
    Needs(&'static str, &'static str),
    /// The value is not UTF-8.
    NotUtf8(&'static str),
}

impl Environment {
    /// Reads the variables of this process.
    ///
    /// # Errors
    /// [`EnvironmentError`] names the variables that contradict each other or cannot be read.
    pub fn from_process() -> Result<Self, EnvironmentError> {
        Self::from_lookup(variable)
    }

    /// Reads variables that `lookup` finds.
    ///
    /// # Errors
    /// [`EnvironmentError`], of `lookup` or for variables that contradict each other.
    pub fn from_lookup(
        lookup: impl Fn(&'static str) -> Result<Option<String>, EnvironmentError>,
    ) -> Result<Self, EnvironmentError> {
        let text = |name| Ok(lookup(name)?.filter(|value| !value.is_empty()));
        let certificate_path = match (text("AZURE_CLIENT_CERTIFICATE_PATH")?, text("AZURE_CERTIFICATE_PATH")?) {
            (Some(a), Some(b)) if a != b => {
                return Err(contradiction("AZURE_CLIENT_CERTIFICATE_PATH", "AZURE_CERTIFICATE_PATH"));
            }
            (a, b) => a.or(b).map(PathBuf::from),
        };
        Ok(Self {
            client_id: text("AZURE_CLIENT_ID")?,
            tenant_id: text("AZURE_TENANT_ID")?,
            authority_host: text("AZURE_AUTHORITY_HOST")?,
            authority: text("AZURE_AUTHORITY")?,
            client_secret: text("AZURE_CLIENT_SECRET")?.map(Secret::new),
            certificate_path,
            certificate_password: text("AZURE_CLIENT_CERTIFICATE_PASSWORD")?.map(Secret::new),
            certificate_thumbprint: text("AZURE_CERTIFICATE_THUMBPRINT")?,
            federated_token_file: text("AZURE_FEDERATED_TOKEN_FILE")?.map(PathBuf::from),
            region_name: text("REGION_NAME")?,
            force_region: text("MSAL_FORCE_REGION")?,
        })
    }

    /// The application's id.
    ///
    /// # Errors
    /// [`EnvironmentError::Missing`]
    pub fn client_id(&self) -> Result<&str, EnvironmentError> {
        self.client_id.as_deref().ok_or(EnvironmentError::Missing("AZURE_CLIENT_ID"))
    }

    /// The authority, from one variable or two.
    ///
    /// # Errors
    /// [`EnvironmentError`] when there is none, or the variables name different ones.
    pub fn authority(&self) -> Result<String, EnvironmentError> {
        let Some(whole) = &self.authority else {
            let tenant = self.tenant_id.as_deref();
            let tenant = tenant.ok_or(EnvironmentError::Missing("AZURE_TENANT_ID or AZURE_AUTHORITY"))?;
            let host = self.authority_host.as_deref().unwrap_or(PUBLIC_CLOUD).trim_end_matches('/');
            // The Azure SDKs also take a host without scheme.
            let scheme = if host.contains("://") { "" } else { "https://" };
            return Ok(format!("{scheme}{host}/{tenant}"));
        };
        let bare = |text: &str| {
            let text = text.trim_end_matches('/').to_ascii_lowercase();
            text.strip_prefix("https://").map(str::to_owned).unwrap_or(text)
        };
        let (host, path) = bare(whole).split_once('/').map(|(h, p)| (h.to_owned(), p.to_owned())).unwrap_or_default();
        if self.authority_host.as_deref().is_some_and(|other| bare(other) != host) {
            return Err(contradiction("AZURE_AUTHORITY", "AZURE_AUTHORITY_HOST"));
        }
        if self.tenant_id.as_deref().is_some_and(|tenant| !path.split('/').any(|s| s.eq_ignore_ascii_case(tenant))) {
            return Err(contradiction("AZURE_AUTHORITY", "AZURE_TENANT_ID"));
        }
        Ok(whole.clone())
    }

    /// The credential.
    ///
    /// # Errors
    /// [`EnvironmentError`] when there is none, or more than one.
    pub fn credential(&self) -> Result<EnvironmentCredential, EnvironmentError> {
        const PATH: &str = "AZURE_CLIENT_CERTIFICATE_PATH";
        match (&self.client_secret, &self.certificate_path) {
            (Some(_), Some(_)) => Err(contradiction("AZURE_CLIENT_SECRET", PATH)),
            (_, None) if self.certificate_password.is_some() => {
                Err(EnvironmentError::Needs("AZURE_CLIENT_CERTIFICATE_PASSWORD", PATH))
            }
            (_, None) if self.certificate_thumbprint.is_some() => {
                Err(EnvironmentError::Needs("AZURE_CERTIFICATE_THUMBPRINT", PATH))
            }
            (Some(secret), None) => Ok(EnvironmentCredential::Secret(secret.clone())),
            (None, Some(path)) => Ok(EnvironmentCredential::Certificate {
                path: path.clone(),
                passphrase: self.certificate_password.clone(),
                thumbprint: self.certificate_thumbprint.clone(),
            }),
            (None, None) => match &self.federated_token_file {
                Some(path) => Ok(EnvironmentCredential::TokenFile(path.clone())),
                None => Err(EnvironmentError::Missing(
                    "AZURE_CLIENT_SECRET, AZURE_CLIENT_CERTIFICATE_PATH or AZURE_FEDERATED_TOKEN_FILE",
                )),
            },
        }
    }
}

/// `REGION_NAME` and `MSAL_FORCE_REGION`, whatever is wrong with the other variables: those are somebody else's affair. A value that is
/// no text is no region, which the core says to those whom it concerns.
pub(crate) fn regions(
    lookup: impl Fn(&'static str) -> Result<Option<String>, EnvironmentError>,
) -> (Option<String>, Option<String>) {
    let text = |name| match lookup(name) {
        Ok(value) => value.filter(|value| !value.is_empty()),
        Err(_) => Some(char::REPLACEMENT_CHARACTER.to_string()),
    };
    (text("REGION_NAME"), text("MSAL_FORCE_REGION"))
}

/// A variable of this process.
#[expect(clippy::disallowed_methods, reason = "the one place where this adapter reads variables")]
pub(crate) fn variable(name: &'static str) -> Result<Option<String>, EnvironmentError> {
    match std::env::var(name) {
        Ok(value) => Ok(Some(value)),
        Err(std::env::VarError::NotPresent) => Ok(None),
        Err(std::env::VarError::NotUnicode(_)) => Err(EnvironmentError::NotUtf8(name)),
    }
}

/// Reads a client assertion from a file that somebody else renews.
pub(crate) fn read_assertion(path: &Path) -> Result<Secret, AskError> {
    let bytes = File::open(path).and_then(|file| bounded(file, MAX_ASSERTION)).map_err(failed)?;
    let text = std::str::from_utf8(bytes.expose()).map_err(|_| AskError::Failed)?;
    match text.trim() {
        "" => Err(AskError::NotFound),
        trimmed => Ok(Secret::from(trimmed)),
    }
}

const fn contradiction(a: &'static str, b: &'static str) -> EnvironmentError {
    EnvironmentError::Contradiction(a, b)
}

impl fmt::Display for EnvironmentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(which) => write!(f, "set the environment variable {which}"),
            Self::Contradiction(a, b) => {
                write!(f, "the environment variables {a} and {b} contradict each other: unset one")
            }
            Self::Needs(set, missing) => {
                write!(f, "the environment variable {set} is set, but {missing} is not")
            }
            Self::NotUtf8(which) => write!(f, "the environment variable {which} is not UTF-8"),
        }
    }
}

impl std::error::Error for EnvironmentError {}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn environment(variables: &[(&'static str, &str)]) -> Result<Environment, EnvironmentError> {
        Environment::from_lookup(|name| {
            Ok(variables.iter().find(|(n, _)| *n == name).map(|(_, value)| (*value).to_owned()))
        })
    }

    #[test]
    fn authorities() {
        use EnvironmentError as E;
        let missing = E::Missing("AZURE_TENANT_ID or AZURE_AUTHORITY");
        let host = |other| E::Contradiction("AZURE_AUTHORITY", other);
        type Case<'a> = (&'a [(&'static str, &'a str)], Result<&'a str, EnvironmentError>);
        let cases: &[Case<'_>] = &[
            (&[], Err(missing.clone())),
            (&[("AZURE_TENANT_ID", "")], Err(missing.clone())), // G-58
            (&[("AZURE_AUTHORITY_HOST", "https://login.microsoftonline.us")], Err(missing)),
            (&[("AZURE_TENANT_ID", "t")], Ok("https://login.microsoftonline.com/t")),
            (
                &[("AZURE_TENANT_ID", "t"), ("AZURE_AUTHORITY_HOST", "https://login.microsoftonline.us/")],
                Ok("https://login.microsoftonline.us/t"),
            ),
            (
                &[("AZURE_TENANT_ID", "t"), ("AZURE_AUTHORITY_HOST", "login.microsoftonline.us")],
                Ok("https://login.microsoftonline.us/t"),
            ),
            // The core refuses it; the scheme is not repaired here.
            (&[("AZURE_TENANT_ID", "t"), ("AZURE_AUTHORITY_HOST", "http://a.example")], Ok("http://a.example/t")),
            (&[("AZURE_AUTHORITY", "https://a.example/t")], Ok("https://a.example/t")),
            (
                &[("AZURE_AUTHORITY", "https://a.example/T/"), ("AZURE_TENANT_ID", "t"), ("AZURE_AUTHORITY_HOST", "")],
                Ok("https://a.example/T/"),
            ),
            (
                &[("AZURE_AUTHORITY", "https://A.example/t"), ("AZURE_AUTHORITY_HOST", "https://a.example/")],
                Ok("https://A.example/t"),
            ),
            (&[("AZURE_AUTHORITY", "https://a.example/t"), ("AZURE_TENANT_ID", "u")], Err(host("AZURE_TENANT_ID"))),
            (
                &[("AZURE_AUTHORITY", "https://a.example/t"), ("AZURE_AUTHORITY_HOST", "https://b.example")],
                Err(host("AZURE_AUTHORITY_HOST")),
            ),
        ];
        for (variables, expected) in cases {
            let got = environment(variables).unwrap().authority();
            assert_eq!(got, expected.clone().map(str::to_owned), "{variables:?}");
        }
    }

    #[test]
    fn credentials() {
        type Case<'a> = (&'a [(&'static str, &'a str)], Result<&'a str, EnvironmentError>);
        let secret = ("AZURE_CLIENT_SECRET", "s");
        let path = ("AZURE_CLIENT_CERTIFICATE_PATH", "p");
        let file = ("AZURE_FEDERATED_TOKEN_FILE", "f");
        let password = ("AZURE_CLIENT_CERTIFICATE_PASSWORD", "w");
        let thumbprint = ("AZURE_CERTIFICATE_THUMBPRINT", "t");
        use EnvironmentError as E;
        let cases: &[Case<'_>] = &[
            (&[], Err(E::Missing("AZURE_CLIENT_SECRET, AZURE_CLIENT_CERTIFICATE_PATH or AZURE_FEDERATED_TOKEN_FILE"))),
            (&[secret], Ok("secret s")),
            (&[secret, file], Ok("secret s")),
            (&[path, file], Ok("certificate p - -")),
            (&[("AZURE_CERTIFICATE_PATH", "p"), password, thumbprint], Ok("certificate p w t")),
            (&[path, ("AZURE_CERTIFICATE_PATH", "p")], Ok("certificate p - -")),
            (&[("AZURE_CLIENT_SECRET", ""), file], Ok("file f")), // G-58
            (&[secret, path], Err(E::Contradiction("AZURE_CLIENT_SECRET", "AZURE_CLIENT_CERTIFICATE_PATH"))),
            (&[secret, password], Err(E::Needs("AZURE_CLIENT_CERTIFICATE_PASSWORD", "AZURE_CLIENT_CERTIFICATE_PATH"))),
            (&[file, thumbprint], Err(E::Needs("AZURE_CERTIFICATE_THUMBPRINT", "AZURE_CLIENT_CERTIFICATE_PATH"))),
        ];
        for (variables, expected) in cases {
            let got = environment(variables).unwrap().credential().map(|credential| match credential {
                EnvironmentCredential::Secret(secret) => format!("secret {}", secret.expose()),
                EnvironmentCredential::Certificate { path, passphrase, thumbprint } => {
                    let passphrase = passphrase.unwrap_or(Secret::from("-"));
                    let thumbprint = thumbprint.unwrap_or("-".into());
                    format!("certificate {} {} {thumbprint}", path.display(), passphrase.expose())
                }
                EnvironmentCredential::TokenFile(path) => format!("file {}", path.display()),
            });
            assert_eq!(got, expected.clone().map(str::to_owned), "{variables:?}");
        }
        assert_eq!(
            environment(&[path, ("AZURE_CERTIFICATE_PATH", "q")]).unwrap_err(),
            E::Contradiction("AZURE_CLIENT_CERTIFICATE_PATH", "AZURE_CERTIFICATE_PATH")
        );
        assert_eq!(environment(&[]).unwrap().client_id(), Err(E::Missing("AZURE_CLIENT_ID")));
    }

    #[test]
    fn regions_do_not_depend_on_other_variables() {
        let lookup = |name| match name {
            "REGION_NAME" => Ok(Some(String::new())),
            "MSAL_FORCE_REGION" => Ok(Some("westus2".to_owned())),
            "AZURE_CLIENT_CERTIFICATE_PATH" => Ok(Some("a".to_owned())),
            "AZURE_CERTIFICATE_PATH" => Ok(Some("b".to_owned())),
            other => Err(EnvironmentError::NotUtf8(other)),
        };
        assert!(Environment::from_lookup(lookup).is_err());
        assert_eq!(regions(lookup), (None, Some("westus2".to_owned())));
        // Not taken for an unset one: a region that cannot be read is an error for those who want it.
        let (name, forced) = regions(|name| Err(EnvironmentError::NotUtf8(name)));
        let confidential = sansal::Client::builder("app").credential(sansal::client::Credential::secret("s"));
        let settings = sansal::client::Settings { force_region: forced, ..Default::default() };
        assert!(name.is_some() && confidential.settings(settings).build().is_err());
    }

    #[test]
    fn assertions_are_read_from_files() {
        let dir = std::env::temp_dir().join(format!("sansal-std-assertion-{}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        let file = |name: &str, content: &[u8]| {
            let path = dir.join(name);
            fs::write(&path, content).unwrap();
            path
        };
        let cases = [
            (file("good", b"a.b.c\n"), Ok("a.b.c")),
            (file("empty", b" \n"), Err(AskError::NotFound)),
            (file("binary", b"\xFF\xFE"), Err(AskError::Failed)),
            (file("long", &vec![b'a'; 64 * 1024 + 1]), Err(AskError::TooLarge)),
            (dir.join("absent"), Err(AskError::NotFound)),
        ];
        for (path, expected) in cases {
            let got = read_assertion(&path);
            assert_eq!(got.as_ref().map(Secret::expose).map_err(|why| *why), expected, "{}", path.display());
        }
        fs::remove_dir_all(&dir).unwrap();
    }
}
