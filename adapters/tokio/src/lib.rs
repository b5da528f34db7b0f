//! Tokens for asynchronous programs: the machines of [`sansal`] driven with `tokio`, `reqwest`, `rustls` and `ring`.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use sansal_tokio::{ConfidentialClient, sansal_std};
//!
//! let client = ConfidentialClient::new(
//!     sansal_std::ConfidentialClient::builder("your-application-id")
//!         .authority("https://login.microsoftonline.com/your-tenant")
//!         .secret("your-client-secret"),
//! )?;
//! let token = client.acquire_token_for_client(&["https://graph.microsoft.com/.default"]).await?;
//! println!("Authorization: {} {}", token.token_type(), token.access_token());
//! # Ok(())
//! # }
//! ```
//!
//! What is not asynchronous is `sansal-std`'s: builders and their checks, certificates, environment, keys, token files, the rules of
//! the log. Its builders hand over their [`Parts`](sansal_std::Parts). What may block (token files, callbacks) runs on tokio's
//! threads for it.
//!
//! | room | what for |
//! |---|---|
//! | [`ConfidentialClient`] | an application that gets tokens on its own behalf |
//! | [`PublicClient`] | an application on a user's machine |
//! | [`ManagedIdentityClient`] | the identity that Azure gives to this machine or service |
//! | [`DefaultChain`] | the first credential that is there: environment, workload identity, managed identity |
//! | [`TokenValidator`] | tokens that callers bring, for a resource server |
//! | [`ClientApplication`] | what both do for users: silent calls, accounts, authorization code |
//! | [`HttpClient`], [`ReqwestClient`] | how requests leave; bring your own if you like |
//! | `UserCredential` (feature `azure_core`) | a signed-in user for Azure's SDK, which takes the other clients as they are |
//! | [`Driver`] | drives any [`Flow`](sansal::Flow) |
#![forbid(unsafe_code)]

mod application;
#[cfg(feature = "azure_core")]
mod azure;
mod confidential;
mod default_chain;
mod driver;
mod http;
mod managed;
mod public;
mod reqwest_client;
mod running;
mod single_flight;
mod token_validator;

pub use application::ClientApplication;
#[cfg(feature = "azure_core")]
pub use azure::UserCredential;
pub use confidential::ConfidentialClient;
pub use default_chain::DefaultChain;
pub use driver::{Driver, SharedAsks};
pub use http::{HttpClient, Sending};
pub use managed::ManagedIdentityClient;
pub use public::PublicClient;
pub use reqwest_client::ReqwestClient;
pub use token_validator::TokenValidator;

pub use sansal;
pub use sansal_std;
// What requests are made of, and what comes back. The builders are not here: theirs make the clients that block.
pub use sansal_std::{
    Account, AskError, AuthCodeFlow, AuthScheme, AuthorizationRequest, AuthorizationResponse, Binding, BoundToken,
    CertificateCredential, ClientCredentials, CommitError, DeviceCode, DeviceFlow, Environment, Error, HttpResponse,
    Interactive, ManagedIdentity, Metrics, OnBehalfOf, Persistence, PollOptions, PopAuthScheme, PopKey, Prompt, Region,
    Request, ResponseMode, Secret, SendError, SetupError, Silent, Token, TokenCache, TokenCacheFile, TokenSource,
    UserFederatedIdentityCredential, UsernamePassword, ValidatedToken,
};
