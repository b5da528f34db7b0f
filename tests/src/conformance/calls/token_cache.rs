//! `token_cache.*`: the cache by itself (chapter 5 of the reference).

use sansal::Secret;
use sansal::cache::{Entry, Kind, Scheme, TokenCache, TokenChange, TokenEvent};
use sansal::error::Error;
use sansal::json::Members;
use sansal::time::UnixTime;
use sansal::token::TokenResponse;
use serde_json::{Map, Value, json};

use super::{Arguments, Turn};
use crate::conformance::arguments::Argument;
use crate::conformance::outcome::{Outcome, Stop};
use crate::conformance::stage::Stage;

type Done = Result<Outcome, Stop>;

fn done(result: Result<(), Error>) -> Outcome {
    result.map_or_else(|why| Outcome::Failed(why.into()), |()| Outcome::NONE)
}

fn now(args: &mut Arguments, stage: &Stage<'_>) -> Result<UnixTime, Stop> {
    match args.take("now") {
        Argument::None => Ok(stage.now()),
        Argument::Number(now) => now.as_f64().map(|now| UnixTime(now as u64)).ok_or_else(|| Stop::malformed("now")),
        _ => Err(Stop::malformed("now is not a number")),
    }
}

/// An event of the reference, as far as the cache reads it.
pub(super) fn add(stage: &mut Stage<'_>, turn: &mut Turn<'_, '_, '_, '_>) -> Done {
    let event = turn.args.take("event");
    let now = now(&mut turn.args, stage)?;
    turn.args.finish()?;
    let Argument::Map(event) = event else { return Ok(Outcome::refused_by_type("an event must be an object")) };
    let changes = match record(&stage.cache, &event, now) {
        Ok(changes) => changes,
        Err(outcome) => return Ok(outcome),
    };
    Ok(done(changes.map(|changes| stage.cache.apply(changes))))
}

fn record(
    cache: &TokenCache,
    event: &Map<String, Value>,
    now: UnixTime,
) -> Result<Result<Vec<TokenChange>, Error>, Outcome> {
    let refused = |what: &str| Outcome::refused_by_type(&format!("{what} of an event"));
    let text = |name: &'static str| match event.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.as_str())),
        Some(_) => Err(refused(name)),
    };
    let map = |name: &'static str| match event.get(name) {
        None | Some(Value::Null) => Ok(Map::new()),
        Some(Value::Object(members)) => Ok(members.clone()),
        Some(_) => Err(refused(name)),
    };
    let response = TokenResponse::from_members(Members::from(map("response")?));
    // The scopes of an event are a list, or one text as the token endpoint answers it.
    let scopes: Vec<&str> = match event.get("scope").map(|scope| scope.get("$tuple").unwrap_or(scope)) {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::String(text)) => text.split_whitespace().collect(),
        Some(Value::Array(items)) => {
            items.iter().map(Value::as_str).collect::<Option<_>>().ok_or_else(|| refused("scope"))?
        }
        Some(_) => return Err(refused("scope")),
    };
    let data = map("data")?;
    let data: Vec<(&str, &str)> = data
        .iter()
        .filter(|(_, value)| !value.is_null())
        .map(|(name, value)| Some((name.as_str(), value.as_str()?)))
        .collect::<Option<_>>()
        .ok_or_else(|| refused("data"))?;
    Ok(cache.record(
        &TokenEvent {
            client_id: text("client_id")?,
            scopes: &scopes,
            token_endpoint: text("token_endpoint")?,
            realm: None,
            environment: text("environment")?,
            grant_type: text("grant_type")?.unwrap_or_default(),
            response: &response,
            data: &data,
            home_account_id: None,
            authority_type: text("authority_type")?,
            username: text("username")?,
            local_account_id: text("_account_id")?,
            skip_account_creation: event.get("skip_account_creation") == Some(&Value::Bool(true)),
            scheme: Scheme::Bearer,
        },
        now,
    ))
}

/// Entries of a kind; ended access tokens are dropped when all were looked at, as in the reference.
pub(super) fn search(stage: &mut Stage<'_>, turn: &mut Turn<'_, '_, '_, '_>) -> Done {
    let kind = turn.args.take("credential_type");
    let (target, query) = (turn.args.take("target"), turn.args.take("query"));
    let now = now(&mut turn.args, stage)?;
    turn.args.finish()?;
    let Some(kind) = kind.text().and_then(Kind::of_section) else {
        return Ok(Outcome::refused_by_type("there is no such kind of entry"));
    };
    let target = match &target {
        Argument::None => Vec::new(),
        list => match list.texts() {
            Some(texts) => texts,
            None => return Ok(Outcome::refused_by_type("a target must be a list of texts")),
        },
    };
    let none = Map::new();
    let query = match &query {
        Argument::None => &none,
        Argument::Map(members) => members,
        _ => return Ok(Outcome::refused_by_type("a query must be an object")),
    };
    let mut wanted = Vec::new();
    for (name, value) in query {
        match value {
            Value::Null => wanted.push((name.as_str(), None)),
            Value::String(text) => wanted.push((name.as_str(), Some(text.as_str()))),
            _ => return Ok(Outcome::refused_by_type("a query must have texts only")),
        }
    }
    let found = stage.cache.search(kind, &wanted, &target, now);
    let object = |entry: &Entry| entry.members().map(|(name, value)| (name.to_owned(), value.clone())).collect();
    let found: Vec<Value> = found.map(|entry| Value::Object(object(entry))).collect();
    if kind == Kind::AccessToken {
        let ended = stage.cache.expired(now);
        stage.cache.apply(ended);
    }
    Ok(Outcome::Value(Value::Array(found)))
}

