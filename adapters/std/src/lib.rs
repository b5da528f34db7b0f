//! Tokens for blocking programs: the machines of [`sansal`] driven with `ureq`, `rustls` and `ring`.
//!
//! ```no_run
//! use sansal_std::ConfidentialClient;
//!
//! let client = ConfidentialClient::builder("your-application-id")
//!     .authority("https://login.microsoftonline.com/your-tenant")
//!     .secret("your-client-secret")
//!     .build()?;
//! let token = client.acquire_token_for_client(&["https://graph.microsoft.com/.default"])?;
//! println!("Authorization: {} {}", token.token_type(), token.access_token());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! | room | what for |
//! |---|---|
//! | [`ConfidentialClient`] | an application that gets tokens on its own behalf |
//! | [`PublicClient`] | an application on a user's machine |
//! | [`ManagedIdentityClient`] | the identity that Azure gives to this machine or service |
//! | [`DefaultChain`] | the first credential that is there: environment, workload identity, managed identity |
//! | [`BoundToken`] | a token that is bound to a key, and the proofs for requests with it |
//! | [`AzureCli`] | the login that people already have by `az login` |
//! | [`ClientApplication`] | what both do for users: silent calls, accounts, authorization code |
//! | [`TokenCacheFile`], [`Persistence`] | tokens that outlive the process, in MSAL's format |
//! | [`DataKey`] | the key of an encrypted token cache; with the feature `keyring` in the operating system's secret store |
//! | `LibsecretCache` (feature `keyring`, Linux) | token caches that MSAL Extensions keep in the Secret Service |
//! | `RedisCache` (feature `redis`) | tokens that hosts share, one of which asks for each |
//! | [`CertificateCredential`] | its key and certificate, from files or memory |
//! | [`TokenValidator`] | tokens that callers bring, for a resource server |
//! | [`Pfx`] | what is in a PKCS#12 file |
//! | [`Environment`] | the variables of the Azure SDKs, as data |
//! | [`HttpClient`], [`UreqClient`] | how requests leave; bring your own if you like |
//! | [`Interactive`], [`LoopbackListener`] | the browser's half of a sign-in: opens it, waits for it to come back |
//! | [`Metrics`] | what a service counts: hits, misses, evictions, requests |
//! | [`Driver`] | drives any [`Flow`](sansal::Flow): store, clock, randomness, HTTP |
//! | [`Asks`], [`Keys`], [`SigningKey`] | who signs and who makes assertions |
//! | [`RingVerifier`] | who verifies the signatures of tokens |
//! | [`SoftwareKey`] | a key in memory, by `ring` or AWS-LC |
//!
//! What requests are made of ([`AuthorizationRequest`], [`Silent`], [`OnBehalfOf`] …) and what comes back ([`Token`], [`Account`],
//! [`Error`]) is the core's, and named here too. Everything else of the core is under [`sansal`]. Who comes from MSAL Python finds
//! each of its names in [`migrating`].
//!
//! # Features
//!
//! | feature | default | what it adds |
//! |---|---|---|
//! | `keyring` | no | token caches encrypted by a key in the operating system's secret store |
//! | `redis` | no | token caches in Redis, shared by hosts |
//! | `aws-lc-rs` | no | keys in memory sign by AWS-LC, faster and blinded; it is C and takes a minute to build |
//! | `pkcs11` | no | keys in PKCS#11 tokens: `Pkcs11Key` |
//! | `fuzzing` | no | bodies of fuzz targets |
//!
//! The crate `rsa` is no part of it: RSA signatures come from `ring`, or from where the key is. The README says
//! what that means for RUSTSEC-2023-0071.
//!
//! # What it does by itself
//!
//! - It trusts the roots of the operating system; `SSL_CERT_FILE` and `SSL_CERT_DIR` replace them
//!   (`rustls-native-certs`). [`extra_roots`](ConfidentialClientBuilder::extra_roots) adds to them.
//! - It uses the proxy that `ALL_PROXY`, `HTTPS_PROXY` or `HTTP_PROXY` name (the first that is set, upper case before
//!   lower case), but for the hosts in `NO_PROXY`; never for loopback and the metadata address.
//! - It sends `User-Agent: sansal-std/VERSION` and no other header that the machine did not ask for. It has no cookies,
//!   follows no redirects, and reads no more than the machine allows.
//! - It says what it does as `tracing` events. Names of applications, tenants and users are left out unless
//!   [`enable_pii_log`](ConfidentialClientBuilder::enable_pii_log) is on; secrets and tokens are never there.
#![forbid(unsafe_code)]

