//! The credentials that a program finds around it, tried one after the other, as the Azure SDKs do it: the environment, workload
//! identity, managed identity.

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use sansal::client::Settings;
use sansal::error::Error;
use sansal::managed::ManagedIdentityEnvironment;
use sansal::{ManagedIdentity, Token};

use crate::azure_cli::{AzureCli, AzureCliError};
use crate::builder::ConfidentialClientBuilder;
use crate::clock::Time;
use crate::confidential::ConfidentialClient;
use crate::environment::{Environment, EnvironmentCredential, EnvironmentError};
use crate::http::HttpClient;
use crate::managed::{ManagedIdentityClient, ManagedIdentityClientBuilder, managed_identity_environment};
use crate::public::{PublicClient, PublicClientBuilder};
use crate::setup::SetupError;

/// The metadata service of virtual machines answers within milliseconds or, outside of Azure, never.
const PROBE: Duration = Duration::from_secs(1);

/// Gets tokens by the first of these that is there, and stays with it:
///
/// | link | is there when |
/// |---|---|
/// | [`Environment`](Link::Environment) | `AZURE_CLIENT_ID`, `AZURE_TENANT_ID` and a secret or certificate are set |
/// | [`WorkloadIdentity`](Link::WorkloadIdentity) | `AZURE_CLIENT_ID`, `AZURE_TENANT_ID` and `AZURE_FEDERATED_TOKEN_FILE` are set |
/// | [`ManagedIdentity`](Link::ManagedIdentity) | a source of managed identities answers; `AZURE_CLIENT_ID` names a user-assigned one |
/// | [`AzureCli`](Link::AzureCli) | it was [asked for](DefaultChainBuilder::azure_cli), and somebody has run `az login`: for developers' machines |
///
/// A link that is there and fails ends the search: a program that was given a credential does not silently become somebody
/// else because that credential has ended.
///
/// ```no_run
/// use sansal_std::DefaultChain;
///
/// let chain = DefaultChain::from_env()?;
/// let token = chain.acquire_token(&["https://vault.azure.net/.default"])?;
/// # let _ = token;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct DefaultChain {
    links: Vec<(Link, Result<Member, SetupError>)>,
    found: OnceLock<usize>,
}

/// One way to get tokens.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Link {
    /// A secret or certificate that the environment names.
    Environment,
    /// A token file that the environment names (AKS).
    WorkloadIdentity,
    /// The identity that Azure gives to this machine or service.
    ManagedIdentity,
    /// Whoever has signed in at the Azure CLI.
    AzureCli,
}

/// The ways to get tokens, ready for use.
enum Member {
    Application(Box<ConfidentialClient>),
    Managed(Box<ManagedIdentityClient>),
    AzureCli(Box<(AzureCli, PublicClient)>),
}

/// One way to get tokens, as it is configured: for hosts of another kind.
#[non_exhaustive]
pub enum LinkSettings {
    /// An application with a credential.
    Application(Box<ConfidentialClientBuilder>),
    /// A managed identity.
    Managed(Box<ManagedIdentityClientBuilder>),
    /// A login of the Azure CLI, and the client that uses it.
    AzureCli(Box<(AzureCli, PublicClientBuilder)>),
}

/// What came of the links that were asked so far.
#[derive(Debug, Default)]
pub struct ChainSearch {
    answers: Vec<(Link, LinkAnswer)>,
}

/// What each link answered, in the order in which they were asked.
#[derive(Debug)]
pub struct ChainError {
    answers: Vec<(Link, LinkAnswer)>,
}

/// What a link answered.
#[non_exhaustive]
#[derive(Clone, Debug)]
pub enum LinkAnswer {
    /// It is not there: what is missing.
    NotThere(String),
    /// It is there, and failed. No other link was asked then.
    Failed(Error),
    /// It is there, and cannot be used as it is configured. No other link was asked then.
    Unusable(String),
}

impl DefaultChain {
    /// With what the variables of this process say.
    ///
    /// # Errors
    /// [`SetupError::Environment`] when a variable cannot be read, or two contradict each other.
    pub fn from_env() -> Result<Self, SetupError> {
        Self::builder().build()
    }

