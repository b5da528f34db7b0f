//! The token endpoint (RFC 6749 s3.2): which grant it is, who asks; and client credentials (s4.4) with their signed answer.

use base64ct::{Base64UrlUnpadded, Encoding};
use serde_json::{Map, Value, json};

use crate::assertion::{self, Verified};
use crate::directory::{Application, Resource, SecretCheck};
use crate::issue::confirmation;
use crate::message::{Request, Response, form};
use crate::platform::Platform;
use crate::realm::{Realm, cloud_of, is_for_many};
use crate::refusal::Refusal;

const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// How a client proved itself, as `azpacr` counts it.
pub(crate) enum Proof {
    /// A public client, which has nothing to prove.
    Nothing,
    Secret,
    Assertion(Verified),
}

/// The fields of a token request, each at most once.
pub(crate) struct Fields(Vec<(String, String)>);

impl Fields {
    pub(crate) fn of(request: &Request) -> Result<Self, Refusal> {
        let fields = form(request).ok_or(Refusal::malformed("The body is not a form."))?;
        let mut names: Vec<&str> = fields.iter().map(|(name, _)| name.as_str()).collect();
        names.sort_unstable();
        // RFC 6749 s3.2.
        if names.windows(2).any(|pair| matches!(pair, [a, b] if a == b)) {
            return Err(Refusal::malformed("A parameter is there twice."));
        }
        Ok(Self(fields))
    }

    /// RFC 6749 s3.2: a parameter without a value counts as absent.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(own, value)| own == name && !value.is_empty()).map(|(_, value)| value.as_str())
    }

    pub(crate) fn need(&self, name: &str) -> Result<&str, Refusal> {
        self.get(name).ok_or_else(|| Refusal::missing(name))
    }
}

impl Platform {
    pub(crate) fn token(&mut self, realm: &Realm, request: &Request) -> Result<Response, Refusal> {
        let fields = Fields::of(request)?;
        let grant_type = fields.need("grant_type")?;
        if grant_type != "client_credentials" {
            return self.user_grant(realm, &fields, request);
        }
        if realm.tenant().is_some_and(is_for_many) {
            return Err(Refusal::unknown_tenant(realm.tenant().unwrap_or_default()));
        }
        let client_id = fields.need("client_id")?;
        let tenant = realm.tenant();
        let known = self.applications.iter().find(|app| app.client_id == client_id && app.is_in(tenant));
        let app = known.ok_or_else(|| Refusal::unknown_application(client_id))?;
        let proof = authenticate(&fields, app, &audiences(realm, &request.host), request.now)?;
        let resource = find(&self.resources, fields.need("scope")?)?.clone();
        if let (Some(claims), None) = (&self.claims_challenge, fields.get("claims")) {
            return Err(Refusal::claims_wanted(claims));
        }
        let strength = self.strength(proof, client_id, request.now)?;
        let confirmation = confirmation(fields.get("token_type"), fields.get("req_cnf"))?;
        let token_type = if confirmation.is_some() { "pop" } else { "Bearer" };
        let mut claims = json!({
            "aud": resource.audience,
            "iss": realm.issuer(&request.host),
            "iat": request.now,
            "nbf": request.now,
            "exp": request.now.saturating_add(self.lifetime),
            "appid": client_id,
            "azp": client_id,
            "azpacr": strength,
            "sub": client_id,
            "roles": resource.roles,
            "uti": self.chance.uuid(),
            "ver": "2.0",
        });
        if let (Some(id), Some(members)) = (tenant, claims.as_object_mut()) {
            members.insert("tid".to_owned(), Value::from(id));
        }
        if let (Some(confirmation), Some(members)) = (confirmation, claims.as_object_mut()) {
            members.insert("cnf".to_owned(), confirmation);
        }
        let token = self.keys.sign(&claims).ok_or(Refusal::no_signature())?;
        self.issued = self.issued.saturating_add(1);
        let mut answer = Map::new();
        let mut set = |name: &str, value: Value| answer.insert(name.to_owned(), value);
        set("token_type", token_type.into());
        set("expires_in", self.lifetime.into());
        if tenant.is_some() {
            set("ext_expires_in", self.lifetime.into());
        }
        if let Some(seconds) = self.refresh_in {
            set("refresh_in", seconds.into());
        }
        if let (true, Some("1"), Some(id)) = (self.client_info, fields.get("client_info"), tenant) {
            let info = json!({ "uid": client_id, "utid": id }).to_string();
            set("client_info", Base64UrlUnpadded::encode_string(info.as_bytes()).into());
        }
        set("access_token", token.into());
        // RFC 6749 s5.1.
        Ok(Response::json(200, &answer.into()).header("Cache-Control", "no-store").header("Pragma", "no-cache"))
    }

    /// `azpacr`; remembers an assertion.
    pub(crate) fn strength(&mut self, proof: Proof, client_id: &str, now: u64) -> Result<&'static str, Refusal> {
        match proof {
            Proof::Nothing => Ok("0"),
            Proof::Secret => Ok("1"),
            Proof::Assertion(verified) => self.remember(client_id, verified, now).map(|()| "2"),
        }
    }

    /// RFC 7523 s3, item 7: a server may refuse a `jti` that it has seen.
    fn remember(&mut self, client_id: &str, verified: Verified, now: u64) -> Result<(), Refusal> {
        if !self.refuse_replays {
            return Ok(());
        }
        let id = verified.id.ok_or(Refusal::malformed_assertion("it has no 'jti'"))?;
        self.seen.retain(|_, end| *end > now);
        match self.seen.insert((client_id.to_owned(), id), verified.end) {
            None => Ok(()),
            Some(_) => Err(Refusal::malformed_assertion("its 'jti' has been used before")),
        }
    }
}

pub(crate) fn authenticate(
    fields: &Fields,
    app: &Application,
    audiences: &[String],
    now: u64,
) -> Result<Proof, Refusal> {
    match (fields.get("client_secret"), fields.get("client_assertion")) {
        // RFC 6749 s2.3: not more than one method in a request.
        (Some(_), Some(_)) => Err(Refusal::malformed("There are a secret and an assertion.")),
        (None, None) => Err(Refusal::no_credential()),
        (Some(secret), None) => match app.check_secret(secret, now) {
            SecretCheck::Good => Ok(Proof::Secret),
            SecretCheck::Expired => Err(Refusal::expired_secret()),
            SecretCheck::Wrong => Err(Refusal::wrong_secret()),
        },
        (None, Some(assertion)) => match fields.need("client_assertion_type")? {
            JWT_BEARER => assertion::verify(assertion, app, audiences, now).map(Proof::Assertion),
            _ => Err(Refusal::malformed("The client assertion type is not supported.")),
        },
    }
}

/// What may stand in `aud`: this endpoint or issuer, by the name under which it was asked or any other of its cloud.
pub(crate) fn audiences(realm: &Realm, host: &str) -> Vec<String> {
    let hosts = cloud_of(host).iter().copied().chain([host]);
    hosts.flat_map(|host| [realm.token_endpoint(host), realm.issuer(host)]).collect()
}

/// One known resource followed by `/.default`.
fn find<'a>(resources: &'a [Resource], scope: &str) -> Result<&'a Resource, Refusal> {
    let name = match scope.strip_suffix("/.default") {
        Some(name) if !scope.contains(' ') => name.trim_end_matches('/'),
        _ => return Err(Refusal::scope(scope)),
    };
    resources.iter().find(|own| own.identifier == name).ok_or_else(|| Refusal::unknown_resource(name))
}
