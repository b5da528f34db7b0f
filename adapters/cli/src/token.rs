//! `sansal token`: a token for an application itself, by RFC 6749 s4.4.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{ArgAction, Args};
use sansal_std::sansal::client::{Region, RegionName};
use sansal_std::{
    CertificateCredential, ClientCredentials, ConfidentialClient, ConfidentialClientBuilder, Environment, ProxyChoice,
    Secret, Token, TokenSource, X5c,
};
use serde_json::Value;
use tracing_subscriber::filter::LevelFilter;

use crate::failure::Failure;
use crate::{input, output};

pub(crate) const NOTES: &str = "\
Without --client-id, --authority or a credential the variables of the Azure SDKs are used: AZURE_CLIENT_ID; \
AZURE_AUTHORITY, or AZURE_TENANT_ID and AZURE_AUTHORITY_HOST; AZURE_CLIENT_SECRET, AZURE_CLIENT_CERTIFICATE_PATH (or \
AZURE_CERTIFICATE_PATH) with AZURE_CLIENT_CERTIFICATE_PASSWORD and AZURE_CERTIFICATE_THUMBPRINT, or \
AZURE_FEDERATED_TOKEN_FILE.

A secret is never an argument: arguments are seen by every user of the machine.

Trust: the roots of the operating system (SSL_CERT_FILE and SSL_CERT_DIR replace them) and --ca. \
Proxy: ALL_PROXY, HTTPS_PROXY, HTTP_PROXY, NO_PROXY; never for loopback.

Exit codes: 0 done; 1 refused; 2 command or configuration; 3 unreachable or not trusted; 4 throttled; 5 bad answer; \
6 this machine.";

/// What to ask for, whom, and as who.
#[derive(Args)]
pub(crate) struct Arguments {
    /// The authority, https://HOST/TENANT.
    #[arg(long, value_name = "URL", conflicts_with = "issuer")]
    authority: Option<String>,
    /// The issuer of any OpenID Connect provider, in place of an authority.
    #[arg(long, value_name = "URL")]
    issuer: Option<String>,
    /// The application (client) id.
    #[arg(long, value_name = "ID")]
    client_id: Option<String>,
    /// What the token is for; at Entra the resource followed by /.default.
    #[arg(long, value_name = "SCOPE", required = true, num_args = 1..)]
    scope: Vec<String>,

    /// A file with the client secret.
    #[arg(long, value_name = "FILE", help_heading = "Credential", conflicts_with_all = ["client_secret_env", "certificate", "key", "assertion_file"])]
    client_secret_file: Option<PathBuf>,
    /// The environment variable with the client secret.
    #[arg(long, value_name = "NAME", help_heading = "Credential", conflicts_with_all = ["certificate", "key", "assertion_file"])]
    client_secret_env: Option<String>,
    /// A PEM or PKCS#12 (PFX) file with the certificate, and the private key unless --key names another file.
    #[arg(long, value_name = "FILE", help_heading = "Credential", conflicts_with = "assertion_file")]
    certificate: Option<PathBuf>,
    /// The private key, in PEM, DER or a PKCS#12 (PFX) file.
    #[arg(long, value_name = "FILE", help_heading = "Credential", conflicts_with = "assertion_file")]
    key: Option<PathBuf>,
    /// Send the certificate along where it is from a PFX file (subject name and issuer); from PEM it always is.
    #[arg(long, help_heading = "Credential", conflicts_with = "assertion_file")]
    x5c: bool,
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
    #[arg(long, value_name = "JSON")]
    claims: Option<String>,
    /// Microsoft's federated managed identity path.
    #[arg(long, value_name = "PATH")]
    fmi_path: Option<String>,
    /// An Azure region to get the token from, such as westus2; auto: the one this machine is in.
    #[arg(long, value_name = "NAME|auto", value_parser = region)]
    region: Option<Region>,
    /// A host that requests may leave for, should the provider's metadata name it.
    #[arg(long, value_name = "HOST")]
    allow_host: Vec<String>,

