//! Tokens of users: the scopes they are for, the access token, the ID token (OpenID Connect Core s2), the refresh token.

use base64ct::{Base64UrlUnpadded, Encoding};
use serde_json::{Map, Value, json};

use crate::directory::Resource;
use crate::message::Response;
use crate::platform::Platform;
use crate::refusal::Refusal;
use crate::session::{Refresh, Session};

/// Scopes that are no resource's.
const RESERVED: [&str; 4] = ["openid", "profile", "email", "offline_access"];
/// What scopes without a resource are of.
const GRAPH: &str = "https://graph.microsoft.com";

/// What a scope parameter comes to.
#[derive(Debug)]
pub(crate) struct Granted {
    audience: String,
    names: Vec<String>,
    answer: String,
    openid: bool,
    offline: bool,
}

/// Reads a scope (RFC 6749 s3.3): all of one resource, all known to it.
pub(crate) fn grant(resources: &[Resource], scope: &str) -> Result<Granted, Refusal> {
    let asked: Vec<&str> = scope.split(' ').filter(|name| !name.is_empty()).collect();
    let mut chosen: Option<&Resource> = None;
    let (mut names, mut answer) = (Vec::new(), Vec::new());
    for whole in asked.iter().copied().filter(|name| !RESERVED.contains(name)) {
        let of =
            |own: &&Resource| whole.strip_prefix(own.identifier.as_str()).is_some_and(|rest| rest.starts_with('/'));
        let named = resources.iter().filter(of).max_by_key(|own| own.identifier.len());
        let (resource, name) = match named {
            Some(own) => (own, whole.get(own.identifier.len()..).unwrap_or_default().trim_start_matches('/')),
            None => match whole.rsplit_once('/') {
                Some((name, _)) => return Err(Refusal::unknown_resource(name)),
                None => (resources.iter().find(|own| own.identifier == GRAPH).ok_or(Refusal::scope(whole))?, whole),
            },
        };
        if chosen.is_some_and(|before| before.identifier != resource.identifier) {
            return Err(Refusal::several_resources());
        }
        chosen = Some(resource);
        if name == ".default" {
            answer.extend(resource.scopes.iter().map(|own| format!("{}/{own}", resource.identifier)));
            names.extend(resource.scopes.iter().cloned());
        } else if resource.scopes.is_empty() || resource.scopes.iter().any(|own| own == name) {
            names.push(name.to_owned());
        } else {
            return Err(Refusal::scope(whole));
        }
        answer.push(whole.to_owned());
    }
    let has = |name: &str| asked.contains(&name);
    if asked.is_empty() {
        return Err(Refusal::missing("scope"));
    }
    answer.extend(
        asked.iter().filter(|name| RESERVED.contains(name) && **name != "offline_access").map(ToString::to_string),
    );
    let audience = chosen.map_or(GRAPH, |own| own.audience.as_str()).to_owned();
    Ok(Granted { audience, names, answer: answer.join(" "), openid: has("openid"), offline: has("offline_access") })
}

/// What a token request adds to a session.
#[derive(Debug, Default)]
pub(crate) struct Asked<'a> {
    pub(crate) scope: Option<&'a str>,
    pub(crate) claims: Option<&'a str>,
    pub(crate) client_info: bool,
    /// How the client proved itself, as `azpacr` counts it.
    pub(crate) strength: &'static str,
    /// The refresh tokens that this one comes from.
    pub(crate) chain: Option<u64>,
    /// The key that a PoP token is to be bound to: the value of its `cnf` (RFC 7800 s3.4).
    pub(crate) confirmation: Option<Value>,
}

