//! Everything that can be switched, with safe defaults, and the profile that behaves as MSAL Python.

use alloc::string::String;
use alloc::vec::Vec;

use super::Region;
use crate::endpoint::Endpoint;
use crate::time::Millis;

/// How the machines behave. [`Settings::default`] is the safe choice; the fields are public, change what you need.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `x-client-os`: the platform's tag (`linux`, `win32`, `darwin` …). The adapter names it.
    pub platform: String,
    /// `x-app-name`, when not empty.
    pub app_name: String,
    /// `x-app-ver`, when not empty.
    pub app_version: String,
    /// What the client can handle, for example `CP1` (claims challenges); sent inside `claims`.
    pub client_capabilities: Vec<String>,
    /// Whether and where unknown hosts are looked up with Microsoft.
    pub instance_discovery: InstanceDiscovery,
    /// Whether the host of the authority must be known to Microsoft at all.
    pub validate_authority: bool,
    /// Which hosts requests may leave for.
    pub hosts: HostPolicy,
    /// Hosts that are allowed beside those of [`HostPolicy::Authority`], as issuers of an OIDC authority too.
    pub allowed_hosts: Vec<String>,
    /// Whether a user's password may go to the federation server that Microsoft names for the user's domain (WS-Trust),
    /// whatever its host. Without it only to those in [`allowed_hosts`](Self::allowed_hosts).
    pub allow_federation: bool,
    /// Time for one attempt of one request.
    pub attempt_timeout: Millis,
    /// Time for a whole operation, waits included.
    pub operation_budget: Millis,
    /// How often and after how long requests are repeated.
    pub retries: Retries,
    /// Whether application tokens come from a regional endpoint.
    pub region: Region,
    /// Whether the central endpoint serves when the region cannot be reached (G-18).
    pub region_fallback: bool,
    /// `REGION_NAME` of the environment; empty when unset. It tells where this machine is, and opts in to nothing.
    pub region_name: String,
    /// `MSAL_FORCE_REGION` of the environment, where it is set; what is no region is an error, an empty text too. Adapters
    /// take an empty variable for an unset one (G-58).
    pub force_region: Option<String>,
    /// Whether error answers are remembered, so that a failing request is not repeated at once (section 10 of the reference).
    pub throttling: bool,
    /// Whether a call with `force_refresh` asks the server although an error answer is remembered (G-05).
    pub force_refresh_asks_anyway: bool,
    /// Seconds that provider metadata is trusted after it was fetched; `None`: as long as the memory lives.
    pub metadata_lifetime: Option<u64>,
    /// Where it is known from which hosts are one and the same cloud.
    pub aliases: AliasSource,
    /// Whether a certificate, its thumbprint and its key must belong together.
    pub check_certificates: bool,
    /// Whether odd answers of the token endpoint are taken as the reference takes them: whatever has no `error` is a success,
    /// with or without a token and at any status, and an empty `scope` grants nothing.
    pub lenient_answers: bool,
    /// Whether cached tokens are found that other libraries spelled differently: scopes in another case, no account for a null one (G-11).
    pub tolerant_lookups: bool,
    /// Whether a managed identity in Cloud Shell is asked for at Cloud Shell's endpoint; otherwise at the metadata service of
    /// virtual machines, as the reference does, which is not there (G-35).
    pub managed_identity_in_cloud_shell: bool,
    /// Whether a signed assertion is used again at every provider, as the reference does. Otherwise only at Microsoft's: others may
    /// take each one once (OpenID Connect Core s9).
    pub reuse_assertions_everywhere: bool,
    /// Whether an issuer may be a host alone, as those of many OpenID Connect providers are; the reference wants a path.
    pub issuer_may_be_a_host: bool,
    /// Whether a client without an id can be built.
    pub client_id_optional: bool,
    /// Scopes that user flows leave out although the library would add them: `offline_access`, `profile`.
    pub exclude_scopes: Vec<String>,
    /// What is checked of an ID token before anything is stored (decision 5 of the design).
    pub id_token_policy: IdTokenPolicy,
    /// Whether refresh tokens that the server calls dead leave the cache, and no more than eight are tried in one call (G-16).
    pub prune_refresh_tokens: bool,
    /// Whether capabilities go with a refresh token that is imported, too (G-29).
    pub capabilities_with_imports: bool,
    /// Whether tokens got on behalf of a user are kept apart by the assertion they were got for, and served again for the
    /// same one (G-30). Without it they lie among the user's other tokens, and each call goes to the server.
    pub partition_on_behalf_of: bool,
    /// Whether the result has the refresh token and the ID token as they came, too (G-68). They are in the token cache either way,
    /// and the ID token's claims in the result.
    pub all_tokens_in_results: bool,
    /// Whether personal data may appear in logs.
    pub enable_pii_log: bool,
}