    /// To say more.
    pub fn builder() -> DefaultChainBuilder {
        DefaultChainBuilder {
            environment: None,
            managed: None,
            settings: Settings::default(),
            probe: PROBE,
            http: None,
            time: None,
            azure_cli: None,
        }
    }

    /// A token for one resource: its identifier followed by `/.default`.
    ///
    /// # Errors
    /// [`ChainError`] says what each link answered.
    pub fn acquire_token<S: AsRef<str>>(&self, scopes: &[S]) -> Result<Token, ChainError> {
        let mut search = ChainSearch::default();
        let known = self.found.get().copied();
        for (at, (link, member)) in self.links.iter().enumerate() {
            if known.is_some_and(|known| known != at) {
                continue;
            }
            let goes_on = match member {
                Ok(member) => match member.acquire(scopes) {
                    Ok(token) => {
                        // Another thread may have been first; it found the same.
                        let _ = self.found.set(at);
                        return Ok(token);
                    }
                    Err(error) => search.failed(*link, error, known.is_some()),
                },
                Err(why) => search.unusable(*link, why),
            };
            if !goes_on {
                break;
            }
        }
        Err(search.end())
    }

    /// The link that gave a token first, and gives all others.
    pub fn found(&self) -> Option<Link> {
        self.links.get(*self.found.get()?).map(|(link, _)| *link)
    }
}

impl Member {
    fn acquire<S: AsRef<str>>(&self, scopes: &[S]) -> Result<Token, Error> {
        match (self, scopes) {
            (Self::Application(client), scopes) => client.acquire_token_for_client(scopes),
            (Self::Managed(client), [scope]) => {
                let scope = scope.as_ref();
                client.acquire_token_for_client(scope.strip_suffix("/.default").unwrap_or(scope))
            }
            (Self::AzureCli(both), scopes) => both.0.acquire_token(&both.1, scopes).map_err(|why| match why {
                AzureCliError::Client(error) => error,
                _ => Error::InteractionRequired { claims: None, refusal: None },
            }),
            (Self::Managed(_), _) => {
                Err(sansal::error::Config::Scope("a managed identity has tokens for one resource at a time").into())
            }
        }
    }
}

impl ChainSearch {
    /// A link failed, which is the one that has given tokens, if one [is found](DefaultChain::found). Whether the next one is to be
    /// asked: when this says that there is no managed identity here, and not that it failed.
    pub fn failed(&mut self, link: Link, error: Error, is_found: bool) -> bool {
        let is_absent = matches!(&error, Error::Unreachable { why, .. } if why.is_transient());
        self.note(
            link,
            match link {
                Link::ManagedIdentity if is_absent && !is_found => {
                    LinkAnswer::NotThere(format!("nobody answers: {error}"))
                }
                _ => LinkAnswer::Failed(error),
            },
        )
    }

    /// A link could not be made. Whether the next one is to be asked.
    pub fn unusable(&mut self, link: Link, why: &SetupError) -> bool {
        self.note(
            link,
            match why {
                SetupError::Environment(why @ EnvironmentError::Missing(_)) => LinkAnswer::NotThere(why.to_string()),
                why => LinkAnswer::Unusable(why.to_string()),
            },
        )
    }

    /// No link gave a token.
    pub fn end(self) -> ChainError {
        ChainError { answers: self.answers }
    }

    fn note(&mut self, link: Link, answer: LinkAnswer) -> bool {
        let goes_on = matches!(answer, LinkAnswer::NotThere(_));
        self.answers.push((link, answer));
        goes_on
    }
}

impl LinkSettings {
    fn build(self) -> Result<Member, SetupError> {
        Ok(match self {
            Self::Application(settings) => Member::Application(Box::new(settings.build()?)),
            Self::Managed(settings) => Member::Managed(Box::new(settings.build()?)),
            Self::AzureCli(both) => {
                let (login, settings) = *both;
                Member::AzureCli(Box::new((login, settings.build()?)))
            }
        })
    }
}