fn entry(argument: &Argument) -> Result<Entry, Outcome> {
    match argument {
        Argument::Map(members) => Entry::from_json(Value::Object(members.clone()).to_string().as_bytes())
            .map_err(|why| Outcome::Failed(why.into())),
        _ => Err(Outcome::refused_by_type("an entry must be an object")),
    }
}

fn remove(stage: &mut Stage<'_>, turn: &mut Turn<'_, '_, '_, '_>, kind: Kind, argument: &str) -> Done {
    let item = turn.args.take(argument);
    turn.args.finish()?;
    let change = match entry(&item) {
        Ok(entry) => stage.cache.remove(kind, &entry),
        Err(outcome) => return Ok(outcome),
    };
    Ok(done(change.map(|change| stage.cache.apply(vec![change]))))
}

/// Removes an access token.
pub(super) fn remove_at(stage: &mut Stage<'_>, turn: &mut Turn<'_, '_, '_, '_>) -> Done {
    remove(stage, turn, Kind::AccessToken, "at_item")
}

/// Removes a refresh token.
pub(super) fn remove_rt(stage: &mut Stage<'_>, turn: &mut Turn<'_, '_, '_, '_>) -> Done {
    remove(stage, turn, Kind::RefreshToken, "rt_item")
}

/// Removes an ID token.
pub(super) fn remove_idt(stage: &mut Stage<'_>, turn: &mut Turn<'_, '_, '_, '_>) -> Done {
    remove(stage, turn, Kind::IdToken, "idt_item")
}

/// Removes an account.
pub(super) fn remove_account(stage: &mut Stage<'_>, turn: &mut Turn<'_, '_, '_, '_>) -> Done {
    remove(stage, turn, Kind::Account, "account_item")
}

/// Puts new members over an entry, at the place of the old one; without new members it goes.
pub(super) fn modify(stage: &mut Stage<'_>, turn: &mut Turn<'_, '_, '_, '_>) -> Done {
    let kind = turn.args.take("credential_type");
    let Some(kind) = kind.text().and_then(Kind::of_section) else {
        return Ok(Outcome::refused_by_type("there is no such kind of entry"));
    };
    let (old, new) = (turn.args.take("old_entry"), turn.args.take("new_key_value_pairs"));
    turn.args.finish()?;
    let removal = match entry(&old) {
        Ok(entry) => stage.cache.remove(kind, &entry),
        Err(outcome) => return Ok(outcome),
    };
    let removal = match removal {
        Ok(removal) => removal,
        Err(why) => return Ok(Outcome::Failed(why.into())),
    };
    let change = match (old, new) {
        (Argument::Map(mut members), Argument::Map(new)) if !new.is_empty() => {
            members.extend(new);
            match entry(&Argument::Map(members)) {
                Ok(entry) => TokenChange::Put { section: kind.section().into(), key: removal.key().to_string(), entry },
                Err(outcome) => return Ok(outcome),
            }
        }
        (_, new) if new.is_truthy() => return Ok(Outcome::refused_by_type("new members must be an object")),
        _ => removal,
    };
    stage.cache.apply(vec![change]);
    Ok(Outcome::NONE)
}

/// Puts a new secret into a refresh token.
pub(super) fn update_rt(stage: &mut Stage<'_>, turn: &mut Turn<'_, '_, '_, '_>) -> Done {
    let (item, secret) = (turn.args.take("rt_item"), turn.args.take("new_rt"));
    turn.args.finish()?;
    let Argument::Text(secret) = secret else { return Ok(Outcome::refused_by_type("a token must be a text")) };
    let change = match entry(&item) {
        // What could not be removed as a refresh token is none.
        Ok(entry) => match stage.cache.remove(Kind::RefreshToken, &entry) {
            Ok(_) => stage.cache.update_refresh_token(&entry, &Secret::from(secret), stage.now()),
            Err(error) => return Ok(Outcome::Failed(error.into())),
        },
        Err(outcome) => return Ok(outcome),
    };
    stage.cache.apply(vec![change]);
    Ok(Outcome::NONE)
}

/// The whole cache; the change flag goes down.
pub(super) fn serialize(stage: &mut Stage<'_>, turn: &mut Turn<'_, '_, '_, '_>) -> Done {
    turn.args.finish()?;
    let tree = whole(&stage.cache).map_err(Stop::Different)?;
    stage.cache.mark_saved();
    Ok(Outcome::Value(tree))
}

/// Another cache in place of this one.
pub(super) fn deserialize(stage: &mut Stage<'_>, turn: &mut Turn<'_, '_, '_, '_>) -> Done {
    let state = turn.args.take("state");
    turn.args.finish()?;
    let text = match &state {
        Argument::None => "",
        Argument::Text(text) => text.as_str(),
        _ => return Ok(Outcome::refused_by_type("a state must be a text")),
    };
    Ok(done(TokenCache::from_json(text.as_bytes()).map(|cache| stage.cache = cache)))
}

/// Whether there is something to save.
pub(super) fn has_state_changed(stage: &mut Stage<'_>, turn: &mut Turn<'_, '_, '_, '_>) -> Done {
    turn.args.finish()?;
    Ok(Outcome::Value(json!(stage.cache.has_state_changed())))
}

/// The cache as a tree.
pub fn whole(cache: &TokenCache) -> Result<Value, String> {
    serde_json::from_slice(&cache.to_json()).map_err(|why| format!("the cache is not JSON: {why}"))
}
