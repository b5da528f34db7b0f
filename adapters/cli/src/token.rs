//! `sansal token`: a token for a user who is signed in, for an application itself (RFC 6749 s4.4), or for a managed identity.

use std::path::{Path, PathBuf};

use clap::Args;
use sansal_std::sansal::Silent;
use sansal_std::sansal::client::{Region, RegionName};
use sansal_std::{
    AuthScheme, BoundToken, CertificateCredential, ClientCredentials, ConfidentialClient, ConfidentialClientBuilder,
    Environment, EnvironmentError, Error, Pkcs11Key, PopKey, PublicClient, PublicClientBuilder, Secret, SetupError,
    Token, X5c,
};
use serde_json::Value;

use crate::application::{Application, Chosen, Network, Talk, claims, configured};
use crate::azure_cli::{Got, Login};
use crate::failure::Failure;
use crate::known::Cache;
use crate::managed::Identity;
use crate::{input, output};

/// Applies a [`Bound`] to a builder of any client.
macro_rules! bind {
    ($builder:expr, $bound:expr) => {{
        let builder = $builder.auth_scheme($bound.scheme);
        match &$bound.key {
            Some(key) => builder.proof_key(key.clone()),
            None => builder,
        }
    }};
}

pub(crate) const NOTES: &str = "\
Whose token it is:
  --managed-identity     this machine's
  --from az              of whoever has run 'az login', by its token cache; az itself is not started, unless --run-az
  a credential           the application's own; from the arguments, else from the environment
  --account, or nothing  a user's who has signed in before (sansal login); from the cache where that is possible

Without --client-id, --authority or a credential the variables of the Azure SDKs are used: AZURE_CLIENT_ID; \
AZURE_AUTHORITY, or AZURE_TENANT_ID and AZURE_AUTHORITY_HOST; AZURE_CLIENT_SECRET, AZURE_CLIENT_CERTIFICATE_PATH (or \
AZURE_CERTIFICATE_PATH) with AZURE_CLIENT_CERTIFICATE_PASSWORD and AZURE_CERTIFICATE_THUMBPRINT, or \
AZURE_FEDERATED_TOKEN_FILE.

A secret is never an argument: arguments are seen by every user of the machine.

Trust: the roots of the operating system (SSL_CERT_FILE and SSL_CERT_DIR replace them) and --ca. \
Proxy: ALL_PROXY, HTTPS_PROXY, HTTP_PROXY, NO_PROXY; never for loopback.

Exit codes: 0 done; 1 refused; 2 command or configuration; 3 unreachable or not trusted; 4 throttled; 5 bad answer; \
6 this machine; 7 a person has to sign in.";

