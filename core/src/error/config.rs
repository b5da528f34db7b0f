//! What an application can get wrong before anything is sent, each with a sentence that says what to do.

use alloc::string::String;
#[cfg(feature = "sentences")]
use core::fmt;

use super::CertError;
#[cfg(feature = "sentences")]
use super::shown::Shown;

/// A call or setting that cannot work.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Config {
    /// The client id is empty.
    ClientId,
    /// The authority is not `https://host/tenant`.
    Authority(&'static str),
    /// The issuer of an OpenID Connect provider is not an https address.
    Issuer(&'static str),
    /// Both an authority and an OIDC authority were given.
    TwoAuthorities,
    /// Microsoft's instance discovery does not know the authority's host.
    UnknownInstance(String),
    /// The provider's metadata could not be had from this authority (HTTP 4xx or not JSON): wrong tenant or address.
    NoMetadata {
        /// The authority that was asked.
        authority: String,
        /// The HTTP status of the answer.
        status: u16,
    },
    /// The issuer in the provider's metadata does not belong to the authority.
    IssuerMismatch {
        /// What the metadata says.
        issuer: String,
        /// What the application configured.
        authority: String,
    },
    /// A request would leave for a host that this authority does not cover (decision 7 of the design).
    HostNotAllowed {
        /// The host in question.
        host: String,
        /// Which rule refused it.
        rule: HostRule,
    },
    /// The metadata names no endpoint for what was asked.
    NoEndpoint(&'static str),
    /// A scope is not a token of RFC 6749 s3.3.
    Scope(&'static str),
    /// `openid`, `profile` and `offline_access` are added by the library and cannot be asked for.
    ReservedScope(String),
    /// A client credential that cannot be used.
    Credential(&'static str),
    /// A certificate or private key that cannot be used.
    Certificate(CertError),
    /// A claims request or forwarded claims that are not a JSON object.
    Claims(&'static str),
    /// `fmi_path` is not usable.
    FmiPath,
    /// A region that is not a lower-case DNS label.
    Region(String),
    /// The date is unknown, and this needs it: a signed assertion, the lifetime of a token.
    ClockUnknown,
    /// A setting that would go into a header has characters that cannot stand there.
    Header(&'static str),
    /// The function is not part of this build.
    NotInThisBuild(&'static str),
    /// A request method that cannot be signed for.
    HttpMethod,
    /// The address of a resource is not an absolute http or https URL.
    ResourceAddress,
    /// A token shall be bound to a key that the client was not given.
    ProofKey,
    /// The client was not given the certificate that authenticates it, or that tokens shall be bound to.
    ClientCertificate,
    /// A proof was asked for with a token that is not bound so; what it would have to be.
    NotBound(&'static str),
    /// A request would be longer than servers take.
    TooLong(&'static str),
    /// A flow that was saved cannot go on here: this part is missing, malformed, or of another client.
    SavedFlow(&'static str),
    /// An interactive flow comes back to another machine.
    RedirectUri,
    /// Something that the flow cannot do without is empty.
    Missing(&'static str),
    /// A user name or password that cannot be sent. Never holds it.
    UserCredential(&'static str),
    /// The user's domain is federated, and its federation server offers no sign-in with user name and password: the user
    /// has to sign in interactively. Names what is missing.
    NoFederationEndpoint(&'static str),
    /// The managed identity, or what the environment says about it, cannot be used.
    ManagedIdentity(&'static str),
    /// Azure Arc exists on Linux and Windows only.
    ArcPlatform,
    /// A public client was given a credential, or a confidential one lacks it.
    ClientKind(&'static str),
}

/// Which rule kept a request from being built.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HostRule {
    /// The address is not an https URL of the strict kind that [`Endpoint`](crate::Endpoint) takes.
    NotHttps,
    /// The host is neither the authority's, nor an alias of it, nor allowed by the application.
    OutsideAuthority,
    /// The host is a federation server's, and the application does not allow federation.
    Federation,
}

#[cfg(feature = "sentences")]
impl fmt::Display for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ClientId => {
                f.write_str("the client id is empty: use the application (client) id of the registration")
            }
            Self::Authority(why) => {
                write!(f, "the authority must look like https://login.microsoftonline.com/your-tenant: {why}")
            }
            Self::Issuer(why) => write!(f, "the issuer must look like https://accounts.example.com: {why}"),
            Self::TwoAuthorities => f.write_str("give either an authority or an OIDC authority, not both"),
            Self::UnknownInstance(host) => write!(
                f,
                "Microsoft does not know {host} as an authority; if you do, turn instance discovery off or use an OIDC authority"
            ),
            Self::NoMetadata { authority, status } => write!(
                f,
                "{authority} gave no usable provider metadata (HTTP {status}); check the tenant name or id in it"
            ),
            Self::IssuerMismatch { issuer, authority } => {
                write!(
                    f,
                    "the metadata of {authority} names a foreign issuer, {}; allow its host if they belong together",
                    Shown(issuer)
                )
            }
            Self::HostNotAllowed { host, rule: HostRule::NotHttps } => {
                write!(f, "{host} is not an https address; tokens are asked for over https only")
            }
            Self::HostNotAllowed { host, rule: HostRule::OutsideAuthority } => {
                write!(f, "the host {host} is not the authority's; allow it explicitly if it is yours")
            }
            Self::HostNotAllowed { host, rule: HostRule::Federation } => write!(
                f,
                "the user's domain is federated with {host}, and passwords go to no federation server unless you say so: set allow_federation, or list the host in allowed_hosts"
            ),
            Self::NoEndpoint(name) => write!(f, "the provider's metadata names no {name}"),
            Self::Scope(why) => write!(f, "this is not a usable scope: {why}"),
            Self::ReservedScope(scope) => {
                write!(f, "do not ask for the scope {scope}: openid, profile and offline_access are added for you")
            }
            Self::Credential(why) => write!(f, "the client credential cannot be used: {why}"),
            Self::Certificate(why) => why.fmt(f),
            Self::Claims(which) => write!(f, "{which} must be a JSON object"),
            Self::FmiPath => f.write_str("fmi_path must be a text"),
            Self::Region(region) => {
                write!(f, "{region:?} is not a region: it is a lower-case name such as westus2")
            }
            Self::ClockUnknown => f.write_str("the date is unknown: set the clock first"),
            Self::Header(which) => write!(f, "{which} may have printable ASCII characters only"),
            Self::NotInThisBuild(what) => write!(f, "{what} is not part of this build"),
            Self::HttpMethod => f.write_str("the HTTP method must be GET, POST, PUT, DELETE or PATCH, in upper case"),
            Self::ResourceAddress => {
                f.write_str("the address of the resource must be a whole one, like https://host/path, in ASCII")
            }
            Self::ProofKey => f.write_str("give the client the key that tokens shall be bound to (dpop_key)"),
            Self::ClientCertificate => {
                f.write_str("give the client the certificate for TLS (client_certificate), since it shall be used")
            }
            Self::NotBound(kind) => {
                write!(f, "the token is not bound by a key that is proved so: it would have to be a {kind} token")
            }
            Self::TooLong(what) => write!(f, "the {what} gets too long"),
            Self::SavedFlow(part) => write!(f, "the saved flow cannot be used here: {part}"),
            Self::RedirectUri => f.write_str(
                "the redirect address of an interactive sign-in must be a loopback one: http://localhost:port",
            ),
            Self::Missing(what) => write!(f, "the {what} is empty"),
            Self::UserCredential(why) => write!(f, "this user name or password cannot be sent: {why}"),
            Self::NoFederationEndpoint(what) => write!(
                f,
                "the federation server of this user offers no sign-in with user name and password ({what}); let the user sign in interactively"
            ),
            Self::ManagedIdentity(why) => write!(f, "the managed identity cannot be used: {why}"),
            Self::ArcPlatform => f.write_str("Azure Arc gives tokens on Linux and Windows only"),
            Self::ClientKind(why) => f.write_str(why),
        }
    }
}

impl core::error::Error for Config {}
