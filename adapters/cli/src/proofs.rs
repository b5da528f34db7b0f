//! `sansal pop`, `sansal dpop`: the headers of one request to a resource, with a token that is bound to a key.

use std::path::PathBuf;

use clap::Args;
use sansal_std::{AuthScheme, PopAuthScheme, read_proof_key};
use serde_json::{Map, Value};

use crate::failure::Failure;
use crate::token::{self, Bound};
use crate::{input, output};

pub(crate) const NOTES: &str = "\
The headers serve for this one request and for a short time: curl -H \"$(sansal pop GET URL --scope S)\" URL

Without --proof-key the token is bound to a key that is made now and ends with this command, so each call asks the server. \
Whose token it is, and what the exit codes mean, is said by 'sansal token --help'.";

/// Which request, and with whose token.
#[derive(Args)]
#[group(id = "proof")]
pub(crate) struct Arguments {
    /// The method of the request.
    #[arg(value_name = "METHOD")]
    method: String,
    /// Its address, query included.
    #[arg(value_name = "URL")]
    url: String,
    /// The nonce that the resource gave: in WWW-Authenticate (PoP), or in DPoP-Nonce.
    #[arg(long, value_name = "TEXT")]
    nonce: Option<String>,
    /// A PEM file with the P-256 key that the token is bound to, not encrypted.
    #[arg(long, value_name = "FILE")]
    proof_key: Option<PathBuf>,
    #[command(flatten)]
    token: token::Arguments,
}

pub(crate) fn run(arguments: &Arguments, scheme: AuthScheme) -> Result<(), Failure> {
    let (method, url) = (&arguments.method, &arguments.url);
    // Before anybody is asked for a token.
    PopAuthScheme::with_any_method(method, url, "n")
        .and_then(|_| sansal::pop::dpop::htu(url))
        .map_err(Failure::usage)?;
    let key = match &arguments.proof_key {
        Some(path) => {
            let pem = input::text(path)?;
            let key = read_proof_key(pem.expose().as_bytes());
            Some(key.map_err(|why| Failure::usage(format_args!("{}: {why}", path.display())))?)
        }
        None => None,
    };
    let token = token::bound(&arguments.token, &Bound { scheme, key })?;
    if let Some(nonce) = &arguments.nonce {
        let (name, value) = match scheme {
            AuthScheme::Dpop => ("DPoP-Nonce", nonce.clone()),
            _ => ("WWW-Authenticate", format!("PoP nonce=\"{nonce}\"")),
        };
        if !token.learn(url, &[(name, value)])? {
            return Err(Failure::usage("this is no nonce: RFC 9449 s8.1 says which characters it may have"));
        }
    }
    let headers = token.headers(method, url)?;
    if arguments.token.is_json() {
        let members = headers.iter().map(|(name, value)| ((*name).to_owned(), Value::from(value.expose())));
        return output::print_json(&members.collect::<Map<_, _>>().into());
    }
    headers.iter().try_for_each(|(name, value)| output::print(&format!("{name}: {}", value.expose())))
}
