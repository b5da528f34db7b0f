//! The identity that Azure gives to a machine or service: MSAL's `ManagedIdentityClient`, blocking.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use sansal::cache::{Limits, TokenCache};
use sansal::client::{Client, Settings};
use sansal::error::Error;
use sansal::managed::{
    ManagedIdentityEnvironment, ManagedIdentityRequest, ManagedIdentitySource, get_managed_identity_source,
};
use sansal::time::{Clock, Millis};
use sansal::{ManagedIdentity, Secret, Store, Token};

use crate::clock::{Time, platform};
use crate::common::Opened;
use crate::driver::Driver;
use crate::environment::{EnvironmentError, variable};
use crate::http::HttpClient;
use crate::local_files::LocalFiles;
use crate::metrics::Metrics;
use crate::parts::Parts;
use crate::persistence::Persistence;
use crate::random::SystemRandom;
use crate::setup::SetupError;
use crate::ureq_client::{ProxyChoice, UreqClient};

/// Gets tokens of a managed identity: on virtual machines, App Service, Functions, Container Apps, Azure Arc, Machine
/// Learning, Service Fabric, and in Cloud Shell. Where it is, it sees from the variables that Azure sets there.
///
/// ```no_run
/// use sansal_std::{ManagedIdentity, ManagedIdentityClient};
///
/// let client = ManagedIdentityClient::builder(ManagedIdentity::SystemAssigned).build()?;
/// let token = client.acquire_token_for_client("https://vault.azure.net")?;
/// # let _ = token;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct ManagedIdentityClient {
    client: Client,
    driver: Driver,
    requests: ManagedRequests,
}

/// What a [`ManagedIdentityClient`] asks for: its identity, wherever it runs.
#[derive(Clone)]
pub struct ManagedRequests {
    identity: ManagedIdentity,
    environment: ManagedIdentityEnvironment,
    probe: Option<Millis>,
}

impl ManagedRequests {
    /// Who gives the tokens.
    pub fn source(&self) -> ManagedIdentitySource {
        get_managed_identity_source(&self.environment)
    }

    /// A token for a resource that needs no request: [`ManagedIdentityRequest::at_hand`].
    pub fn at_hand(&self, resource: &str, client: &Client, store: &Store, clock: Clock) -> Option<Token> {
        ManagedIdentityRequest::at_hand(&self.identity, resource, client, store, clock)
    }

    /// What gets a token for a resource.
    pub fn request(&self, resource: &str) -> ManagedIdentityRequest {
        let request = ManagedIdentityRequest::new(self.identity.clone(), self.environment.clone(), resource);
        match self.probe {
            Some(patience) => request.probe(patience),
            None => request,
        }
    }
}

/// Without the identity's id, which names the application.
impl fmt::Debug for ManagedRequests {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ManagedIdentityClient({}, {})", self.identity.id_type(), self.source().as_str())
    }
}

impl ManagedIdentityClient {
    /// Starts with the identity.
    pub fn builder(identity: ManagedIdentity) -> ManagedIdentityClientBuilder {
        ManagedIdentityClientBuilder {
            identity,
            environment: None,
            settings: Settings::default(),
            http: None,
            time: None,
            tokens: None,
            limits: Limits::default(),
            persistence: None,
            metrics: None,
            probe: None,
        }
    }

    /// A token for a resource, from the cache or from the source. A resource is what stands before `/.default` in a scope.
    ///
    /// # Errors
    /// [`Error`] says what to do.
    pub fn acquire_token_for_client(&self, resource: &str) -> Result<Token, Error> {
        let find = |store: &_, clock| self.requests.at_hand(resource, &self.client, store, clock);
        match self.driver.at_hand(find) {
            Some(token) => Ok(token),
            None => self.acquire(self.requests.request(resource)),
        }
    }

    /// The same after a resource has refused a token with a claims challenge: never from the cache.
    ///
    /// # Errors
    /// [`Error`] says what to do.
    pub fn acquire_token_with_claims_challenge(&self, resource: &str, claims: &str) -> Result<Token, Error> {
        self.acquire(self.requests.request(resource).claims_challenge(claims))
    }

    /// Who gives the tokens.
    pub fn source(&self) -> ManagedIdentitySource {
        self.requests.source()
    }

    /// Looks into the token cache, for example to write it to a file. No token is stored meanwhile: be quick.
    pub fn with_token_cache<R>(&self, read: impl FnOnce(&TokenCache) -> R) -> R {
        self.driver.with_store(|store| read(&store.tokens))
    }

    fn acquire(&self, request: ManagedIdentityRequest) -> Result<Token, Error> {
        self.driver.drive(&self.client, request.flow(&self.client)?, &LocalFiles)
    }
}

impl fmt::Debug for ManagedIdentityClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.requests.fmt(f)
    }
}

