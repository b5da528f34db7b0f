//! The grants of users at the token endpoint: code (RFC 6749 s4.1.3, RFC 7636), refresh token, device, password, on behalf of, federated.

use base64ct::{Base64UrlUnpadded, Encoding};
use ring::digest::{SHA256, digest};
use serde_json::{Map, Value};

use crate::issue::{Asked, confirmation};
use crate::message::{Request, Response};
use crate::platform::Platform;
use crate::realm::Realm;
use crate::refusal::Refusal;
use crate::session::{Refresh, Session};
use crate::token::{Fields, Proof, audiences, authenticate};

impl Platform {
    pub(crate) fn user_grant(
        &mut self,
        realm: &Realm,
        fields: &Fields,
        request: &Request,
    ) -> Result<Response, Refusal> {
        let kind = fields.need("grant_type")?;
        let known = ["authorization_code", "refresh_token", "password", "user_fic", DEVICE, ON_BEHALF, SAML1, SAML2];
        if !known.contains(&kind) {
            return Err(Refusal::grant_type(kind));
        }
        let client_id = fields.need("client_id")?;
        let known = self.applications.iter().find(|app| app.client_id == client_id && app.is_in(concrete(realm)));
        let app = known.ok_or_else(|| Refusal::unknown_application(client_id))?;
        let proves = fields.get("client_secret").is_some() || fields.get("client_assertion").is_some();
        let proof = match app.public {
            true if proves => return Err(Refusal::public_with_credential()),
            true => Proof::Nothing,
            false => authenticate(fields, app, &audiences(realm, &request.host), request.now)?,
        };
        let claims = fields.get("claims");
        if claims.is_some_and(|text| serde_json::from_str::<Map<String, Value>>(text).is_err()) {
            return Err(Refusal::malformed("The claims are not a JSON object."));
        }
        let strength = self.strength(proof, client_id, request.now)?;
        let client_info = fields.get("client_info") == Some("1");
        let confirmation = confirmation(fields.get("token_type"), fields.get("req_cnf"))?;
        let asked = Asked { scope: fields.get("scope"), claims, client_info, strength, chain: None, confirmation };
        let (session, asked) = match kind {
            "authorization_code" => self.code(realm, client_id, fields, asked, request.now)?,
            "refresh_token" => self.refresh(realm, client_id, fields, asked)?,
            DEVICE => (self.poll(realm, client_id, fields, request.now)?, Asked { scope: None, ..asked }),
            "password" => {
                if matches!(realm.tenant(), Some("common" | "consumers")) {
                    return Err(Refusal::not_over_common());
                }
                let user = self.desk.user(fields.need("username")?)?;
                user.check(Some(fields.need("password")?))?;
                let user = user.object_id.clone();
                (self.session(&user, client_id, realm, fields, request.now)?, asked)
            }
            "user_fic" => (self.federated(realm, client_id, fields, request.now)?, asked),
            ON_BEHALF => (self.on_behalf(realm, client_id, fields, request.now)?, asked),
            _ => {
                let given = fields.need("assertion")?;
                let user = self.check_saml(given, kind == SAML2, request.now)?;
                (self.session(&user, client_id, realm, fields, request.now)?, asked)
            }
        };
        let refresh = fields.get("refresh_token").filter(|_| kind == "refresh_token");
        let answer = self.issue(&session, &asked, &request.host, request.now)?;
        if let (true, Some(token)) = (self.desk.rotates, refresh.and_then(|name| self.desk.refresh.get_mut(name))) {
            token.spent = true;
        }
        if kind == DEVICE {
            self.redeemed(fields);
        }
        Ok(answer)
    }

    /// A session that no browser made.
    fn session(
        &self,
        user: &str,
        client_id: &str,
        realm: &Realm,
        fields: &Fields,
        now: u64,
    ) -> Result<Session, Refusal> {
        Ok(Session {
            user: user.to_owned(),
            client_id: client_id.to_owned(),
            realm: self.desk.user(user)?.realm(realm)?,
            scope: fields.need("scope")?.to_owned(),
            nonce: None,
            auth_time: now,
            tells_auth_time: false,
            strong: false,
            claims: None,
        })
    }