impl fmt::Debug for LinkSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LinkSettings(..)")
    }
}

impl fmt::Debug for DefaultChain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DefaultChain").field("found", &self.found()).finish_non_exhaustive()
    }
}

impl Link {
    /// Its name, for people.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Environment => "environment",
            Self::WorkloadIdentity => "workload identity",
            Self::ManagedIdentity => "managed identity",
            Self::AzureCli => "Azure CLI",
        }
    }
}

impl ChainError {
    /// What each link answered.
    pub fn answers(&self) -> &[(Link, LinkAnswer)] {
        &self.answers
    }

    /// The error of the link that was there and failed, if there was one.
    pub fn failure(&self) -> Option<&Error> {
        self.answers.iter().find_map(|(_, answer)| match answer {
            LinkAnswer::Failed(error) => Some(error),
            _ => None,
        })
    }
}

impl fmt::Display for ChainError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no credential gave a token")?;
        for (link, answer) in &self.answers {
            write!(f, "; {}: ", link.name())?;
            match answer {
                LinkAnswer::NotThere(why) => write!(f, "not there ({why})")?,
                LinkAnswer::Failed(error) => write!(f, "failed: {error}")?,
                LinkAnswer::Unusable(why) => write!(f, "cannot be used: {why}")?,
            }
        }
        Ok(())
    }
}

impl std::error::Error for ChainError {}

/// Collects what a [`DefaultChain`] is made of.
pub struct DefaultChainBuilder {
    environment: Option<Environment>,
    managed: Option<ManagedIdentityEnvironment>,
    settings: Settings,
    probe: Duration,
    http: Option<Arc<dyn HttpClient>>,
    time: Option<Arc<dyn Time>>,
    azure_cli: Option<Result<AzureCli, AzureCliError>>,
}

impl DefaultChainBuilder {
    /// Asks the Azure CLI's login last: [`AzureCli::from_env`]. On a machine of a developer the others are not there.
    ///
    /// Not there unless asked for: a service without a credential must not become whoever has signed in on its machine.
    #[must_use]
    pub fn azure_cli(mut self, login: Result<AzureCli, AzureCliError>) -> Self {
        self.azure_cli = Some(login);
        self
    }

    /// Takes the variables of the Azure SDKs from here, not from this process.
    #[must_use]
    pub fn environment(mut self, environment: Environment) -> Self {
        self.environment = Some(environment);
        self
    }

    /// Takes the variables of managed identities from here, not from this process.
    #[must_use]
    pub fn managed_identity_environment(mut self, environment: ManagedIdentityEnvironment) -> Self {
        self.managed = Some(environment);
        self
    }

    /// How long the metadata service of virtual machines has to show that it is there. Default: one second.
    #[must_use]
    pub fn probe(mut self, patience: Duration) -> Self {
        self.probe = patience;
        self
    }

    /// The settings of all links.
    #[must_use]
    pub fn settings(mut self, settings: Settings) -> Self {
        self.settings = settings;
        self
    }

    /// Sends requests by another HTTP client.
    #[must_use]
    pub fn http_client(mut self, http: impl HttpClient + 'static) -> Self {
        self.http = Some(Arc::new(http));
        self
    }

    /// Counts by another clock: for tests.
    #[must_use]
    pub fn time(mut self, time: impl Time + 'static) -> Self {
        self.time = Some(Arc::new(time));
        self
    }

    /// Puts the links together. Nothing is sent yet; a link that is not there is no error.
    ///
    /// # Errors
    /// [`SetupError::Environment`] when a variable cannot be read, or two contradict each other.
    pub fn build(self) -> Result<DefaultChain, SetupError> {
        let links = self.links()?.into_iter();
        let links = links.map(|(link, settings)| (link, settings.and_then(LinkSettings::build))).collect();
        Ok(DefaultChain { links, found: OnceLock::new() })
    }