mod application;
mod asks;
mod azure_cli;
mod builder;
mod cache_file;
mod cache_lock;
mod certificate;
mod client_tls;
mod clock;
mod common;
mod confidential;
mod data_key;
mod default_chain;
mod driver;
mod environment;
mod failure;
mod happened;
mod hits;
mod http;
mod interactive;
#[cfg(feature = "keyring")]
mod keyring;
mod lease;
#[cfg(all(feature = "keyring", target_os = "linux"))]
mod libsecret;
mod local_files;
mod log;
mod name_lookup;
mod managed;
mod metrics;
#[doc = include_str!("../MIGRATING.md")]
pub mod migrating {}
mod parts;
mod persistence;
mod pfx;
#[cfg(feature = "pkcs11")]
mod pkcs11;
mod private_file;
mod proof;
mod proof_key;
mod public;
mod pinned;
mod random;
#[cfg(feature = "redis")]
mod redis_cache;
mod sent;
mod setup;
mod shared_store;
mod signing_key;
mod software_key;
mod token_validator;
mod ureq_client;
mod verifier;

#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;

pub use application::ClientApplication;
pub use asks::{Asks, AssertionContext, DeviceCodePrompt, NoAsks};
pub use azure_cli::{AZURE_CLI_CLIENT_ID, AzToken, AzureCli, AzureCliError};
pub use builder::ConfidentialClientBuilder;
pub use cache_file::TokenCacheFile;
pub use certificate::CertificateCredential;
pub use client_tls::TlsIdentity;
pub use clock::{SystemClock, Time, platform};
pub use confidential::ConfidentialClient;
pub use data_key::{Closed, DataKey};
pub use default_chain::{ChainError, ChainSearch, DefaultChain, DefaultChainBuilder, Link, LinkAnswer, LinkSettings};
pub use driver::Driver;
pub use environment::{Environment, EnvironmentCredential, EnvironmentError};
pub use failure::tls_reason;
pub use happened::{Answered, Happened, answer};
pub use hits::Hits;
pub use http::{HttpClient, HttpResponse};
pub use interactive::{
    AddressToOpen, Cancel, DEFAULT_TIMEOUT, Interactive, ListenError, LoopbackListener, NoBrowser, OpenBrowser, Pages,
    ShowAddress, SystemBrowser, WaitOptions,
};
#[cfg(feature = "keyring")]
pub use keyring::KeyringError;
pub use lease::{Granted, Lease};
#[cfg(all(feature = "keyring", target_os = "linux"))]
pub use libsecret::LibsecretCache;
pub use local_files::LocalFiles;
pub use log::Log;
pub use managed::{ManagedIdentityClient, ManagedIdentityClientBuilder, ManagedRequests, managed_identity_environment};
pub use metrics::{Event, Metrics};
pub use parts::Parts;
pub use persistence::Persistence;
pub use pfx::{MAX_PFX, Pfx, X5c};
pub use pinned::pinned_tls;
#[cfg(feature = "pkcs11")]
pub use pkcs11::{Pkcs11Error, Pkcs11Key, Pkcs11KeyBuilder};
pub use proof::{BoundToken, Proofs, With};
pub use proof_key::read_proof_key;
pub use public::{PublicClient, PublicClientBuilder};
pub use random::SystemRandom;
#[cfg(feature = "redis")]
pub use redis_cache::{LeaseCounts, RedisCache, RedisCacheBuilder};
pub use setup::SetupError;
pub use shared_store::SharedStore;
pub use signing_key::{Keys, SigningKey};
#[cfg(feature = "aws-lc-rs")]
pub use software_key::AwsLcKey;
pub use software_key::{RingKey, SoftwareKey};
pub use token_validator::{TokenValidator, TokenValidatorBuilder, bearer};
pub use ureq_client::{ProxyChoice, Transport, UreqClient, UreqClientBuilder};
pub use verifier::RingVerifier;

pub use sansal;
// What an application names that gets tokens: nobody needs to know in which room of the core it lies.
pub use sansal::cache::{Limits, TokenCache, TokenChange};
pub use sansal::cert::extract_certs;
pub use sansal::client::{AuthScheme, IdTokenPolicy, InstanceDiscovery, Region, Settings};
pub use sansal::error::{AskError, CommitError, Config, Refusal, Remedy, SendError, TokenError};
pub use sansal::flow::Partition;
pub use sansal::http::Request;
pub use sansal::http::challenge::claims_challenge;
pub use sansal::jose::decode_part;
pub use sansal::jose::id_token::decode_id_token;
pub use sansal::key::Algorithm;
pub use sansal::pop::PopKey;
pub use sansal::sealed::Sealer;
pub use sansal::secret::SecretBytes;
pub use sansal::time::{Clock, Millis, UnixTime};
pub use sansal::validate::{Tenants, ValidatedToken};
pub use sansal::{
    Account, AuthCodeFlow, AuthorizationRequest, AuthorizationResponse, Binding, ClientCredentials, DeviceCode,
    DeviceFlow, Endpoint, Error, ManagedIdentity, OnBehalfOf, PollOptions, PopAuthScheme, Prompt, ResponseMode, Secret,
    Silent, Token, TokenSource, TokenValidation, UserFederatedIdentityCredential, UsernamePassword,
};
