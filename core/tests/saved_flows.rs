//! An authorization code flow in a user's session, sealed: altered at every byte it is refused (issue 4, must-show 5).

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test"
)]
#![cfg(feature = "sealed")]

use sansal::client::Client;
use sansal::entropy::{Entropy, NoEntropy};
use sansal::error::Config;
use sansal::flow::{Clock, Cx, Flow, Input, Millis, Response, Step};
use sansal::sealed::{Saved, Sealer};
use sansal::time::UnixTime;
use sansal::{AuthCodeFlow, AuthorizationRequest, Error, Store};

const TENANT: &str = "https://login.microsoftonline.com/contoso";
const CALLBACK: &str = "https://app.example/callback";

struct Bytes(u8);
impl Entropy for Bytes {
    fn fill(&mut self, out: &mut [u8]) -> Result<(), NoEntropy> {
        for byte in out {
            self.0 = self.0.wrapping_add(37);
            *byte = self.0;
        }
        Ok(())
    }
}

fn client(id: &str, authority: &str) -> Client {
    Client::builder(id).authority(authority).build().unwrap()
}

fn begun(client: &Client) -> AuthCodeFlow {
    let mut entropy = Bytes(0);
    let mut store = Store::new(&mut entropy).unwrap();
    let request = AuthorizationRequest::new(&["User.Read"], CALLBACK).unwrap().max_age(60);
    let mut machine = request.initiate();
    let metadata = format!(
        r#"{{"token_endpoint":"{TENANT}/oauth2/v2.0/token","authorization_endpoint":"{TENANT}/oauth2/v2.0/authorize"}}"#
    );
    let clock = Clock::new(Millis(5_000), UnixTime(1_700_000_000));
    let mut input = Input::Start;
    for _ in 0..10 {
        let step = machine.step(&mut Cx { client, store: &store, clock, entropy: &mut entropy }, input).unwrap();
        input = match step {
            Step::Done(flow) => return flow,
            Step::Send(_) => Input::Response(Response { status: 200, headers: &[], body: metadata.as_bytes() }),
            Step::Commit(changes) => {
                store.apply(changes);
                Input::Committed(Ok(()))
            }
            Step::Load(_) => Input::Loaded,
            Step::Wait(_) | Step::Ask(_) => panic!("nothing is asked here"),
        };
    }
    panic!("it does not end")
}

fn restore(sealer: &Sealer, client: &Client, text: &str) -> Result<AuthCodeFlow, Error> {
    AuthCodeFlow::restore(sealer, client, CALLBACK, text)
}

#[test]
fn a_sealed_session_is_the_same_or_none() {
    let (sealer, ours) = (Sealer::new(&[7; 32]), client("app", TENANT));
    let flow = begun(&ours);
    let text = flow.seal(&sealer, &ours, &mut Bytes(9)).unwrap();
    assert!(!text.contains(flow.state().expose()));
    let same = restore(&sealer, &ours, &text).unwrap();
    assert!(same.to_members() == flow.to_members());
    let refused = |sealer: &Sealer, client: &Client, text: &str| {
        assert!(matches!(restore(sealer, client, text), Err(Error::Config(Config::SavedFlow(_)))), "{text}");
    };
    let mut count = 0;
    for at in 0..text.len() {
        refused(&sealer, &ours, &text[..at]);
        for bit in 0..7 {
            let mut bytes = text.clone().into_bytes();
            bytes[at] ^= 1 << bit;
            refused(&sealer, &ours, core::str::from_utf8(&bytes).unwrap());
            count += 1;
        }
    }
    refused(&Sealer::new(&[8; 32]), &ours, &text);
    refused(&sealer, &client("other", TENANT), &text);
    refused(&sealer, &client("app", "https://login.microsoftonline.com/fabrikam"), &text);
    refused(&sealer, &client("app", "https://login.microsoftonline.us/contoso"), &text);
    // Sealed as another kind of flow, by the same application.
    let other = sealer.seal(Saved::DeviceFlow, &ours, &flow.to_members(), &mut Bytes(9)).unwrap();
    refused(&sealer, &ours, &other);
    // And even a holder of the key cannot send the browser's answer to another address.
    let members = sealer.open(Saved::AuthCodeFlow, &ours, &text).unwrap();
    let elsewhere = AuthCodeFlow::from_members(&ours, "https://evil.example/callback", &members);
    assert!(matches!(elsewhere, Err(Error::Config(Config::SavedFlow("redirect_uri")))));
    println!("{count} alterations of {} bytes", text.len());
}
