//! The authorization endpoint (RFC 6749 s3.1, RFC 7636, OpenID Connect Core s3.1.2): what is asked of the browser, what is
//! remembered meanwhile, and what the browser brings back.

mod pending;
mod prompt;
mod request;
mod response;

pub use pending::AuthCodeFlow;
pub use prompt::{Prompt, ResponseMode};
pub use request::AuthorizationRequest;
pub(crate) use request::address;
pub use response::AuthorizationResponse;
