//! A federated user of a public and of a confidential client, against a simulated federation server that reads WS-Trust by itself.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test")]

use std::sync::{Arc, Mutex};

use sansal::Error;
use sansal::base64::url_decode;
use sansal::error::{Config, HostRule, SendError};
use sansal::http::{Request, form};
use sansal_sim::{CONTOSO_TENANT, Federation, Platform, TrustVersion};
use sansal_std::{ConfidentialClient, HttpClient, HttpResponse, PublicClient};

const USER: &str = "Ada@contoso.com";
const PASSWORD: &str = "p&w<\"'>]]> \u{e9}\r\n";

/// The identity platform and the federation server behind one HTTP client.
struct World {
    platform: Mutex<Platform>,
    federation: Federation,
    asked: Mutex<Vec<String>>,
}

impl World {
    fn new(versions: &[TrustVersion]) -> Arc<Self> {
        let federation = Federation::new("contoso.com", "fs.contoso.com").user(USER, PASSWORD).versions(versions);
        Arc::new(Self { platform: Mutex::new(Platform::contoso(1).unwrap()), federation, asked: Mutex::default() })
    }

    fn asked(&self) -> Vec<String> {
        std::mem::take(&mut *self.asked.lock().unwrap())
    }

    /// As Entra: an assertion of the federation server becomes a token for the user it names.
    fn redeem(request: &sansal_sim::Request) -> sansal_sim::Response {
        let fields = form::decode(std::str::from_utf8(&request.body).unwrap()).unwrap();
        let field = |name: &str| fields.iter().find(|(own, _)| own == name).map(|(_, value)| value.expose().to_owned());
        assert_eq!(field("grant_type").unwrap(), "urn:ietf:params:oauth:grant-type:saml1_1-bearer");
        assert_eq!(field("scope").unwrap(), "User.Read offline_access openid profile");
        assert!(fields.iter().all(|(_, value)| !value.expose().contains("p&w")), "the password is not for Entra");
        let assertion = url_decode(&field("assertion").unwrap()).unwrap();
        assert_eq!(String::from_utf8(assertion).unwrap(), assertion_for(USER));
        let body = r#"{"token_type":"Bearer","expires_in":3600,"access_token":"at"}"#;
        sansal_sim::Response::text(200, "application/json", body)
    }
}

fn assertion_for(user: &str) -> String {
    format!(
        "<saml:Assertion xmlns:saml=\"urn:oasis:names:tc:SAML:1.0:assertion\"> {user} \u{e9} &amp;\n</saml:Assertion>"
    )
}

impl HttpClient for World {
    fn send(&self, request: &Request) -> Result<HttpResponse, SendError> {
        let mut headers: Vec<(String, String)> =
            request.headers.iter().map(|h| (h.name.to_owned(), h.value.expose().to_owned())).collect();
        headers.extend(request.body.iter().map(|body| ("Content-Type".to_owned(), body.content_type.to_owned())));
        let now = sansal_std::Time::now(&sansal_std::SystemClock).wall.unwrap().0;
        let received = sansal_sim::Request {
            headers,
            method: request.method.as_str().to_owned(),
            body: request.body.as_ref().map(|body| body.bytes.expose().to_vec()).unwrap_or_default(),
            ..sansal_sim::Request::get(request.endpoint.host(), &request.endpoint.request_target(), now)
        };
        let path = received.path().to_owned();
        self.asked.lock().unwrap().push(path.clone());
        let response = if received.host == self.federation.host() {
            self.federation.answer(&received, |user| Some(assertion_for(user)))
        } else if let Some(name) = path.strip_prefix("/common/userrealm/") {
            sansal_sim::Response::json(200, &self.federation.realm(name).unwrap_or_default())
        } else if path.ends_with("/token") {
            Self::redeem(&received)
        } else {
            self.platform.lock().unwrap().answer(&received)
        };
        let mut answer = HttpResponse::new(response.status, response.body);
        answer.headers = response.headers;
        Ok(answer)
    }
}

fn authority() -> String {
    format!("https://login.microsoftonline.com/{CONTOSO_TENANT}")
}

#[test]
fn federated_users_get_tokens() {
    let versions = [
        (vec![TrustVersion::V2005, TrustVersion::V13], "/adfs/services/trust/13/usernamemixed"),
        (vec![TrustVersion::V2005], "/adfs/services/trust/2005/usernamemixed"),
    ];
    for (spoken, endpoint) in versions {
        let world = World::new(&spoken);
        let public =
            PublicClient::builder("app").authority(&authority()).http_client(world.clone()).allow_federation().build();
        let token = public.unwrap().acquire_token_by_username_password(USER, PASSWORD, &["User.Read"]).unwrap();
        assert_eq!(token.access_token(), "at");
        let asked = world.asked();
        assert_eq!(&asked[asked.len() - 3..asked.len() - 1], ["/adfs/services/trust/mex", endpoint]);
        // The host alone, by name.
        let confidential = ConfidentialClient::builder("app").secret("s").authority(&authority());
        let confidential = confidential.http_client(world.clone()).allow_host("fs.contoso.com").build().unwrap();
        confidential.acquire_token_by_username_password(USER, PASSWORD, &["User.Read"]).unwrap();
    }
}

#[test]
fn wrong_passwords_and_hosts() {
    let world = World::new(&[TrustVersion::V13]);
    let builder = || PublicClient::builder("app").authority(&authority()).http_client(world.clone());
    let client = builder().allow_federation().build().unwrap();
    for (user, password) in [(USER, "wrong"), ("eve@contoso.com", PASSWORD)] {
        match client.acquire_token_by_username_password(user, password, &["User.Read"]).unwrap_err() {
            Error::Fault(fault) => assert!(fault.is_failed_authentication(), "{fault}"),
            other => panic!("{other:?}"),
        }
    }
    client.acquire_token_by_username_password(USER, PASSWORD, &["User.Read"]).unwrap();
    world.asked();
    let client = builder().build().unwrap();
    let error = client.acquire_token_by_username_password(USER, PASSWORD, &["User.Read"]).unwrap_err();
    let refused = matches!(&error, Error::Config(Config::HostNotAllowed { rule: HostRule::Federation, .. }));
    assert!(refused, "{error:?}");
    assert!(world.asked().iter().all(|path| !path.starts_with("/adfs")), "nobody is told anything");
}