/// Collects what a [`ManagedIdentityClient`] is made of; [`build`](Self::build) checks it as a whole.
pub struct ManagedIdentityClientBuilder {
    identity: ManagedIdentity,
    environment: Option<ManagedIdentityEnvironment>,
    settings: Settings,
    http: Option<Arc<dyn HttpClient>>,
    time: Option<Arc<dyn Time>>,
    tokens: Option<TokenCache>,
    limits: Limits,
    persistence: Option<Arc<dyn Persistence>>,
    metrics: Option<Arc<dyn Metrics>>,
    probe: Option<Millis>,
}

impl ManagedIdentityClientBuilder {
    /// Takes the variables from here, not from this process.
    #[must_use]
    pub fn environment(mut self, environment: ManagedIdentityEnvironment) -> Self {
        self.environment = Some(environment);
        self
    }

    /// What the application can handle, for example `CP1` (claims challenges).
    #[must_use]
    pub fn client_capabilities<S: AsRef<str>>(mut self, capabilities: &[S]) -> Self {
        self.settings.client_capabilities = capabilities.iter().map(|c| c.as_ref().to_owned()).collect();
        self
    }

    /// Finds out within this time whether anybody is at the metadata service of virtual machines, before it is asked: for
    /// programs that also run elsewhere, where nobody answers.
    #[must_use]
    pub fn probe(mut self, patience: std::time::Duration) -> Self {
        self.probe = Some(Millis(u64::try_from(patience.as_millis()).unwrap_or(u64::MAX)));
        self
    }

    /// Whether names of applications, tenants and users may appear in logs. Secrets and tokens never do.
    #[must_use]
    pub fn enable_pii_log(mut self, enable: bool) -> Self {
        self.settings.enable_pii_log = enable;
        self
    }

    /// Everything at once; replaces what the methods above have set.
    #[must_use]
    pub fn settings(mut self, settings: Settings) -> Self {
        self.settings = settings;
        self
    }

    /// Sends requests by another HTTP client. It must obey [`ServerTrust`](sansal::http::ServerTrust).
    #[must_use]
    pub fn http_client(mut self, http: impl HttpClient + 'static) -> Self {
        self.http = Some(Arc::new(http));
        self
    }

    /// Begins with these tokens.
    #[must_use]
    pub fn token_cache(mut self, tokens: TokenCache) -> Self {
        self.tokens = Some(tokens);
        self
    }

    /// How large the token cache may become, in entries and bytes; what is to go first, see [`Limits`]. Default: without limit.
    #[must_use]
    pub fn cache_limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Keeps tokens elsewhere too.
    #[must_use]
    pub fn persistence(mut self, persistence: impl Persistence + 'static) -> Self {
        self.persistence = Some(Arc::new(persistence));
        self
    }

    /// Is told what happens, for a service's counters.
    #[must_use]
    pub fn metrics(mut self, metrics: impl Metrics + 'static) -> Self {
        self.metrics = Some(Arc::new(metrics));
        self
    }

    /// Counts by another clock: for tests.
    #[must_use]
    pub fn time(mut self, time: impl Time + 'static) -> Self {
        self.time = Some(Arc::new(time));
        self
    }

    /// Checks it all. Nothing is sent yet.
    ///
    /// # Errors
    /// [`SetupError`] says what does not fit.
    pub fn build(self) -> Result<ManagedIdentityClient, SetupError> {
        let (client, opened, requests) = self.check()?;
        Ok(ManagedIdentityClient { client, driver: opened.driver()?, requests })
    }

    /// Checks it all, and hands the parts to a host of another kind.
    ///
    /// # Errors
    /// [`SetupError`] says what does not fit.
    pub fn parts(self) -> Result<(Parts, ManagedRequests), SetupError> {
        let (client, opened, requests) = self.check()?;
        Ok((Parts::with(client, opened, Arc::new(LocalFiles))?, requests))
    }

    fn check(self) -> Result<(Client, Opened, ManagedRequests), SetupError> {
        self.identity.check()?;
        let environment = match self.environment {
            Some(environment) => environment,
            None => managed_identity_environment()?,
        };
        let mut settings = self.settings;
        if settings.platform == Settings::default().platform {
            platform().clone_into(&mut settings.platform);
        }
        let client = Client::managed_identity(settings)?;
        let mut store = Store::new(&mut SystemRandom).map_err(Error::from)?;
        store.tokens = self.tokens.unwrap_or_default();
        store.limits = self.limits;
        // No source is behind a proxy.
        let ureq = UreqClient::builder().proxy(ProxyChoice::None);
        let (time, persistence, metrics) = (self.time, self.persistence, self.metrics);
        let opened = Opened { http: self.http, ureq, store, time, persistence, metrics };
        Ok((client, opened, ManagedRequests { identity: self.identity, environment, probe: self.probe }))
    }
}