/// What to ask for, whom, and as who.
#[derive(Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    application: Application,
    /// What the token is for; at Entra for an application the resource followed by /.default.
    #[arg(long, value_name = "SCOPE", required_unless_present = "resource", num_args = 1..)]
    scope: Vec<String>,

    /// The user, by name or home account id. Needed where several are signed in.
    #[arg(long, value_name = "NAME", help_heading = "User", conflicts_with_all = ["client_secret_file", "client_secret_env", "certificate", "key", "assertion_file"])]
    account: Option<String>,
    /// Pass over the access tokens in the cache.
    #[arg(long, help_heading = "User")]
    force_refresh: bool,
    #[command(flatten)]
    cache: Cache,

    #[command(flatten)]
    identity: Identity,

    #[command(flatten)]
    login: Login,

    /// A file with the client secret.
    #[arg(long, value_name = "FILE", help_heading = "Credential", conflicts_with_all = ["client_secret_env", "certificate", "key", "assertion_file"])]
    client_secret_file: Option<PathBuf>,
    /// The environment variable with the client secret.
    #[arg(long, value_name = "NAME", help_heading = "Credential", conflicts_with_all = ["certificate", "key", "assertion_file"])]
    client_secret_env: Option<String>,
    /// A PEM or PKCS#12 (PFX) file with the certificate, and the private key unless --key names another file.
    #[arg(long, value_name = "FILE", help_heading = "Credential", conflicts_with = "assertion_file")]
    certificate: Option<PathBuf>,
    /// The private key: a PEM, DER or PKCS#12 (PFX) file, or a PKCS#11 URI (RFC 7512) with module-path, whose PIN is in
    /// pin-source or is the passphrase.
    #[arg(long, value_name = "FILE", help_heading = "Credential", conflicts_with = "assertion_file")]
    key: Option<PathBuf>,
    /// Send the certificate along where it is from a PFX file (subject name and issuer); from PEM it always is.
    #[arg(long, help_heading = "Credential", conflicts_with = "assertion_file")]
    x5c: bool,
    /// Present the certificate to the server in TLS, in place of signing with its key (RFC 8705).
    #[arg(long, help_heading = "Credential", conflicts_with_all = ["x5c", "assertion_file"])]
    tls_client_auth: bool,
    /// A file with the passphrase of the private key.
    #[arg(long, value_name = "FILE", help_heading = "Credential", conflicts_with = "passphrase_env")]
    passphrase_file: Option<PathBuf>,
    /// The environment variable with the passphrase of the private key.
    #[arg(long, value_name = "NAME", help_heading = "Credential")]
    passphrase_env: Option<String>,
    /// The thumbprint of the certificate: 40 (SHA-1) or 64 (SHA-256) hexadecimal digits.
    #[arg(long, value_name = "HEX", help_heading = "Credential")]
    thumbprint: Option<String>,
    /// A file with a client assertion that somebody else signed (workload identity).
    #[arg(long, value_name = "FILE", help_heading = "Credential")]
    assertion_file: Option<PathBuf>,

    /// A claims challenge of the resource, a JSON object.
    #[arg(long, value_name = "JSON", value_parser = claims)]
    claims: Option<String>,
    /// Microsoft's federated managed identity path.
    #[arg(long, value_name = "PATH")]
    fmi_path: Option<String>,
    /// An Azure region to get the token from, such as westus2; auto: the one this machine is in.
    #[arg(long, value_name = "NAME|auto", value_parser = region)]
    region: Option<Region>,

    #[command(flatten)]
    network: Network,
    #[command(flatten)]
    talk: Talk,
}

/// How the token is to be bound to a key, and the key where there is one.
pub(crate) struct Bound {
    pub(crate) scheme: AuthScheme,
    pub(crate) key: Option<PopKey>,
}

/// Gets a token that is bound to a key.
pub(crate) fn bound(arguments: &Arguments, bound: &Bound) -> Result<BoundToken, Failure> {
    arguments.talk.begin();
    if arguments.identity.managed_identity {
        return Err(Failure::usage("tokens of managed identities are not bound to keys"));
    }
    let environment = Environment::from_process()?;
    if let Some((client, request)) = user_request(arguments, &environment, Some(bound))? {
        let token = silent(&client, &request)?;
        return Ok(client.bound_token(token)?);
    }
    let client = bind!(client(arguments, &environment)?, bound).build()?;
    let token = client.acquire_token_for_client_with(&app_request(arguments)?)?;
    Ok(client.bound_token(token)?)
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    arguments.talk.begin();
    if arguments.login.is_asked_for() {
        return azure_cli(arguments);
    }
    let token = if arguments.identity.managed_identity {
        let (id, claims) = (arguments.application.client_id.as_deref(), arguments.claims.as_deref());
        arguments.identity.token(id, &arguments.scope, claims, arguments.talk.names())?
    } else {
        let environment = Environment::from_process()?;
        match user(arguments, &environment)? {
            Some(token) => token,
            None => application(arguments, &environment)?,
        }
    };
    if arguments.talk.json { output::print_json(&whole(&token)) } else { output::print(token.access_token()) }
}

/// For whoever has signed in at the Azure CLI.
fn azure_cli(arguments: &Arguments) -> Result<(), Failure> {
    let configure = |builder: PublicClientBuilder| {
        let builder = builder.enable_pii_log(arguments.talk.names());
        // Of a cloud of one's own; otherwise the account tells.
        let builder = match &arguments.application.authority {
            Some(authority) => builder.authority(authority),
            None => builder,
        };
        Ok(configured!(builder, arguments.application, arguments.network).build()?)
    };
    let (tenant, user) = (arguments.application.tenant.as_deref(), arguments.account.as_deref());
    match arguments.login.token(tenant, user, &arguments.scope, configure)? {
        Got::Token(token) if arguments.talk.json => output::print_json(&whole(&token)),
        Got::Token(token) => output::print(token.access_token()),
        Got::Printed(token) if arguments.talk.json => output::print_json(&token.json()),
        Got::Printed(token) => output::print(token.text()),
    }
}

