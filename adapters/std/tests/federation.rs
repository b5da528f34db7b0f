//! Users by name and password over real HTTP: managed by the simulated platform, and federated with a server that reads WS-Trust by itself.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

use sansal::Error;
use sansal::client::{InstanceDiscovery, Retries};
use sansal::error::{Config, HostRule};
use sansal_sim::{
    CONTOSO_CLIENT, CONTOSO_PASSWORD, CONTOSO_PUBLIC, CONTOSO_SECRET, CONTOSO_TENANT, CONTOSO_USER, Fault, Federation,
    On, Platform, Server, TrustVersion, User, What,
};
use sansal_std::{ConfidentialClient, ProxyChoice, PublicClient, PublicClientBuilder, UreqClient};

const USER: &str = "Ada+1@fabrikam.com";
const PASSWORD: &str = "p&w<\"'>]]> \u{e9}\r\n";
const SCOPES: &[&str] = &["https://graph.microsoft.com/.default"];
const SAML2: &str = "urn:oasis:names:tc:SAML:2.0:assertion";

fn server(federation: Federation) -> Server {
    let user = User::new(CONTOSO_TENANT, "b0b0b000-1111-4222-8333-000000000009", USER, "not this one");
    let platform = Platform::contoso(1).unwrap().user(user).federation(federation.user(USER, PASSWORD));
    Server::start(platform).unwrap()
}

fn federation() -> Federation {
    Federation::new("fabrikam.com")
}

fn http(server: &Server) -> UreqClient {
    let roots = UreqClient::builder().extra_roots(server.ca_pem().as_bytes()).only_extra_roots();
    roots.proxy(ProxyChoice::None).build().unwrap()
}

fn public(server: &Server) -> PublicClientBuilder {
    PublicClient::builder(CONTOSO_PUBLIC)
        .authority(&server.authority(CONTOSO_TENANT))
        .instance_discovery(InstanceDiscovery::Off)
        .http_client(http(server))
}

#[test]
fn users_get_tokens() {
    let federations = [
        federation(),
        federation().versions(&[TrustVersion::V2005]),
        federation().versions(&[TrustVersion::V2005]).token_type(SAML2),
        federation().token_type(SAML2),
    ];
    for federation in federations {
        let server = server(federation);
        let client = public(&server).allow_federation().build().unwrap();
        let token = client.acquire_token_by_username_password(USER, PASSWORD, SCOPES).unwrap();
        assert!(token.access_token().len() > 20);
        for (on, times) in [(On::UserRealm, 1), (On::Federation, 2)] {
            assert_eq!(server.platform().asked(&on), times);
        }
        assert!(server.platform().asked(&On::Grant("password".into())) == 0);
        let accounts = client.get_accounts(None).unwrap();
        assert_eq!(accounts.first().and_then(|account| account.username()), Some(USER));
        // Entra's own users never meet the federation server.
        let builder = ConfidentialClient::builder(CONTOSO_CLIENT).secret(CONTOSO_SECRET);
        let builder = builder.authority(&server.authority(CONTOSO_TENANT)).http_client(http(&server));
        let client = builder.instance_discovery(InstanceDiscovery::Off).build().unwrap();
        client.acquire_token_by_username_password(CONTOSO_USER, CONTOSO_PASSWORD, SCOPES).unwrap();
        assert_eq!(server.platform().asked(&On::Federation), 2);
    }
}

#[test]
fn wrong_passwords() {
    let server = server(federation());
    let client = public(&server).allow_federation().build().unwrap();
    for (user, password) in [(USER, "wrong"), ("eve@fabrikam.com", PASSWORD)] {
        match client.acquire_token_by_username_password(user, password, SCOPES).unwrap_err() {
            Error::Fault(fault) => assert!(fault.is_failed_authentication(), "{fault}"),
            other => panic!("{other:?}"),
        }
    }
    match client.acquire_token_by_username_password(CONTOSO_USER, "wrong", SCOPES).unwrap_err() {
        Error::Refused(refusal) => assert_eq!(refusal.error(), "invalid_grant"),
        other => panic!("{other:?}"),
    }
    assert_eq!(client.with_token_cache(|cache| cache.to_json().len()), 2, "nothing is stored: {{}}");
    client.acquire_token_by_username_password(USER, PASSWORD, SCOPES).unwrap();
}

#[test]
fn no_password_leaves_unless_allowed() {
    let server = server(federation());
    let client = public(&server).build().unwrap();
    let error = client.acquire_token_by_username_password(USER, PASSWORD, SCOPES).unwrap_err();
    let refused = matches!(&error, Error::Config(Config::HostNotAllowed { rule: HostRule::Federation, .. }));
    assert!(refused, "{error:?}");
    assert_eq!(server.platform().asked(&On::Federation), 0);
}

/// Faults of the realm and of the federation server over real HTTP: an error, nothing stored, no password shown.
#[test]
fn faults() {
    let faults = || {
        [
            What::Status { code: 429, retry_after: Some(7) },
            What::Status { code: 503, retry_after: None },
            What::CutBody,
            What::Html,
            What::Garbage,
            What::Oversize(10_000_000),
            What::Reset,
        ]
    };
    let mut count = 0;
    for on in [On::UserRealm, On::Federation] {
        for what in faults() {
            let server = server(federation());
            server.platform().fault(Fault::new(on.clone(), what.clone()).always());
            let mut settings = sansal::client::Settings { retries: Retries::NONE, ..Default::default() };
            (settings.allow_federation, settings.instance_discovery) = (true, InstanceDiscovery::Off);
            let client = public(&server).settings(settings).build().unwrap();
            let error = client.acquire_token_by_username_password(USER, PASSWORD, SCOPES).unwrap_err();
            assert!(!format!("{error} {error:?}").contains("p&w"), "{error}");
            let expected =
                matches!(error, Error::Throttled { .. } | Error::BadResponse { .. } | Error::Unreachable { .. });
            assert!(expected, "{what:?} on {on:?}: {error:?}");
            assert_eq!(server.platform().asked(&On::Token), 0, "{what:?} on {on:?}");
            assert_eq!(client.with_token_cache(|cache| cache.to_json().len()), 2);
            count += 1;
        }
    }
    println!("user name and password over HTTP: {count} faults");
}
