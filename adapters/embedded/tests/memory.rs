//! How much heap a flow takes on a device, counted (issue: bounded memory). A server that is only text takes none of it.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::arithmetic_side_effects, reason = "a test")]

use std::cell::Cell;
use std::convert::Infallible;

use embedded_io::{ErrorType, Read, Write};
use sansal::client::{Client, Credential};
use sansal::entropy::{Entropy, NoEntropy};
use sansal::error::{AskError, Error, SendError};
use sansal::time::{Millis, UnixTime};
use sansal::{ClientCredentials, DeviceCode, Flow, Token};
use sansal_embedded::{Asks, Blocking, BlockingConnect, DeviceCodePrompt, Driver, Peer, Time};

const NOW: UnixTime = UnixTime(1_700_000_000);

/// Gives out these answers, one for each connection.
struct Canned<'a>(&'a [String], Cell<usize>);

struct Answer<'a>(&'a [u8]);

impl<'a> BlockingConnect for Canned<'a> {
    type Stream = Answer<'a>;

    fn connect(&mut self, _: &Peer<'_>) -> Result<Answer<'a>, SendError> {
        let next = self.1.replace(self.1.get() + 1);
        Ok(Answer(self.0[next].as_bytes()))
    }
}

impl ErrorType for Answer<'_> {
    type Error = Infallible;
}

impl Read for Answer<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Infallible> {
        let n = self.0.len().min(buffer.len());
        let (now, later) = self.0.split_at(n);
        buffer[..n].copy_from_slice(now);
        self.0 = later;
        Ok(n)
    }
}

impl Write for Answer<'_> {
    fn write(&mut self, bytes: &[u8]) -> Result<usize, Infallible> {
        Ok(bytes.len())
    }

    fn flush(&mut self) -> Result<(), Infallible> {
        Ok(())
    }
}

#[derive(Default)]
struct Clock(Cell<u64>);

impl Time for Clock {
    fn mono(&self) -> Millis {
        Millis(self.0.get())
    }

    fn wall(&self) -> Option<UnixTime> {
        Some(NOW)
    }

    async fn sleep(&self, span: Millis) {
        self.0.set(self.0.get() + span.0);
    }
}

struct Sevens;

impl Entropy for Sevens {
    fn fill(&mut self, out: &mut [u8]) -> Result<(), NoEntropy> {
        out.fill(7);
        Ok(())
    }
}

struct Display;

impl Asks for Display {
    fn show_code(&mut self, _: &DeviceCodePrompt<'_>) -> Result<(), AskError> {
        Ok(())
    }
}

fn answer(status: u16, body: &str) -> String {
    let length = body.len();
    format!(
        "HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    )
}

/// The members that Entra's metadata has.
fn metadata() -> String {
    let at = "https://login.microsoftonline.com/0fc5a5e4-0000-4000-8000-000000000001";
    let host = "https://login.microsoftonline.com";
    answer(
        200,
        &format!(
            r#"{{"token_endpoint":"{at}/oauth2/v2.0/token","token_endpoint_auth_methods_supported":["client_secret_post",
            "private_key_jwt","client_secret_basic","self_signed_tls_client_auth"],"jwks_uri":"{at}/discovery/v2.0/keys",
            "response_modes_supported":["query","fragment","form_post"],"subject_types_supported":["pairwise"],
            "id_token_signing_alg_values_supported":["RS256"],"response_types_supported":["code","id_token","code id_token",
            "id_token token"],"scopes_supported":["openid","profile","email","offline_access"],"issuer":"{at}/v2.0",
            "request_uri_parameter_supported":false,"userinfo_endpoint":"https://graph.microsoft.com/oidc/userinfo",
            "authorization_endpoint":"{at}/oauth2/v2.0/authorize","device_authorization_endpoint":"{at}/oauth2/v2.0/devicecode",
            "http_logout_supported":true,"frontchannel_logout_supported":true,"end_session_endpoint":"{at}/oauth2/v2.0/logout",
            "claims_supported":["sub","iss","cloud_instance_name","cloud_instance_host_name","cloud_graph_host_name",
            "msgraph_host","aud","exp","iat","auth_time","acr","nonce","preferred_username","name","tid","ver","at_hash",
            "c_hash","email"],"kerberos_endpoint":"{at}/kerberos","mtls_endpoint_aliases":{{"token_endpoint":
            "https://mtlsauth.microsoft.com/0fc5a5e4-0000-4000-8000-000000000001/oauth2/v2.0/token"}},
            "tls_client_certificate_bound_access_tokens":true,"tenant_region_scope":"EU","cloud_instance_name":"{host}",
            "cloud_graph_host_name":"graph.windows.net","msgraph_host":"graph.microsoft.com","rbac_url":"https://pas.windows.net"}}"#
        ),
    )
}