/// For a user who is signed in; nothing, where an application has a credential or nobody is signed in.
fn user(arguments: &Arguments, environment: &Environment) -> Result<Option<Token>, Failure> {
    match user_request(arguments, environment, None)? {
        Some((client, request)) => silent(&client, &request).map(Some),
        None => Ok(None),
    }
}

/// Who asks for a user who is signed in, and for what; nothing as in [`user`].
fn user_request(
    arguments: &Arguments,
    environment: &Environment,
    bound: Option<&Bound>,
) -> Result<Option<(PublicClient, Silent)>, Failure> {
    // What lies in a file must not make a program that has a credential somebody else.
    let is_application = arguments.names_credential() || environment.credential().is_ok();
    if is_application && arguments.account.is_none() {
        return Ok(None);
    }
    let (known, name) = (arguments.cache.read()?, arguments.account.as_deref());
    let authority = arguments.application.authority(environment)?;
    let Some(account) = known.choose(authority.as_ref(), name)?.cloned() else { return Ok(None) };
    let client_id = arguments.application.client_id(environment, &known)?;
    let authority = authority.unwrap_or_else(|| Chosen::Authority(format!("https://{}/common", account.environment())));
    let mut request = Silent::new(&account, &arguments.scope)?.force_refresh(arguments.force_refresh);
    // Tokens lie in the cache under the user's own tenant, not under the one that stands for all.
    if let (true, Some((_, home))) = (authority.is_for_many(), account.home_account_id().split_once('.')) {
        request = request.tenant(home);
    }
    if let Some(claims) = &arguments.claims {
        request = request.claims_challenge(claims);
    }
    if bound.is_some_and(|bound| bound.scheme == AuthScheme::Dpop && bound.key.is_none()) {
        return Err(Failure::usage(
            "a user's refresh token would be bound to a key that ends with this command: give one that stays, --proof-key",
        ));
    }
    let builder = arguments.application.public(&client_id, &authority, &arguments.network, &arguments.talk, known)?;
    let client = match bound {
        Some(bound) => bind!(builder, bound).build()?,
        None => builder.build()?,
    };
    Ok(Some((client, request)))
}

fn silent(client: &PublicClient, request: &Silent) -> Result<Token, Failure> {
    client.acquire_token_silent_with(request).map_err(|error| match error {
        Error::InteractionRequired { .. } => Failure::person(format_args!("{error}; run 'sansal login'")),
        error => error.into(),
    })
}

/// For the application itself.
fn application(arguments: &Arguments, environment: &Environment) -> Result<Token, Failure> {
    Ok(client(arguments, environment)?.build()?.acquire_token_for_client_with(&app_request(arguments)?)?)
}

fn app_request(arguments: &Arguments) -> Result<ClientCredentials, Failure> {
    let mut request = ClientCredentials::new(&arguments.scope)?;
    if let Some(claims) = &arguments.claims {
        request = request.claims_challenge(claims);
    }
    if let Some(path) = &arguments.fmi_path {
        request = request.fmi_path(path);
    }
    Ok(request)
}

impl Arguments {
    pub(crate) fn is_json(&self) -> bool {
        self.talk.json
    }

    fn names_credential(&self) -> bool {
        let files = [&self.client_secret_file, &self.certificate, &self.key, &self.assertion_file];
        files.iter().any(|file| file.is_some()) || self.client_secret_env.is_some()
    }
}

fn region(text: &str) -> Result<Region, String> {
    match text {
        "auto" => Ok(Region::Detect),
        name => RegionName::parse(name).map(Region::Named).map_err(|why| why.to_string()),
    }
}

