//! What happened since the last step, owned, and the answers of [`Asks`]: the part of a host that is the same whether it blocks.

use std::fmt;

use sansal::Secret;
use sansal::error::{AskError, CommitError, SendError};
use sansal::flow::{Answer, Ask, Input};
use sansal::http::{Response, ResponseHeader};
use sansal::jose::Jwk;
use sansal::key::{KeyName, KeyProtection};
use sansal::secret::SecretBytes;

use crate::asks::{Asks, AssertionContext, DeviceCodePrompt};
use crate::http::HttpResponse;

/// What happened, owned; a machine is lent it.
pub enum Happened {
    /// Nothing yet.
    Begun,
    /// A response came.
    Responded(HttpResponse),
    /// None came.
    Failed(SendError),
    /// Time passed.
    Woke,
    /// Somebody answered.
    Answered(Answered),
    /// The partition is there.
    Loaded,
    /// The changes are applied.
    Committed(Result<(), CommitError>),
}

/// The answer to an [`Ask`], owned.
pub enum Answered {
    /// A signature.
    Signature(SecretBytes),
    /// A public key, and how its private half is kept.
    PublicKey(Box<Jwk>, KeyProtection),
    /// The name of a new key.
    Generated(KeyName),
    /// A client assertion.
    Assertion(Secret),
    /// What the browser came back with.
    Redirected(Secret),
    /// The user sees it.
    Shown,
    /// The content of a file.
    File(SecretBytes),
    /// No answer.
    Failed(AskError),
}

impl Happened {
    /// Lends it to the machine, by `step`.
    pub fn tell<R>(&self, step: impl FnOnce(Input<'_>) -> R) -> R {
        match self {
            Self::Begun => step(Input::Start),
            Self::Responded(response) => {
                let headers: Vec<ResponseHeader<'_>> =
                    response.headers.iter().map(|(name, value)| ResponseHeader { name, value }).collect();
                let body = response.body.expose();
                step(Input::Response(Response { status: response.status, headers: &headers, body }))
            }
            Self::Failed(why) => step(Input::Failed(*why)),
            Self::Woke => step(Input::Woke),
            Self::Answered(Answered::Signature(bytes)) => step(Input::Answer(Answer::Signature(bytes.expose()))),
            Self::Answered(Answered::PublicKey(jwk, protection)) => {
                step(Input::Answer(Answer::PublicKey { jwk: &jwk.to_json(), protection: *protection }))
            }
            Self::Answered(Answered::Generated(name)) => step(Input::Answer(Answer::Generated(name.clone()))),
            Self::Answered(Answered::Assertion(text)) => step(Input::Answer(Answer::Assertion(text.expose()))),
            Self::Answered(Answered::Redirected(text)) => step(Input::Answer(Answer::Redirected(text.expose()))),
            Self::Answered(Answered::Shown) => step(Input::Answer(Answer::Shown)),
            Self::Answered(Answered::File(bytes)) => step(Input::Answer(Answer::File(bytes.expose()))),
            Self::Answered(Answered::Failed(why)) => step(Input::Answer(Answer::Failed(*why))),
            Self::Loaded => step(Input::Loaded),
            Self::Committed(result) => step(Input::Committed(*result)),
        }
    }
}

/// Has `asks` answer, on this thread.
pub fn answer(ask: &Ask, asks: &dyn Asks) -> Answered {
    let result = match ask {
        Ask::Sign { key, alg, message } => {
            asks.sign(key, *alg, message).map(|bytes| Answered::Signature(SecretBytes::new(bytes)))
        }
        Ask::PublicKey { key } => {
            asks.public_key(key).map(|(jwk, protection)| Answered::PublicKey(Box::new(jwk), protection))
        }
        Ask::GenerateKey { alg } => asks.generate_key(*alg).map(Answered::Generated),
        Ask::Assertion { client_id, token_endpoint, fmi_path } => {
            let context = AssertionContext {
                client_id: client_id.clone(),
                token_endpoint: token_endpoint.clone(),
                fmi_path: fmi_path.clone(),
            };
            asks.assertion(&context).map(Answered::Assertion)
        }
        Ask::OpenBrowser { url, redirect_uri } => {
            asks.open_browser(&url.to_string(), redirect_uri).map(Answered::Redirected)
        }
        Ask::ShowCode { user_code, verification_uri, verification_uri_complete, message, expires_in } => {
            let prompt = DeviceCodePrompt {
                user_code: user_code.clone(),
                verification_uri: verification_uri.clone(),
                verification_uri_complete: verification_uri_complete.clone(),
                message: message.clone(),
                expires_in: *expires_in,
            };
            asks.show_code(&prompt).map(|()| Answered::Shown)
        }
        Ask::ReadFile { dir, name, max_len } => asks.read_file(dir, name, *max_len).map(Answered::File),
        _ => Err(AskError::NotSupported),
    };
    result.unwrap_or_else(Answered::Failed)
}

/// Shows no content.
impl fmt::Debug for Happened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Happened(..)")
    }
}

/// Shows no content.
impl fmt::Debug for Answered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Answered(..)")
    }
}