/// Whether unknown authority hosts are looked up with Microsoft (instance discovery).
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InstanceDiscovery {
    /// At the public cloud's endpoint.
    On,
    /// Never: air-gapped clouds.
    Off,
    /// At this address.
    Custom(Endpoint),
}

/// Where it is known from which hosts are one and the same cloud.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AliasSource {
    /// From a list in this library: no request, and look-ups find tokens of every alias at once.
    BuiltIn,
    /// From Microsoft, asked when it matters, as the reference does.
    Discovered,
}

/// What is checked of an ID token before anything is stored.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdTokenPolicy {
    /// Issuer, audience, expiry, nonce, age of the sign-in (OpenID Connect Core s3.1.3.7), and that there is one at all
    /// where a nonce was sent. TLS vouches for what comes straight from the token endpoint; otherwise as
    /// [`Signature`](Self::Signature).
    Claims,
    /// The same, and the signature by the issuer's keys, for which its JWK set is read. Where it cannot be read there is no
    /// token: a code or a refresh token that was redeemed is lost with it.
    Signature,
    /// The nonce and the age of the sign-in, where there is an ID token: what the reference checks.
    NonceOnly,
}

/// Which hosts requests may leave for.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HostPolicy {
    /// The authority's own host, its cloud's aliases, names below it, and what the application allows (decision 7).
    Authority,
    /// Whatever the metadata names, as the reference does.
    Any,
}

/// How often and after how long requests are repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retries {
    /// Attempts beyond the first for requests that are harmless to repeat (discovery), after no answer, 429 or 5xx.
    pub repeatable: u8,
    /// Attempts beyond the first for token requests, and only when nothing was sent.
    pub not_sent: u8,
    /// The first wait; it doubles each time and gets up to half of itself on top at random.
    pub first_wait: Millis,
    /// The longest wait, a server's `Retry-After` included: beyond it the error comes back at once and says when.
    pub longest_wait: Millis,
}

impl Retries {
    /// No repetition at all.
    pub const NONE: Self = Self { repeatable: 0, not_sent: 0, first_wait: Millis(0), longest_wait: Millis(0) };
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            platform: String::from("unknown"),
            app_name: String::new(),
            app_version: String::new(),
            client_capabilities: Vec::new(),
            instance_discovery: InstanceDiscovery::On,
            validate_authority: true,
            hosts: HostPolicy::Authority,
            allowed_hosts: Vec::new(),
            allow_federation: false,
            attempt_timeout: Millis::from_secs(30),
            operation_budget: Millis::from_secs(120),
            retries: Retries {
                repeatable: 3,
                not_sent: 2,
                first_wait: Millis(500),
                longest_wait: Millis::from_secs(10),
            },
            region: Region::Unset,
            region_fallback: true,
            region_name: String::new(),
            force_region: None,
            throttling: true,
            force_refresh_asks_anyway: true,
            metadata_lifetime: Some(crate::limits::METADATA_LIFETIME),
            aliases: AliasSource::BuiltIn,
            check_certificates: true,
            lenient_answers: false,
            tolerant_lookups: true,
            managed_identity_in_cloud_shell: true,
            reuse_assertions_everywhere: false,
            issuer_may_be_a_host: true,
            client_id_optional: false,
            exclude_scopes: Vec::new(),
            id_token_policy: IdTokenPolicy::Claims,
            prune_refresh_tokens: true,
            capabilities_with_imports: true,
            partition_on_behalf_of: true,
            all_tokens_in_results: false,
            enable_pii_log: false,
        }
    }
}

impl Settings {
    /// MSAL Python 1.39 in every option that exists. For comparing, not for production: it trusts what the defaults do not.
    pub fn reference() -> Self {
        Self {
            hosts: HostPolicy::Any,
            allow_federation: true,
            attempt_timeout: Millis::from_secs(3600),
            operation_budget: Millis::from_secs(24 * 3600),
            retries: Retries::NONE,
            region_fallback: false,
            force_refresh_asks_anyway: false,
            metadata_lifetime: None,
            aliases: AliasSource::Discovered,
            check_certificates: false,
            lenient_answers: true,
            tolerant_lookups: false,
            managed_identity_in_cloud_shell: false,
            reuse_assertions_everywhere: true,
            issuer_may_be_a_host: false,
            client_id_optional: true,
            id_token_policy: IdTokenPolicy::NonceOnly,
            prune_refresh_tokens: false,
            capabilities_with_imports: false,
            partition_on_behalf_of: false,
            all_tokens_in_results: true,
            ..Self::default()
        }
    }
}
