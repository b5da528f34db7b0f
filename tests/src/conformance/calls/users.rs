//! Tokens for users who are known already: silent, on behalf of, federated credentials, imported refresh tokens; accounts.

use sansal::cache::Entry;
use sansal::client::Client;
use sansal::error::Error;
use sansal::jose::Jwk;
use sansal::{
    Account, Binding, Flow, GetAccounts, OnBehalfOf, PopAuthScheme, RefreshTokenImport, RemoveAccount, Silent, Token,
    UserFederatedIdentityCredential,
};
use serde_json::{Value, json};

use super::Turn;
use crate::conformance::arguments::Argument;
use crate::conformance::outcome::{Outcome, Stop};
use crate::conformance::stage::Stage;

/// What a scopes argument holds; anything but a list, a tuple or a set of texts cannot be written in Rust.
pub(super) fn scopes(turn: &mut Turn<'_, '_, '_, '_>) -> Result<Vec<String>, Outcome> {
    let scopes = match turn.args.take("scopes") {
        Argument::OtherSequence(items) => Argument::List(items),
        other => other,
    };
    let texts = scopes.texts().ok_or_else(|| Outcome::refused_by_type("scopes must be texts, one by one"))?;
    Ok(texts.into_iter().map(String::from).collect())
}

/// The key of whoever asks for PoP tokens: the example of RFC 7517 A.1.
const PUBLIC_KEY: &[u8] = br#"{"kty":"EC","crv":"P-256","x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4","y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM"}"#;

/// What a token is bound to: a key, where `auth_scheme` says so; an SSH certificate, from `data`. Other members of that are not
/// writable in Rust.
pub(super) fn binding(turn: &mut Turn<'_, '_, '_, '_>) -> Result<Option<Binding>, Outcome> {
    if let Some(binding) = pop(turn)? {
        return Ok(Some(binding));
    }
    let members = match turn.args.take("data") {
        Argument::None => return Ok(None),
        Argument::Map(members) if members.is_empty() => return Ok(None),
        Argument::Map(members) => members,
        _ => return Err(Outcome::refused_by_type("data are texts by name")),
    };
    let text = |name: &str| members.get(name).and_then(Value::as_str).unwrap_or_default();
    match (text("token_type"), members.keys().all(|name| ["token_type", "req_cnf", "key_id"].contains(&name.as_str())))
    {
        ("ssh-cert", true) => Binding::ssh_certificate(text("req_cnf"), text("key_id"))
            .map(Some)
            .map_err(|why| Outcome::Failed(Error::from(why).into())),
        _ => Err(Outcome::refused_by_type("data that are not for an SSH certificate")),
    }
}

/// A PoP token for one request, from `auth_scheme`.
pub(super) fn pop(turn: &mut Turn<'_, '_, '_, '_>) -> Result<Option<Binding>, Outcome> {
    let members = match turn.args.take("auth_scheme") {
        Argument::None => return Ok(None),
        Argument::PopAuthScheme(members) => members,
        _ => return Err(Outcome::refused_by_type("there is no such auth_scheme")),
    };
    let text = |name: &str| members.get(name).and_then(Value::as_str).unwrap_or_default();
    let failed = |why| Outcome::Failed(Error::from(why).into());
    PopAuthScheme::new(text("http_method"), text("url"), text("nonce")).map_err(failed)?;
    let key = Jwk::parse(PUBLIC_KEY).map_err(|_| Outcome::refused_by_type("there is no key"))?;
    Ok(Some(Binding::pop(&key)))
}

/// Runs the machine that `make` makes, or says why it cannot be made.
pub(super) fn run<F: Flow<Output = Token> + Clone>(
    stage: &mut Stage<'_>,
    turn: &mut Turn<'_, '_, '_, '_>,
    make: impl FnOnce(&Client) -> Result<F, Error>,
) -> Result<Outcome, Stop> {
    turn.args.finish()?;
    match make(&stage.app(turn.on)?.client) {
        Ok(mut flow) => stage.run(turn.on, &mut flow, &mut turn.server).map(Outcome::of_direct_token),
        Err(error) => Ok(Outcome::Failed(error.into())),
    }
}

