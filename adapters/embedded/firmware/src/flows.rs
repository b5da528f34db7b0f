//! What the firmware does in each mode.

use board::println;
use core::fmt;

#[cfg(any(feature = "secret", feature = "certificate"))]
use sansal::ClientCredentials;
#[cfg(feature = "device-code")]
use sansal::DeviceCode;
use sansal::client::{Client, Credential};
use sansal::entropy::NoEntropy;
use sansal::{Error, Flow, Token};
use sansal_embedded::{Asks, Driver};

use crate::device::{BUILT, Chance, Clock, Console};
use crate::link;

/// The directory of the simulated platform, and the applications that are registered there. All of this is public.
#[cfg(feature = "tls")]
pub(crate) const TENANT: &str = "7e3a0b52-1d4f-4c8e-9b6a-2f5d8c1e4a70";
#[cfg(any(feature = "secret", feature = "certificate"))]
const DAEMON: &str = "c0ffee00-aaaa-4bbb-8ccc-123456789abc";
#[cfg(feature = "secret")]
const SECRET: &str = "contoso-public-test-secret";
#[cfg(feature = "certificate")]
const KEY: &str = include_str!("../../../sim/keys/client.key.pem");
#[cfg(feature = "certificate")]
const CERTIFICATE: &str = include_str!("../../../sim/keys/client.cert.pem");
#[cfg(feature = "device-code")]
const THING: &str = "c0ffee00-bbbb-4ccc-8ddd-123456789abc";

/// Each request and each response, head and body, has to fit in here.
pub(crate) const BUFFER: usize = 8 * 1024;

/// Why there is no token.
pub(crate) enum Failed {
    /// The board lacks this.
    Board(&'static str),
    /// The flow ended without one.
    Flow(Error),
}

impl From<Error> for Failed {
    fn from(why: Error) -> Self {
        Self::Flow(why)
    }
}

impl From<NoEntropy> for Failed {
    fn from(why: NoEntropy) -> Self {
        Self::Flow(why.into())
    }
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Board(what) => f.write_str(what),
            Self::Flow(why) => why.fmt(f),
        }
    }
}

/// Runs this mode to its end, and says what is left on the heap; whether there was a token.
pub(crate) fn run(mode: &str) -> bool {
    let Some(wire) = link::wire() else {
        println!("error no network");
        return false;
    };
    // What the network takes once and keeps is no leak.
    let before = board::heap().used;
    let done = choose(mode, &wire).map_err(|why| println!("error {why}"));
    println!("heap-left {}", board::heap().used.saturating_sub(before));
    done.is_ok()
}

/// Each mode keeps its own frame on the stack, so that the others do not count as its.
fn choose(mode: &str, wire: &link::Wire) -> Result<(), Failed> {
    match mode {
        #[cfg(feature = "secret")]
        "secret" => own_token(wire, Credential::secret(SECRET)),
        #[cfg(feature = "provider")]
        "provider" => of_a_provider(wire),
        #[cfg(feature = "certificate")]
        "certificate" => own_token(wire, Credential::certificate(KEY.as_bytes(), None, None, Some(CERTIFICATE))?),
        #[cfg(feature = "device-code")]
        "device-code" => device_code(wire),
        #[cfg(feature = "superloop")]
        "superloop" => superloop(wire),
        #[cfg(feature = "bound")]
        "bound" => bound(wire),
        #[cfg(feature = "bound-in-memory")]
        "bound-in-memory" => bound_in_memory(wire),
        #[cfg(feature = "reboot")]
        "reboot" => crate::flash::reboot(wire),
        _ => Err(Failed::Board("no such mode")),
    }
}

/// A client of the platform, which the firmware reaches only there.
pub(crate) fn client(id: &str, credential: Credential) -> Result<Client, Failed> {
    let issuer = link::issuer().ok_or(Failed::Board("no port"))?;
    Ok(Client::builder(id).oidc_authority(&issuer).credential(credential).build()?)
}

/// Says that there is a token. It is the simulated platform's: a device has better things to do than to print its tokens.
pub(crate) fn show(token: &Token) {
    println!("token {} {}", token.token_type(), token.access_token());
}

/// Drives one flow on the spot, with a driver that forgets everything afterwards.
fn drive<F: Flow>(wire: &link::Wire, client: &Client, asks: impl Asks, flow: F) -> Result<F::Output, Failed> {
    let connector = link::connector(wire).ok_or(Failed::Board("no root certificate"))?;
    drive_over(connector, client, asks, flow)
}

fn drive_over<F: Flow>(
    connector: link::Connector<'_>,
    client: &Client,
    asks: impl Asks,
    flow: F,
) -> Result<F::Output, Failed> {
    let mut buffer = [0; BUFFER];
    let mut driver = Driver::new(connector, Clock { rests: true }, Chance, &mut buffer, BUILT)?.asks(asks);
    Ok(driver.drive_blocking(client, flow)?)
}

#[cfg(any(feature = "secret", feature = "certificate"))]
#[inline(never)]
fn own_token(wire: &link::Wire, credential: Credential) -> Result<(), Failed> {
    let client = client(DAEMON, credential)?;
    let flow = ClientCredentials::new(&["https://graph.microsoft.com/.default"])?.flow(&client)?;
    show(&drive(wire, &client, Console, flow)?);
    Ok(())
}

