//! `sansal verify`: a token held against its issuer's keys and the rules that the caller names (RFC 8725, RFC 9068 s4).

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use sansal::key::Algorithm;
use sansal::validate::Tenants;
use sansal_std::{Environment, SetupError, TokenValidator};
use serde_json::Value;

use crate::application::{Application, Chosen, Network, Talk, configured};
use crate::decode::{decode, token_in};
use crate::failure::Failure;
use crate::{input, output};

/// Which token, and by which rules.
#[derive(Args)]
pub(crate) struct Arguments {
    /// A file with the token, or with the JSON that `sansal token --json` prints; - or nothing: standard input.
    #[arg(value_name = "FILE", default_value = "-")]
    file: PathBuf,
    /// What must stand in aud: the application's id, or its api://... address. Of several one.
    #[arg(long, value_name = "AUD", required = true, num_args = 1..)]
    audience: Vec<String>,
    #[command(flatten)]
    application: Application,
    /// Tenants of Entra that may issue it, by their ids; any: all of them.
    #[arg(long, value_name = "ID|any", num_args = 1.., conflicts_with = "issuer")]
    tenants: Vec<String>,
    /// The algorithms that are taken.
    #[arg(long, value_name = "ALG", num_args = 1.., default_values = ["RS256"], value_parser = algorithm)]
    algorithm: Vec<Algorithm>,
    /// Must be among the scopes of the token.
    #[arg(long, value_name = "SCOPE", num_args = 1..)]
    scope: Vec<String>,
    /// Must be among its roles.
    #[arg(long, value_name = "ROLE", num_args = 1..)]
    role: Vec<String>,
    /// Must be its nonce: for ID tokens.
    #[arg(long, value_name = "TEXT")]
    nonce: Option<String>,
    /// Seconds by which clocks may differ.
    #[arg(long, value_name = "SECONDS", default_value_t = 300)]
    clock_skew: u64,
    #[command(flatten)]
    network: Network,
    #[command(flatten)]
    talk: Talk,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    arguments.talk.begin();
    let text = input::token(&arguments.file)?;
    let token = token_in(text.expose().trim());
    let token = token.expose().strip_prefix("Bearer ").unwrap_or(token.expose()).trim_start();
    let validator = validator(arguments)?;
    let mut rules = validator.rules().clone();
    rules.nonce.clone_from(&arguments.nonce);
    validator.validate_with(token, &rules)?;
    let mut shown = decode(token)?;
    if let Value::Object(members) = &mut shown {
        members.insert("verified".to_owned(), true.into());
    }
    output::print_json(&shown)
}

fn validator(arguments: &Arguments) -> Result<TokenValidator, Failure> {
    let (first, others) = arguments.audience.split_first().ok_or_else(|| Failure::usage("give --audience"))?;
    let mut builder = TokenValidator::builder(first);
    builder = match arguments.application.authority(&Environment::from_process()?)? {
        Some(Chosen::Authority(authority)) => builder.authority(&authority),
        Some(Chosen::Issuer(issuer)) => builder.oidc_authority(&issuer),
        None => return Err(Failure::usage("whose token is it? give --issuer, --authority or --tenant")),
    };
    builder = others.iter().fold(builder, |builder, audience| builder.audience(audience));
    builder = arguments.scope.iter().fold(builder, |builder, scope| builder.require_scope(scope));
    builder = arguments.role.iter().fold(builder, |builder, role| builder.require_role(role));
    builder = match arguments.tenants.as_slice() {
        [] => builder,
        [any] if any == "any" => builder.tenants(Tenants::Any),
        ids => builder.tenants(Tenants::Only(ids.to_vec())),
    };
    builder = builder
        .algorithms(&arguments.algorithm)
        .clock_skew(Duration::from_secs(arguments.clock_skew))
        .enable_pii_log(arguments.talk.names());
    configured!(builder, arguments.application, arguments.network).build().map_err(|why| match why {
        SetupError::Contradiction(why) => {
            Failure::usage(format_args!("{why} (--tenant ID, --tenants ID or --tenants any)"))
        }
        why => why.into(),
    })
}

fn algorithm(text: &str) -> Result<Algorithm, String> {
    let known = [Algorithm::Rs256, Algorithm::Ps256, Algorithm::Es256];
    let found = known.into_iter().find(|alg| alg.as_str() == text);
    found.ok_or_else(|| "RS256, PS256 or ES256".to_owned())
}