/// `acquire_token_silent`: every error of the server and every cause to ask somebody is `None` there.
pub(super) fn acquire_token_silent(stage: &mut Stage<'_>, turn: &mut Turn<'_, '_, '_, '_>) -> Result<Outcome, Stop> {
    Ok(match silent(stage, turn)? {
        Outcome::Value(Value::Object(members)) if members.contains_key("error") => Outcome::NONE,
        other => other,
    })
}

/// `acquire_token_silent_with_error`.
pub(super) fn silent(stage: &mut Stage<'_>, turn: &mut Turn<'_, '_, '_, '_>) -> Result<Outcome, Stop> {
    let scopes = match scopes(turn) {
        Ok(scopes) => scopes,
        Err(outcome) => return Ok(outcome),
    };
    let account = match turn.args.take("account") {
        Argument::Map(members) => account(&Value::Object(members)),
        // No account, no token: there is no such call here.
        Argument::None => return Ok(Outcome::NONE),
        _ => return Ok(Outcome::refused_by_type("an account is not a text")),
    };
    let binding = match binding(turn) {
        Ok(binding) => binding,
        Err(outcome) => return Ok(outcome),
    };
    let force = turn.args.take("force_refresh").is_truthy();
    // The reference has the argument and does not look at it (G-47).
    turn.args.take("authority");
    let (challenge, forwarded) =
        (turn.args.take_text("claims_challenge"), turn.args.take_text("forwarded_client_claims"));
    let (challenge, forwarded) = match (challenge, forwarded) {
        (Ok(challenge), Ok(forwarded)) => (challenge, forwarded),
        (Err(outcome), _) | (_, Err(outcome)) => return Ok(outcome),
    };
    turn.args.finish()?;
    let make = |client: &Client| {
        let mut silent = Silent::new(&account, &scopes)?.force_refresh(force);
        if let Some(claims) = &challenge {
            silent = silent.claims_challenge(claims);
        }
        if let Some(claims) = &forwarded {
            silent = silent.forwarded_client_claims(claims);
        }
        if let Some(binding) = &binding {
            silent = silent.bound(binding);
        }
        silent.flow(client)
    };
    let outcome = match make(&stage.app(turn.on)?.client) {
        Ok(mut flow) => Outcome::of_token(stage.run(turn.on, &mut flow, &mut turn.server)?),
        Err(error) => Outcome::Failed(error.into()),
    };
    Ok(match outcome {
        Outcome::Failed(failure) if failure.kind == "InteractionRequired" => Outcome::NONE,
        other => other,
    })
}

/// An account as the recordings pass it.
fn account(members: &Value) -> Account {
    let text = |name: &str| members.get(name).and_then(Value::as_str).unwrap_or_default();
    match Entry::from_json(members.to_string().as_bytes()) {
        Ok(entry) => Account::from_entry(&entry),
        Err(_) => Account::with_home_account_id(text("home_account_id"), text("environment")),
    }
}

/// `get_accounts`.
pub(super) fn get_accounts(stage: &mut Stage<'_>, turn: &mut Turn<'_, '_, '_, '_>) -> Result<Outcome, Stop> {
    let username = match turn.args.take_text("username") {
        Ok(username) => username,
        Err(outcome) => return Ok(outcome),
    };
    turn.args.finish()?;
    let inside = stage.env.get("AZUREPS_HOST_ENVIRONMENT").is_some_and(|host| host.starts_with("cloud-shell"));
    let mut flow = GetAccounts::new().cloud_shell(inside);
    if let Some(username) = &username {
        flow = flow.username(username);
    }
    Ok(match stage.run(turn.on, &mut flow, &mut turn.server)? {
        Ok(accounts) => Outcome::Value(accounts.iter().map(account_result).collect()),
        Err(error) => Outcome::Failed(error.into()),
    })
}

fn account_result(account: &Account) -> Value {
    json!({
        "home_account_id": account.home_account_id(),
        "environment": account.environment(),
        "username": account.username(),
        "account_source": account.account_source(),
        "authority_type": account.authority_type(),
        "local_account_id": account.local_account_id(),
        "realm": account.realm(),
    })
}