/// A token of any OpenID provider: the file `provider` has its issuer, the client, its secret and the scope, a line each.
/// Without a secret the files `client.der` and `client.key` have a certificate and its key.
#[cfg(feature = "provider")]
#[inline(never)]
fn of_a_provider(wire: &link::Wire) -> Result<(), Failed> {
    use sansal::client::ClientCertificate;
    use sha2::Digest;

    let file = board::read(c"provider").ok_or(Failed::Board("no provider"))?;
    let mut lines = core::str::from_utf8(&file).unwrap_or_default().lines();
    let mut line = || lines.next().ok_or(Failed::Board("the provider lacks a line"));
    let (issuer, id, secret, scope) = (line()?, line()?, line()?, line()?);
    let client = Client::builder(id).oidc_authority(issuer);
    let mut connector = link::connector(wire).ok_or(Failed::Board("no root certificate"))?;
    // Without a secret it is the certificate of the connection that proves who this is (RFC 8705 s2).
    let client = if secret.is_empty() {
        let (certificate, key) = link::client_certificate().ok_or(Failed::Board("no client certificate"))?;
        let name = sansal::key::KeyName("fuses".into());
        let thumbprint = sha2::Sha256::digest(&certificate).into();
        connector = connector.client_certificate(name.clone(), alloc::vec![certificate], key);
        client.credential(Credential::Tls).client_certificate(ClientCertificate::new(name, thumbprint)).build()?
    } else {
        client.credential(Credential::secret(secret)).build()?
    };
    let flow = ClientCredentials::new(&[scope])?.flow(&client)?;
    show(&drive_over(connector, &client, Console, flow)?);
    Ok(())
}

#[cfg(feature = "device-code")]
pub(crate) fn thing() -> Result<Client, Failed> {
    client(THING, Credential::None)
}

#[cfg(feature = "device-code")]
#[inline(never)]
fn device_code(wire: &link::Wire) -> Result<(), Failed> {
    let client = thing()?;
    let flow = DeviceCode::new(&["User.Read"])?.flow(&client)?;
    show(&drive(wire, &client, Console, flow)?);
    Ok(())
}

/// Each turn of the loop does what can be done without waiting, and then what else there is to do.
#[cfg(feature = "superloop")]
#[inline(never)]
fn superloop(wire: &link::Wire) -> Result<(), Failed> {
    let client = thing()?;
    let flow = DeviceCode::new(&["User.Read"])?.flow(&client)?;
    let connector = link::polled(wire).ok_or(Failed::Board("no root certificate"))?;
    let mut buffer = [0; BUFFER];
    let mut driver = Driver::new(connector, Clock { rests: false }, Chance, &mut buffer, BUILT)?.asks(Console);
    let mut acquisition = sansal_embedded::Superloop::new(driver.drive(&client, flow));
    let mut turns = 0_u32;
    let token = loop {
        if let Some(done) = acquisition.poll() {
            break done?;
        }
        turns = turns.saturating_add(1);
        board::idle();
    };
    println!("turns {turns}");
    show(&token);
    Ok(())
}

/// A key that is made in the secure element and stays there; a token for it; and a request to an API that is signed with it.
#[cfg(feature = "bound")]
#[inline(never)]
fn bound(wire: &link::Wire) -> Result<(), Failed> {
    use crate::element::Element;
    use crate::panel::Panel;
    use crate::simulated_element::SimulatedElement;
    use sansal::HeldKey;

    let client = thing()?;
    let mut panel = Panel { element: Element::new(SimulatedElement::new(board::random)) };
    if !crate::element::refusals(&mut panel.element) {
        return Err(Failed::Board("the element did what it must not"));
    }
    let key = drive(wire, &client, &mut panel, HeldKey::generated(sansal::key::Algorithm::Es256))?;
    println!("key {}", key.jwk().to_json());
    signed_request(wire, &client, &mut panel, &key)
}

/// The same with a key that is made and kept in memory.
#[cfg(feature = "bound-in-memory")]
#[inline(never)]
fn bound_in_memory(wire: &link::Wire) -> Result<(), Failed> {
    signed_request(wire, &thing()?, &mut Console, &sansal::pop::PopKey::generate(&mut Chance)?)
}

#[cfg(any(feature = "bound", feature = "bound-in-memory"))]
fn signed_request(
    wire: &link::Wire,
    client: &Client,
    asks: &mut impl Asks,
    key: &sansal::pop::PopKey,
) -> Result<(), Failed> {
    use sansal::{Binding, PopAuthScheme, Prove, Secret};

    let flow = DeviceCode::new(&["User.Read"])?.bound(&Binding::pop(key.jwk())).flow(client)?;
    let token = drive(wire, client, &mut *asks, flow)?;
    show(&token);
    let scheme = PopAuthScheme::new("GET", "https://graph.microsoft.com/v1.0/me", "nonce-of-the-api")
        .map_err(sansal::Error::from)?;
    let token = Secret::from(token.access_token());
    let proof = drive(wire, client, &mut *asks, Prove::signed_request(scheme.request(), &token, key))?;
    println!("proof {}", proof.expose());
    Ok(())
}