impl Platform {
    /// The tokens of a session, as RFC 6749 s5.1 has them.
    pub(crate) fn issue(
        &mut self,
        session: &Session,
        asked: &Asked<'_>,
        host: &str,
        now: u64,
    ) -> Result<Response, Refusal> {
        let granted = grant(&self.resources, asked.scope.unwrap_or(&session.scope))?;
        let claims = asked.claims.or(session.claims.as_deref());
        if let (Some(challenge), None) = (&self.claims_challenge, claims) {
            return Err(Refusal::claims_wanted(challenge));
        }
        let user = self.desk.user(&session.user)?.clone();
        user.check(None)?;
        if self.desk.wants_consent(&user, &session.client_id) {
            return Err(Refusal::consent_required());
        }
        if user.second_factor && !session.strong {
            return Err(Refusal::second_factor(crate::user::SECOND_FACTOR));
        }
        let app = self.applications.iter().find(|app| app.client_id == session.client_id);
        let family = app.is_some_and(|app| app.family);
        let realm = &session.realm;
        let object_id = user.object_id_in(realm).ok_or_else(Refusal::unknown_user)?;
        let mut common = json!({
            "iss": realm.issuer(host),
            "iat": now,
            "nbf": now,
            "exp": now.saturating_add(self.lifetime),
            "sub": user.subject(&session.client_id, realm),
            "oid": object_id,
            "name": user.name,
            "preferred_username": user.upn,
            "uti": self.chance.uuid(),
            "ver": "2.0",
        });
        if let Some(tenant) = realm.tenant() {
            put(&mut common, "tid", tenant.into());
        }
        let mut access = common.clone();
        put(&mut access, "aud", granted.audience.into());
        put(&mut access, "azp", session.client_id.as_str().into());
        put(&mut access, "azpacr", asked.strength.into());
        put(&mut access, "scp", granted.names.join(" ").into());
        if let Some(confirmation) = &asked.confirmation {
            put(&mut access, "cnf", confirmation.clone());
        }
        for (name, values) in claims.map(challenged).unwrap_or_default() {
            if access.get(&name).is_none() {
                put(&mut access, &name, values.into());
            }
        }
        let mut answer = json!({
            "token_type": if asked.confirmation.is_some() { "pop" } else { "Bearer" },
            "scope": granted.answer,
            "expires_in": self.lifetime,
            "access_token": self.keys.sign(&access).ok_or(Refusal::no_signature())?,
        });
        self.issued = self.issued.saturating_add(1);
        if realm.tenant().is_some() {
            put(&mut answer, "ext_expires_in", self.lifetime.into());
        }
        if let Some(seconds) = self.refresh_in {
            put(&mut answer, "refresh_in", seconds.into());
        }
        if granted.openid {
            put(&mut common, "aud", session.client_id.as_str().into());
            if let Some(nonce) = &session.nonce {
                put(&mut common, "nonce", nonce.as_str().into());
            }
            if session.tells_auth_time {
                put(&mut common, "auth_time", session.auth_time.into());
            }
            put(&mut answer, "id_token", self.keys.sign(&common).ok_or(Refusal::no_signature())?.into());
        }
        if asked.client_info && realm.tenant().is_some() {
            let info = json!({ "uid": user.object_id, "utid": user.tenant }).to_string();
            put(&mut answer, "client_info", Base64UrlUnpadded::encode_string(info.as_bytes()).into());
        }
        if granted.offline || asked.chain.is_some() {
            put(&mut answer, "refresh_token", self.refresh_token(session, asked.chain).into());
            if family {
                put(&mut answer, "foci", "1".into());
            }
        }
        Ok(Response::json(200, &answer).header("Cache-Control", "no-store").header("Pragma", "no-cache"))
    }

    fn refresh_token(&mut self, session: &Session, chain: Option<u64>) -> String {
        let chain = chain.unwrap_or_else(|| self.next_chain());
        let token = format!("0.{}.{}", self.chance.uuid(), self.chance.uuid());
        // A nonce is for one authentication only (OpenID Connect Core s12.2).
        let session = Session { nonce: None, ..session.clone() };
        self.desk.refresh.insert(token.clone(), Refresh { session, chain, spent: false, revoked: None });
        token
    }

    pub(crate) fn next_chain(&mut self) -> u64 {
        self.desk.chains = self.desk.chains.saturating_add(1);
        self.desk.chains
    }
}

fn put(object: &mut Value, name: &str, value: Value) {
    if let Some(members) = object.as_object_mut() {
        members.insert(name.to_owned(), value);
    }
}

/// The key that is named by `req_cnf`, for a client that asks for a PoP token; nothing for one that does not.
pub(crate) fn confirmation(token_type: Option<&str>, req_cnf: Option<&str>) -> Result<Option<Value>, Refusal> {
    if token_type != Some("pop") {
        return Ok(None);
    }
    let req_cnf = req_cnf.ok_or(Refusal::missing("req_cnf"))?;
    let bytes = Base64UrlUnpadded::decode_vec(req_cnf).unwrap_or_default();
    let cnf: Value = serde_json::from_slice(&bytes).unwrap_or_default();
    let named = cnf.get("kid").and_then(Value::as_str).is_some_and(|kid| !kid.is_empty());
    if named { Ok(Some(cnf)) } else { Err(Refusal::malformed("req_cnf names no key.")) }
}

/// Claims for the access token with the values that are wanted (OpenID Connect Core s5.5).
pub(crate) fn challenged(claims: &str) -> Vec<(String, Vec<String>)> {
    let document: Map<String, Value> = serde_json::from_str(claims).unwrap_or_default();
    let Some(Value::Object(wanted)) = document.get("access_token") else { return Vec::new() };
    let values = |of: &Value| -> Vec<String> {
        let several = of.get("values").and_then(Value::as_array).cloned().unwrap_or_default();
        let all = several.into_iter().chain(of.get("value").cloned());
        all.filter_map(|value| value.as_str().map(str::to_owned)).collect()
    };
    wanted.iter().map(|(name, of)| (name.clone(), values(of))).collect()
}
