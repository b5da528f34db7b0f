//! The authorization endpoint (RFC 6749 s3.1, RFC 7636, RFC 9207, OpenID Connect Core s3.1.2): checks, signs in, answers by redirect or form.

use base64ct::{Base64UrlUnpadded, Encoding};
use serde_json::{Map, Value, json};

use crate::grants::concrete;
use crate::message::{Request, Response, encode, form};
use crate::page;
use crate::platform::Platform;
use crate::realm::Realm;
use crate::refusal::Refusal;
use crate::session::{Code, Next, Session};

/// The cookie of a browser in which somebody has signed in.
const COOKIE: &str = "sansal-sim";
const PROMPTS: [&str; 5] = ["none", "login", "consent", "select_account", "create"];

/// A request that may be answered by redirect.
struct Asked {
    client_id: String,
    redirect_uri: String,
    parameters: Vec<(String, String)>,
    by_form: bool,
}

impl Asked {
    fn get(&self, name: &str) -> Option<&str> {
        find(&self.parameters, name)
    }

    fn prompt(&self) -> &str {
        self.get("prompt").unwrap_or_default()
    }

    /// Sends the browser back.
    fn back(&self, answer: &[(&str, &str)], issuer: &str) -> Response {
        let state = self.get("state").map(|state| ("state", state));
        let all: Vec<(&str, &str)> = answer.iter().copied().chain(state).chain([("iss", issuer)]).collect();
        if self.by_form {
            return page::form_post(&self.redirect_uri, &all);
        }
        let separator = if self.redirect_uri.contains('?') { '&' } else { '?' };
        let address = format!("{}{separator}{}", self.redirect_uri, encode(&all));
        Response::text(302, "text/plain", "").header("Location", &address).header("Cache-Control", "no-store")
    }

    fn refuse(&self, refusal: &Refusal, issuer: &str) -> Response {
        let (error, text) = refusal.redirected();
        self.back(&[("error", error), ("error_description", &text)], issuer)
    }

    /// What does not depend on who signs in.
    fn check(&self, public: bool) -> Result<(), Refusal> {
        match self.get("response_type") {
            Some("code") => {}
            None => return Err(Refusal::missing("response_type")),
            Some(other) => return Err(Refusal::response_type(other)),
        }
        if self.get("response_mode").is_some_and(|mode| !["query", "form_post"].contains(&mode)) {
            return Err(Refusal::malformed("The response_mode is neither 'query' nor 'form_post'."));
        }
        match (self.get("code_challenge"), self.get("code_challenge_method")) {
            (None, None) if !public => {}
            // 32 bytes of SHA-256 (RFC 7636 s4.2).
            (Some(hash), Some("S256")) if Base64UrlUnpadded::decode_vec(hash).is_ok_and(|bytes| bytes.len() == 32) => {}
            _ => return Err(Refusal::pkce_required()),
        }
        let prompts: Vec<&str> = self.prompt().split(' ').filter(|one| !one.is_empty()).collect();
        if prompts.iter().any(|one| !PROMPTS.contains(one)) || prompts.contains(&"none") && prompts.len() > 1 {
            return Err(Refusal::malformed("The prompt is not supported."));
        }
        if self.get("max_age").is_some_and(|seconds| seconds.parse::<u64>().is_err()) {
            return Err(Refusal::malformed("The max_age is not a number."));
        }
        let object = |text: &str| serde_json::from_str::<Map<String, Value>>(text).is_ok();
        if self.get("claims").is_some_and(|text| !object(text)) {
            return Err(Refusal::malformed("The claims are not a JSON object."));
        }
        Ok(())
    }
}

impl Platform {
    pub(crate) fn authorize(&mut self, realm: &Realm, request: &Request) -> Response {
        let parameters = request.query();
        let (asked, public) = match self.recipient(realm, parameters) {
            Ok(found) => found,
            Err(refusal) => return page::error(&refusal.redirected().1),
        };
        let issuer = realm.issuer(&request.host);
        let scope = asked.get("scope").ok_or(Refusal::missing("scope"));
        let checked =
            asked.check(public).and(scope).and_then(|scope| crate::issue::grant(&self.resources, scope).map(|_| ()));
        if let Err(refusal) = checked {
            return asked.refuse(&refusal, &issuer);
        }
        let hint = asked.get("login_hint").unwrap_or_default().to_owned();
        match self.desk.next.pop_front() {
            Some(Next::Deny(error)) => {
                return asked.back(&[("error", &error), ("error_description", "scripted by a test")], &issuer);
            }
            Some(Next::Approve(user)) => return self.approved(&asked, realm, &user, request.now, request),
            None => {}
        }
        if request.method == "POST" {
            let fields = form(request).unwrap_or_default();
            let get = |name: &str| find(&fields, name).unwrap_or_default();
            if get("decision") == "deny" {
                let text = "AADSTS65004: User declined to consent to access the app.";
                return asked.back(&[("error", "access_denied"), ("error_description", text)], &issuer);
            }
            let user = self.desk.user(get("username"));
            let user = user.and_then(|user| user.check(Some(get("password"))).map(|()| user.object_id.clone()));
            return match user {
                Err(refusal) => page::login(&asked.client_id, get("username"), &refusal.redirected().1),
                Ok(user) => {
                    let cookie = self.chance.uuid();
                    self.desk.browsers.insert(cookie.clone(), (user.clone(), request.now));
                    let answer = self.approved(&asked, realm, &user, request.now, request);
                    let value = format!("{COOKIE}={cookie}; Path=/; Secure; HttpOnly; SameSite=Lax");
                    answer.header("Set-Cookie", &value)
                }
            };
        }
        let max_age = asked.get("max_age").and_then(|seconds| seconds.parse::<u64>().ok());
        let young = |at: u64| max_age.is_none_or(|span| at.saturating_add(span) >= request.now);
        let browser = self.browser(request).filter(|(_, at)| young(*at));
        let silent = ["", "none"].contains(&asked.prompt());
        let hinted = |user: &str| hint.is_empty() || self.desk.user(user).is_ok_and(|user| user.is_called(&hint));
        match browser {
            Some((user, at)) if silent && hinted(&user) => self.approved(&asked, realm, &user, at, request),
            _ if asked.prompt() == "none" => asked.refuse(&Refusal::login_required(), &issuer),
            _ => page::login(&asked.client_id, &hint, ""),
        }
    }