fn client(arguments: &Arguments, environment: &Environment) -> Result<ConfidentialClientBuilder, Failure> {
    let credential = credential(arguments)?;
    let client_id = match &arguments.application.client_id {
        Some(id) => id,
        None => environment.client_id()?,
    };
    let mut builder = ConfidentialClient::builder(client_id).enable_pii_log(arguments.talk.names());
    builder = match arguments.application.authority(environment)? {
        Some(Chosen::Authority(authority)) => builder.authority(&authority),
        Some(Chosen::Issuer(issuer)) => builder.oidc_authority(&issuer),
        None => builder.authority(&environment.authority()?),
    };
    builder = match credential {
        Some(Given::Secret(secret)) => builder.secret(secret),
        Some(Given::Certificate(certificate)) if arguments.tls_client_auth => builder.tls_client_auth(*certificate),
        Some(Given::Certificate(certificate)) => builder.certificate(*certificate),
        _ if arguments.tls_client_auth => return Err(Failure::usage("--tls-client-auth needs --certificate")),
        Some(Given::AssertionFile(path)) => builder.assertion_file(path),
        None => builder.environment_credential(environment.credential().map_err(nobody)?)?,
    };
    if let Some(region) = &arguments.region {
        builder = builder.azure_region(region.clone());
    }
    Ok(configured!(builder, arguments.application, arguments.network))
}

/// Neither a user nor a credential.
fn nobody(error: EnvironmentError) -> Failure {
    match error {
        EnvironmentError::Missing(_) => Failure::person(format_args!(
            "nobody is signed in (run 'sansal login'), and there is no credential: {error}"
        )),
        error => error.into(),
    }
}

/// The credential that the arguments name.
enum Given<'a> {
    Secret(Secret),
    Certificate(Box<CertificateCredential>),
    AssertionFile(&'a Path),
}

fn credential(arguments: &Arguments) -> Result<Option<Given<'_>>, Failure> {
    let secret = input::secret(
        "client secret",
        arguments.client_secret_file.as_deref(),
        arguments.client_secret_env.as_deref(),
    )?;
    let passphrase =
        input::secret("passphrase", arguments.passphrase_file.as_deref(), arguments.passphrase_env.as_deref())?;
    let mut passphrase = passphrase;
    let mut certificate = match (&arguments.certificate, &arguments.key) {
        (certificate, Some(key)) => {
            let credential = match key.to_str().filter(|text| text.starts_with("pkcs11:")) {
                Some(uri) => held(uri, passphrase.take())?,
                None => CertificateCredential::file(key)?,
            };
            match certificate {
                Some(path) => credential.certificate_file(path)?,
                None => credential,
            }
        }
        (Some(both), None) => CertificateCredential::file(both)?,
        (None, None) if passphrase.is_some() || arguments.thumbprint.is_some() || arguments.x5c => {
            return Err(Failure::usage("a passphrase, a thumbprint or --x5c needs --certificate or --key"));
        }
        (None, None) => {
            if let Some(path) = &arguments.assertion_file {
                // For a line that names the file; it is read again for each request.
                input::text(path)?;
                return Ok(Some(Given::AssertionFile(path)));
            }
            return Ok(secret.map(Given::Secret));
        }
    };
    if let Some(passphrase) = passphrase {
        certificate = certificate.passphrase(passphrase);
    }
    if let Some(thumbprint) = &arguments.thumbprint {
        certificate = certificate.thumbprint(thumbprint);
    }
    if arguments.x5c {
        certificate = certificate.x5c(X5c::Leaf);
    }
    Ok(Some(Given::Certificate(Box::new(certificate))))
}

/// A key in a PKCS#11 token. The passphrase is the PIN, unless the address names a file with it.
fn held(uri: &str, pin: Option<Secret>) -> Result<CertificateCredential, Failure> {
    let key = Pkcs11Key::from_uri(uri).map_err(SetupError::from)?;
    let key = match pin {
        Some(pin) => key.pin(pin),
        None => key,
    };
    Ok(CertificateCredential::held(key.open().map_err(SetupError::from)?))
}

/// What `--json` prints.
fn whole(token: &Token) -> Value {
    let mut members = token.members().as_map().clone();
    // It stays in the token cache: whoever has it has the user's tokens for weeks.
    members.remove("refresh_token");
    members.insert("expires_on".to_owned(), token.expires_on().0.into());
    if let Some(at) = token.refresh_on() {
        members.insert("refresh_on".to_owned(), at.0.into());
    }
    members.insert("token_source".to_owned(), token.source().as_str().into());
    Value::Object(members)
}