    /// A PEM file with certificates to trust beside the system's.
    #[arg(long, value_name = "FILE", help_heading = "Network")]
    ca: Vec<PathBuf>,
    /// Use no proxy, whatever the environment says.
    #[arg(long, help_heading = "Network")]
    no_proxy: bool,
    /// Seconds that one request may take.
    #[arg(long, value_name = "SECONDS", help_heading = "Network")]
    timeout: Option<u64>,

    /// Print the whole result as JSON, not the access token alone.
    #[arg(long)]
    json: bool,
    /// Say on standard error what is done; twice: with the names of application and tenant. Never secrets.
    #[arg(short, long, action = ArgAction::Count)]
    verbose: u8,
}

pub(crate) fn run(arguments: Arguments) -> Result<(), Failure> {
    if arguments.verbose > 0 {
        tracing_subscriber::fmt().with_max_level(LevelFilter::DEBUG).with_writer(io::stderr).with_ansi(false).init();
    }
    let mut request = ClientCredentials::new(&arguments.scope)?;
    if let Some(claims) = &arguments.claims {
        request = request.claims_challenge(claims);
    }
    if let Some(path) = &arguments.fmi_path {
        request = request.fmi_path(path);
    }
    let client = client(arguments.verbose > 1, &arguments)?.build()?;
    let token = client.acquire_token_for_client_with(&request)?;
    if arguments.json { output::print_json(&whole(&token)) } else { output::print(token.access_token()) }
}

fn region(text: &str) -> Result<Region, String> {
    match text {
        "auto" => Ok(Region::Detect),
        name => RegionName::parse(name).map(Region::Named).map_err(|why| why.to_string()),
    }
}

fn client(pii: bool, arguments: &Arguments) -> Result<ConfidentialClientBuilder, Failure> {
    let environment = Environment::from_process()?;
    let client_id = match &arguments.client_id {
        Some(id) => id,
        None => environment.client_id()?,
    };
    let mut builder = ConfidentialClient::builder(client_id).enable_pii_log(pii);
    builder = match (&arguments.authority, &arguments.issuer) {
        (Some(authority), _) => builder.authority(authority),
        (None, Some(issuer)) => builder.oidc_authority(issuer),
        (None, None) => builder.authority(&environment.authority()?),
    };
    builder = match credential(arguments)? {
        Some(Given::Secret(secret)) => builder.secret(secret),
        Some(Given::Certificate(certificate)) => builder.certificate(*certificate),
        Some(Given::AssertionFile(path)) => builder.assertion_file(path),
        None => builder.environment_credential(environment.credential()?)?,
    };
    for path in &arguments.ca {
        builder = builder.extra_roots(&input::bytes(path)?);
    }
    if let Some(region) = &arguments.region {
        builder = builder.azure_region(region.clone());
    }
    for host in &arguments.allow_host {
        builder = builder.allow_host(host);
    }
    if arguments.no_proxy {
        builder = builder.proxy(ProxyChoice::None);
    }
    if let Some(seconds) = arguments.timeout {
        builder = builder.attempt_timeout(Duration::from_secs(seconds));
    }
    Ok(builder)
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
    let mut certificate = match (&arguments.certificate, &arguments.key) {
        (certificate, Some(key)) => {
            let credential = CertificateCredential::file(key)?;
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

fn whole(token: &Token) -> Value {
    let mut members = token.members().as_map().clone();
    members.insert("expires_on".to_owned(), token.expires_on().0.into());
    if let Some(at) = token.refresh_on() {
        members.insert("refresh_on".to_owned(), at.0.into());
    }
    let source = match token.source() {
        TokenSource::IdentityProvider => "identity_provider",
        TokenSource::Cache => "cache",
        TokenSource::Broker => "broker",
    };
    members.insert("token_source".to_owned(), source.into());
    Value::Object(members)
}