    /// The links in their order, for a host of another kind; what is missing where one is not there.
    ///
    /// # Errors
    /// [`SetupError::Environment`] when a variable cannot be read, or two contradict each other.
    pub fn links(mut self) -> Result<Vec<(Link, Result<LinkSettings, SetupError>)>, SetupError> {
        let environment = match self.environment.take() {
            Some(environment) => environment,
            None => Environment::from_process()?,
        };
        let managed = match self.managed.take() {
            Some(environment) => environment,
            None => managed_identity_environment()?,
        };
        let mut links = vec![
            (Link::Environment, self.secret_or_certificate(&environment)),
            (Link::WorkloadIdentity, self.workload_identity(&environment)),
            (Link::ManagedIdentity, self.managed_identity(&environment, managed)),
        ];
        if let Some(login) = self.azure_cli.take() {
            links.push((Link::AzureCli, self.login(login)));
        }
        Ok(links)
    }

    fn secret_or_certificate(&self, environment: &Environment) -> Result<LinkSettings, SetupError> {
        match environment.credential()? {
            EnvironmentCredential::TokenFile(_) => {
                Err(EnvironmentError::Missing("AZURE_CLIENT_SECRET or AZURE_CLIENT_CERTIFICATE_PATH").into())
            }
            credential => self.application(environment, credential),
        }
    }

    fn workload_identity(&self, environment: &Environment) -> Result<LinkSettings, SetupError> {
        let path = environment.federated_token_file.clone();
        let path = path.ok_or(EnvironmentError::Missing("AZURE_FEDERATED_TOKEN_FILE"))?;
        self.application(environment, EnvironmentCredential::TokenFile(path))
    }

    fn application(
        &self,
        environment: &Environment,
        credential: EnvironmentCredential,
    ) -> Result<LinkSettings, SetupError> {
        let mut builder = ConfidentialClient::builder(environment.client_id()?)
            .authority(&environment.authority()?)
            .settings(self.settings.clone())
            .environment_regions(environment)
            .environment_credential(credential)?;
        if let Some(http) = &self.http {
            builder = builder.http_client(http.clone());
        }
        if let Some(time) = &self.time {
            builder = builder.time(Shared(time.clone()));
        }
        Ok(LinkSettings::Application(Box::new(builder)))
    }

    fn login(&self, login: Result<AzureCli, AzureCliError>) -> Result<LinkSettings, SetupError> {
        let failed = |why: AzureCliError| match why {
            AzureCliError::Setup(why) => why,
            why if why.is_not_there() => EnvironmentError::Missing("a login of the Azure CLI").into(),
            AzureCliError::Encrypted(_) => SetupError::Contradiction("the Azure CLI's token cache is encrypted"),
            _ => SetupError::Contradiction("it is not clear which of the Azure CLI's users is meant"),
        };
        let login = login.map_err(failed)?;
        let mut builder = login.client().map_err(failed)?.settings(self.settings.clone());
        if let Some(http) = &self.http {
            builder = builder.http_client(http.clone());
        }
        if let Some(time) = &self.time {
            builder = builder.time(Shared(time.clone()));
        }
        Ok(LinkSettings::AzureCli(Box::new((login, builder))))
    }

    fn managed_identity(
        &self,
        environment: &Environment,
        managed: ManagedIdentityEnvironment,
    ) -> Result<LinkSettings, SetupError> {
        let identity = match &environment.client_id {
            Some(id) => ManagedIdentity::ClientId(id.clone()),
            None => ManagedIdentity::SystemAssigned,
        };
        let mut builder = ManagedIdentityClient::builder(identity)
            .environment(managed)
            .settings(self.settings.clone())
            .probe(self.probe);
        if let Some(http) = &self.http {
            builder = builder.http_client(http.clone());
        }
        if let Some(time) = &self.time {
            builder = builder.time(Shared(time.clone()));
        }
        Ok(LinkSettings::Managed(Box::new(builder)))
    }
}

impl fmt::Debug for DefaultChainBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DefaultChainBuilder(..)")
    }
}

/// One clock for all links.
struct Shared(Arc<dyn Time>);

impl Time for Shared {
    fn now(&self) -> sansal::time::Clock {
        self.0.now()
    }

    fn sleep(&self, span: sansal::time::Millis) {
        self.0.sleep(span);
    }
}