    fn code<'a>(
        &mut self,
        realm: &Realm,
        client_id: &str,
        fields: &Fields,
        asked: Asked<'a>,
        now: u64,
    ) -> Result<(Session, Asked<'a>), Refusal> {
        let given = fields.need("code")?;
        let code = self.desk.codes.get(given).ok_or(Refusal::grant_value("code"))?.clone();
        if code.session.client_id != client_id || !serves(realm, &code.session.realm) {
            return Err(Refusal::grant_value("code"));
        }
        if let Some(chain) = code.chain {
            // RFC 6749 s4.1.2: what came of a code that is used twice should end.
            self.desk.revoke_chain(chain);
            return Err(Refusal::code_used());
        }
        if code.end <= now {
            return Err(Refusal::code_expired());
        }
        if fields.get("redirect_uri") != Some(code.redirect_uri.as_str()) {
            return Err(Refusal::reply_address());
        }
        match (code.challenge.as_deref(), fields.get("code_verifier")) {
            (None, None) => {}
            (Some(challenge), Some(verifier)) if is_verifier(verifier) => {
                let made = Base64UrlUnpadded::encode_string(digest(&SHA256, verifier.as_bytes()).as_ref());
                if made != challenge {
                    return Err(Refusal::verifier());
                }
            }
            _ => return Err(Refusal::verifier()),
        }
        if let Some(scope) = asked.scope {
            let before: Vec<&str> = code.session.scope.split(' ').collect();
            if scope.split(' ').any(|name| !name.is_empty() && !before.contains(&name)) {
                return Err(Refusal::scope(scope));
            }
        }
        let chain = self.next_chain();
        if let Some(code) = self.desk.codes.get_mut(given) {
            code.chain = Some(chain);
        }
        let offline = asked.scope.unwrap_or(&code.session.scope).split(' ').any(|name| name == "offline_access");
        Ok((code.session, Asked { chain: offline.then_some(chain), ..asked }))
    }

    fn refresh<'a>(
        &mut self,
        realm: &Realm,
        client_id: &str,
        fields: &Fields,
        asked: Asked<'a>,
    ) -> Result<(Session, Asked<'a>), Refusal> {
        let token: Refresh =
            self.desk.refresh.get(fields.need("refresh_token")?).ok_or(Refusal::grant_value("refresh_token"))?.clone();
        let mut session = token.session;
        if session.client_id != client_id {
            let family = |id: &str| self.applications.iter().any(|app| app.client_id == id && app.family);
            if !(family(&session.client_id) && family(client_id)) {
                return Err(Refusal::grant_value("refresh_token").suberror("client_mismatch"));
            }
            client_id.clone_into(&mut session.client_id);
        }
        if let Some(end) = token.revoked {
            return Err(end.refusal());
        }
        if token.spent {
            self.desk.revoke_chain(token.chain);
            return Err(Refusal::revoked().suberror("bad_token"));
        }
        if !serves(realm, &session.realm) {
            // Entra takes refresh tokens in any tenant of the user.
            session.realm = self.desk.user(&session.user)?.realm(realm)?;
        }
        Ok((session, Asked { chain: Some(token.chain), ..asked }))
    }

    /// The assertion is a token of ours for this client, about a user.
    fn on_behalf(&self, realm: &Realm, client_id: &str, fields: &Fields, now: u64) -> Result<Session, Refusal> {
        if fields.need("requested_token_use")? != "on_behalf_of" {
            return Err(Refusal::malformed("The requested_token_use is not 'on_behalf_of'."));
        }
        let claims = self.own_token(fields.need("assertion")?, now)?;
        let text = |name: &str| claims.get(name).and_then(Value::as_str);
        if ![Some(client_id), Some(&format!("api://{client_id}"))].contains(&text("aud")) {
            return Err(Refusal::assertion(500_131, "The audience of the assertion is not this application."));
        }
        let (Some(user), Some(_)) = (text("preferred_username"), text("scp")) else {
            return Err(Refusal::assertion(7_000_114, "The assertion is not an access token of a user."));
        };
        let user = self.desk.user(user)?.object_id.clone();
        self.session(&user, client_id, realm, fields, now)
    }

    /// The assertion is a token of ours that this application got for itself.
    fn federated(&self, realm: &Realm, client_id: &str, fields: &Fields, now: u64) -> Result<Session, Refusal> {
        let claims = self.own_token(fields.need("user_federated_identity_credential")?, now)?;
        let text = |name: &str| claims.get(name).and_then(Value::as_str);
        let audience = text("aud").is_some_and(|aud| aud == client_id || aud.starts_with("api://AzureADTokenExchange"));
        if !audience || text("azp") != Some(client_id) || text("scp").is_some() {
            return Err(Refusal::assertion(700_231, "The credential is not one of this application for exchange."));
        }
        let name = match (fields.get("user_id"), fields.get("username")) {
            (Some(name), None) | (None, Some(name)) => name,
            _ => return Err(Refusal::malformed("There must be one of 'user_id' and 'username'.")),
        };
        let user = self.desk.user(name)?.object_id.clone();
        self.session(&user, client_id, realm, fields, now)
    }

    /// The claims of a token that we signed and that counts still.
    fn own_token(&self, token: &str, now: u64) -> Result<Map<String, Value>, Refusal> {
        let bad = Refusal::assertion(50_013, "The assertion failed signature validation.");
        let claims = self.keys.verify(token).ok_or(bad)?;
        match claims.get("exp").and_then(Value::as_u64) {
            Some(end) if end > now => Ok(claims),
            _ => Err(Refusal::assertion(500_133, "The assertion is not within its valid time range.")),
        }
    }
}

pub(crate) const DEVICE: &str = "urn:ietf:params:oauth:grant-type:device_code";
const ON_BEHALF: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
const SAML1: &str = "urn:ietf:params:oauth:grant-type:saml1_1-bearer";
const SAML2: &str = "urn:ietf:params:oauth:grant-type:saml2-bearer";

/// The tenant, where the service is that of one.
pub(crate) fn concrete(realm: &Realm) -> Option<&str> {
    realm.tenant().filter(|name| !crate::realm::is_for_many(name))
}

/// Whether what was given by `own` can be redeemed there: at itself, and at `common` and the like.
pub(crate) fn serves(there: &Realm, own: &Realm) -> bool {
    there == own || there.tenant().is_some_and(crate::realm::is_for_many) && own.tenant().is_some()
}

/// RFC 7636 s4.1.
fn is_verifier(text: &str) -> bool {
    (43..=128).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~".contains(&b))
}