fn code() -> String {
    let (code, message) =
        ("D".repeat(250), "To sign in, open the page https://microsoft.com/devicelogin and enter CFH7ZKQ2L");
    answer(
        200,
        &format!(
            r#"{{"user_code":"CFH7ZKQ2L","device_code":"{code}","verification_uri":"https://microsoft.com/devicelogin",
            "expires_in":900,"interval":5,"message":"{message}"}}"#
        ),
    )
}

fn pending() -> String {
    let words = "AADSTS70016: OAuth 2.0 device flow error. Authorization is pending. Continue polling.";
    answer(
        400,
        &format!(
            r#"{{"error":"authorization_pending","error_description":"{words}","error_codes":[70016],
            "timestamp":"2026-11-23 05:00:00Z","trace_id":"00000000-0000-4000-8000-000000000002",
            "correlation_id":"00000000-0000-4000-8000-000000000003","error_uri":"https://login.microsoftonline.com/error?code=70016"}}"#
        ),
    )
}

/// A user's tokens: an access token of 4 KiB, a refresh token and an ID token of 1 KiB; or the application's token alone.
fn tokens(is_user: bool) -> String {
    let token = "A".repeat(4096);
    let base64 = |text: &str| sansal::base64::url_encode(text.as_bytes());
    let claims = format!(
        r#"{{"aud":"the-application","iss":"https://login.microsoftonline.com/0fc5a5e4-0000-4000-8000-000000000001/v2.0",
        "iat":{now},"nbf":{now},"exp":{},"name":"Ada Lovelace","oid":"00000000-0000-4000-8000-000000000004",
        "preferred_username":"ada@contoso.example","rh":"{}","sub":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "tid":"0fc5a5e4-0000-4000-8000-000000000001","uti":"AAAAAAAAAAAAAAAAAAAAAA","ver":"2.0"}}"#,
        NOW.0 + 3600,
        "r".repeat(60),
        now = NOW.0,
    );
    let id_token =
        format!("{}.{}.{}", base64(r#"{"typ":"JWT","alg":"RS256","kid":"k"}"#), base64(&claims), "s".repeat(342));
    let info =
        base64(r#"{"uid":"00000000-0000-4000-8000-000000000004","utid":"0fc5a5e4-0000-4000-8000-000000000001"}"#);
    let user = format!(
        r#","scope":"User.Read openid profile offline_access","refresh_token":"{}","id_token":"{id_token}","client_info":"{info}""#,
        "R".repeat(1024)
    );
    let user = if is_user { user.as_str() } else { "" };
    answer(
        200,
        &format!(r#"{{"token_type":"Bearer","expires_in":3600,"ext_expires_in":3600,"access_token":"{token}"{user}}}"#),
    )
}

/// Runs a flow; gives the most bytes that were taken at once, and checks that all were given back.
fn peak<F: Flow<Output = Token>>(
    answers: &[String],
    credential: Credential,
    flow: impl Fn(&Client) -> Result<F, Error>,
) -> u64 {
    let mut buffer = [0; 8192];
    let counted = allocation_counter::measure(|| {
        let client = Client::builder("the-application")
            .authority("https://login.microsoftonline.com/0fc5a5e4-0000-4000-8000-000000000001")
            .credential(credential.clone())
            .build()
            .unwrap();
        let connect = Blocking(Canned(answers, Cell::new(0)));
        let mut driver = Driver::new(connect, Clock::default(), Sevens, &mut buffer, NOW).unwrap().asks(Display);
        let token = driver.drive_blocking(&client, flow(&client).unwrap()).unwrap();
        assert_eq!(token.access_token().len(), 4096);
    });
    assert_eq!((counted.count_current, counted.bytes_current), (0, 0));
    counted.bytes_max
}

#[test]
fn peaks() {
    let device = [metadata(), code(), pending(), tokens(true)];
    let device = peak(&device, Credential::None, |client| DeviceCode::new(&["User.Read"])?.flow(client));
    let secret = [metadata(), tokens(false)];
    let scope = ["https://graph.microsoft.com/.default"];
    let secret = peak(&secret, Credential::secret("a secret"), |client| ClientCredentials::new(&scope)?.flow(client));
    println!("heap at the most: device code {device} bytes, client secret {secret} bytes");
    // Pointers and lengths are twice as long here as on a device, and the tests of the whole workspace have features that no
    // device has: the cache's index takes 5 KB, in two tables (the smaller of them 180 bytes at the least). What a device takes is in
    // the firmware's tables.
    assert!(device <= 33_500, "{device}");
    assert!(secret <= 17_700, "{secret}");
}