/// `remove_account`.
pub(super) fn remove_account(stage: &mut Stage<'_>, turn: &mut Turn<'_, '_, '_, '_>) -> Result<Outcome, Stop> {
    let Argument::Map(members) = turn.args.take("account") else {
        return Ok(Outcome::refused_by_type("an account is needed"));
    };
    turn.args.finish()?;
    let mut flow = RemoveAccount::new(&account(&Value::Object(members)));
    Ok(match stage.run(turn.on, &mut flow, &mut turn.server)? {
        Ok(Ok(())) => Outcome::NONE,
        Ok(Err(why)) => return Err(Stop::Different(why.to_string())),
        Err(error) => Outcome::Failed(error.into()),
    })
}

/// `acquire_token_on_behalf_of`.
pub(super) fn on_behalf_of(stage: &mut Stage<'_>, turn: &mut Turn<'_, '_, '_, '_>) -> Result<Outcome, Stop> {
    let taken = (|| {
        let assertion = turn.args.take_text("user_assertion")?.unwrap_or_default();
        let (challenge, forwarded) =
            (turn.args.take_text("claims_challenge")?, turn.args.take_text("forwarded_client_claims")?);
        Ok((assertion, challenge, forwarded, scopes(turn)?))
    })();
    let (assertion, challenge, forwarded, scopes) = match taken {
        Ok(taken) => taken,
        Err(outcome) => return Ok(outcome),
    };
    run(stage, turn, |client| {
        let mut request = OnBehalfOf::new(&assertion, &scopes)?;
        if let Some(claims) = &challenge {
            request = request.claims_challenge(claims);
        }
        if let Some(claims) = &forwarded {
            request = request.forwarded_client_claims(claims);
        }
        request.flow(client)
    })
}

/// `acquire_token_by_user_federated_identity_credential`.
pub(super) fn user_fic(stage: &mut Stage<'_>, turn: &mut Turn<'_, '_, '_, '_>) -> Result<Outcome, Stop> {
    let taken = (|| {
        let assertion = turn.args.take_text("assertion")?.unwrap_or_default();
        let (username, id) = (turn.args.take_text("username")?, turn.args.take_text("user_object_id")?);
        let claims = (turn.args.take_text("claims_challenge")?, turn.args.take_text("forwarded_client_claims")?);
        Ok((assertion, username, id, claims, scopes(turn)?))
    })();
    let (assertion, username, id, (challenge, forwarded), scopes) = match taken {
        Ok(taken) => taken,
        Err(outcome) => return Ok(outcome),
    };
    run(stage, turn, |client| {
        let mut request = match (&username, &id) {
            (Some(username), None) => UserFederatedIdentityCredential::for_username(&assertion, username, &scopes)?,
            (None, Some(id)) => UserFederatedIdentityCredential::for_object_id(&assertion, id, &scopes)?,
            // Neither or both cannot be written.
            _ => return Err(sansal::error::Config::Missing("user").into()),
        };
        if let Some(claims) = &challenge {
            request = request.claims_challenge(claims);
        }
        if let Some(claims) = &forwarded {
            request = request.forwarded_client_claims(claims);
        }
        request.flow(client)
    })
}

/// `acquire_token_by_refresh_token`.
pub(super) fn refresh_token(stage: &mut Stage<'_>, turn: &mut Turn<'_, '_, '_, '_>) -> Result<Outcome, Stop> {
    let taken = (|| Ok((turn.args.take_text("refresh_token")?.unwrap_or_default(), scopes(turn)?, binding(turn)?)))();
    let (refresh_token, scopes, binding) = match taken {
        Ok(taken) => taken,
        Err(outcome) => return Ok(outcome),
    };
    let texts: Vec<&str> = scopes.iter().map(String::as_str).collect();
    stage.tape_flow("refresh_token", &[("refresh_token", Some(&refresh_token))], &texts);
    run(stage, turn, |client| {
        let import = RefreshTokenImport::new(&refresh_token, &scopes)?;
        binding.iter().fold(import, RefreshTokenImport::bound).flow(client)
    })
}