    /// Who gets the answer, if anybody may: an unknown client or address gets none (RFC 6749 s4.1.2.1).
    fn recipient(&self, realm: &Realm, parameters: Vec<(String, String)>) -> Result<(Asked, bool), Refusal> {
        let mut names: Vec<&str> = parameters.iter().map(|(name, _)| name.as_str()).collect();
        names.sort_unstable();
        if names.windows(2).any(|pair| matches!(pair, [a, b] if a == b)) {
            return Err(Refusal::malformed("A parameter is there twice."));
        }
        let need = |name: &'static str| find(&parameters, name).ok_or_else(|| Refusal::missing(name));
        let client_id = need("client_id")?.to_owned();
        let known = self.applications.iter().find(|app| app.client_id == client_id && app.is_in(concrete(realm)));
        let app = known.ok_or_else(|| Refusal::unknown_application(&client_id))?;
        let redirect_uri = need("redirect_uri")?.to_owned();
        if !app.redirects_to(&redirect_uri) {
            return Err(Refusal::redirect_uri());
        }
        let by_form = find(&parameters, "response_mode") == Some("form_post");
        Ok((Asked { client_id, redirect_uri, parameters, by_form }, app.public))
    }

    /// Who has signed in in this browser, and when.
    fn browser(&self, request: &Request) -> Option<(String, u64)> {
        let mut cookies = request.header("cookie")?.split(';').filter_map(|one| one.trim().split_once('='));
        let (_, value) = cookies.find(|(name, _)| *name == COOKIE)?;
        self.desk.browsers.get(value).cloned()
    }

    /// The code for a user who has signed in at that time.
    fn approved(&mut self, asked: &Asked, realm: &Realm, name: &str, at: u64, request: &Request) -> Response {
        let user = match self.desk.user(name) {
            Ok(user) => user.clone(),
            Err(refusal) => return page::login(&asked.client_id, name, &refusal.redirected().1),
        };
        let realm = match user.check(None).and_then(|()| user.realm(realm)) {
            Ok(realm) => realm,
            Err(refusal) => return page::login(&asked.client_id, name, &refusal.redirected().1),
        };
        let issuer = realm.issuer(&request.host);
        if asked.prompt() == "none" && self.desk.wants_consent(&user, &asked.client_id) {
            let text = "AADSTS65001: The user has not consented to use the application.";
            return asked.back(&[("error", "consent_required"), ("error_description", text)], &issuer);
        }
        self.desk.consent(&user.object_id, &asked.client_id);
        let code = format!("1.{}.{}", self.chance.uuid(), self.chance.uuid());
        let owned = |name: &str| asked.get(name).map(str::to_owned);
        let session = Session {
            user: user.object_id.clone(),
            client_id: asked.client_id.clone(),
            realm,
            scope: owned("scope").unwrap_or_default(),
            nonce: owned("nonce"),
            auth_time: at,
            tells_auth_time: asked.get("max_age").is_some(),
            strong: true,
            claims: owned("claims"),
        };
        let stored = Code {
            session,
            redirect_uri: asked.redirect_uri.clone(),
            challenge: owned("code_challenge"),
            end: request.now.saturating_add(self.desk.code_lifetime),
            chain: None,
        };
        self.desk.codes.insert(code.clone(), stored);
        let info = json!({ "uid": user.object_id, "utid": user.tenant }).to_string();
        let info = Base64UrlUnpadded::encode_string(info.as_bytes());
        let session_state = self.chance.uuid();
        let mut answer = vec![("code", code.as_str()), ("session_state", &session_state)];
        if asked.get("client_info") == Some("1") {
            answer.push(("client_info", &info));
        }
        asked.back(&answer, &issuer)
    }
}

fn find<'a>(parameters: &'a [(String, String)], name: &str) -> Option<&'a str> {
    parameters.iter().find(|(own, value)| own == name && !value.is_empty()).map(|(_, value)| value.as_str())
}