impl fmt::Debug for ManagedIdentityClientBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ManagedIdentityClientBuilder({})", self.identity.id_type())
    }
}

/// What the variables and files of this machine say about managed identities. An empty variable counts as unset (G-58).
///
/// # Errors
/// [`EnvironmentError::NotUtf8`].
pub fn managed_identity_environment() -> Result<ManagedIdentityEnvironment, EnvironmentError> {
    read_environment(std::env::consts::OS, &variable, &|path| Path::new(path).exists())
}

/// The variables that `lookup` finds, and the files that `exists` knows, on this operating system.
fn read_environment(
    os: &str,
    lookup: &dyn Fn(&'static str) -> Result<Option<String>, EnvironmentError>,
    exists: &dyn Fn(&str) -> bool,
) -> Result<ManagedIdentityEnvironment, EnvironmentError> {
    let text = |name| Ok(lookup(name)?.filter(|value| !value.is_empty()));
    let (agent, arc_token_dir) = match os {
        "linux" => (Some("/opt/azcmagent/bin/himds".to_owned()), Some("/var/opt/azcmagent/tokens".to_owned())),
        "windows" => (
            text("ProgramFiles")?.map(|folder| format!(r"{folder}\AzureConnectedMachineAgent\himds.exe")),
            text("ProgramData")?.map(|folder| format!(r"{folder}\AzureConnectedMachineAgent\Tokens")),
        ),
        _ => (None, None),
    };
    Ok(ManagedIdentityEnvironment {
        identity_endpoint: text("IDENTITY_ENDPOINT")?,
        identity_header: text("IDENTITY_HEADER")?.map(Secret::new),
        identity_server_thumbprint: text("IDENTITY_SERVER_THUMBPRINT")?,
        imds_endpoint: text("IMDS_ENDPOINT")?,
        msi_endpoint: text("MSI_ENDPOINT")?,
        msi_secret: text("MSI_SECRET")?.map(Secret::new),
        azureps_host_environment: text("AZUREPS_HOST_ENVIRONMENT")?,
        pod_identity_authority_host: text("AZURE_POD_IDENTITY_AUTHORITY_HOST")?,
        arc_agent_installed: agent.is_some_and(|path| exists(&path)),
        arc_token_dir,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn environments() {
        type Case<'a> = (&'a str, &'a [(&'static str, &'a str)], &'a [&'a str], ManagedIdentitySource, Option<&'a str>);
        use ManagedIdentitySource as S;
        let linux = Some("/var/opt/azcmagent/tokens");
        let program = [("ProgramFiles", r"C:\Program Files"), ("ProgramData", r"C:\ProgramData")];
        let cases: &[Case<'_>] = &[
            ("linux", &[], &[], S::DefaultToVm, linux),
            ("linux", &[], &["/opt/azcmagent/bin/himds"], S::AzureArc, linux),
            ("macos", &[], &["/opt/azcmagent/bin/himds"], S::DefaultToVm, None),
            (
                "windows",
                &program,
                &[r"C:\Program Files\AzureConnectedMachineAgent\himds.exe"],
                S::AzureArc,
                Some(r"C:\ProgramData\AzureConnectedMachineAgent\Tokens"),
            ),
            ("windows", &[], &[r"\AzureConnectedMachineAgent\himds.exe"], S::DefaultToVm, None),
            ("linux", &[("IDENTITY_ENDPOINT", "e"), ("IDENTITY_HEADER", "")], &[], S::DefaultToVm, linux), // G-58
            ("linux", &[("IDENTITY_ENDPOINT", "e"), ("IDENTITY_HEADER", "h")], &[], S::AppService, linux),
            ("linux", &[("MSI_ENDPOINT", "e"), ("MSI_SECRET", "h")], &[], S::MachineLearning, linux),
            ("linux", &[("AZUREPS_HOST_ENVIRONMENT", "cloud-shell/1.0")], &[], S::CloudShell, linux),
        ];
        for (os, variables, files, source, dir) in cases {
            let lookup = |name| Ok(variables.iter().find(|(n, _)| *n == name).map(|(_, value)| (*value).to_owned()));
            let environment = read_environment(os, &lookup, &|path| files.contains(&path)).unwrap();
            assert_eq!(get_managed_identity_source(&environment), *source, "{os} {variables:?}");
            assert_eq!(environment.arc_token_dir.as_deref(), *dir, "{os} {variables:?}");
        }
        let odd = read_environment("linux", &|name| Err(EnvironmentError::NotUtf8(name)), &|_| false).unwrap_err();
        assert_eq!(odd, EnvironmentError::NotUtf8("IDENTITY_ENDPOINT"));
    }
}
