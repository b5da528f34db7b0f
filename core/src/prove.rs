//! A proof for one request, whoever holds the key: a signed HTTP request (SHR) or a DPoP proof (RFC 9449 s4), as a machine.

use core::{fmt, mem};

use crate::error::{Config, Error};
use crate::flow::{Answer, Ask, Cx, Flow, Input, Step};
use crate::pop::dpop::{self, Proof};
use crate::pop::shr::{self, SignedRequest};
use crate::pop::{PopKey, Signed};
use crate::secret::Secret;

/// Makes a proof. With a key in memory it is done in its first step; for a key that the host holds it asks once,
/// [`Ask::Sign`]. It asks no server.
///
/// ```
/// # #[cfg(feature = "es256")] {
/// # use sansal::{Client, Flow, Secret, Store, time::{Clock, Millis, UnixTime}, pop::PopKey};
/// # struct Dice(u8);
/// # impl sansal::entropy::Entropy for Dice {
/// #     fn fill(&mut self, out: &mut [u8]) -> Result<(), sansal::entropy::NoEntropy> { self.0 += 1; out.fill(self.0); Ok(()) }
/// # }
/// # let mut dice = Dice(3);
/// # let key = PopKey::generate(&mut dice)?;
/// # let client = Client::builder("app").build()?;
/// # let store = Store::new(&mut dice)?;
/// use sansal::flow::{Cx, Input, Step};
/// use sansal::prove::Prove;
/// let request = sansal::PopAuthScheme::new("GET", "https://api.example/me", "nonce")?;
/// let token = Secret::from("an access token that is bound to the key");
/// let mut prove = Prove::signed_request(request.request(), &token, &key);
/// # let clock = Clock { mono: Millis(0), wall: Some(UnixTime(1_700_000_000)) };
/// let step = prove.step(&mut Cx { client: &client, store: &store, clock, entropy: &mut dice }, Input::Start)?;
/// let Step::Done(shr) = step else { panic!("the key is in memory") };
/// println!("Authorization: PoP {}", shr.expose());
/// # }
/// # Ok::<(), sansal::Error>(())
/// ```
#[cfg_attr(feature = "fuzzing", derive(Clone))]
pub struct Prove<'a> {
    what: What<'a>,
    key: &'a PopKey,
    state: State,
}

#[derive(Clone, Copy)]
enum What<'a> {
    SignedRequest(SignedRequest<'a>, &'a Secret),
    Dpop(Proof<'a>),
}

#[cfg_attr(feature = "fuzzing", derive(Clone))]
enum State {
    Begin,
    Signing(Secret),
    Spent,
}

impl<'a> Prove<'a> {
    /// The SHR for this request and this token: what stands behind `Authorization: PoP`. Entra's profile takes a random
    /// nonce where the resource gave none.
    pub fn signed_request(request: SignedRequest<'a>, access_token: &'a Secret, key: &'a PopKey) -> Self {
        Self { what: What::SignedRequest(request, access_token), key, state: State::Begin }
    }

    /// The DPoP proof for this request: the value of its `DPoP` header.
    pub fn dpop(proof: Proof<'a>, key: &'a PopKey) -> Self {
        Self { what: What::Dpop(proof), key, state: State::Begin }
    }

    fn complete(&self, input: &Secret, signature: &[u8]) -> Secret {
        match self.what {
            What::SignedRequest(..) => shr::complete(input, signature),
            What::Dpop(_) => dpop::complete(input, signature),
        }
    }
}

impl Flow for Prove<'_> {
    type Output = Secret;

    /// # Errors
    /// [`Config::ClockUnknown`]; [`Config::HttpMethod`] and [`Config::ResourceAddress`] for a request that cannot be
    /// proved; [`Error::NoEntropy`]; [`Error::Unanswered`] when the host cannot sign.
    fn step(&mut self, cx: &mut Cx<'_>, input: Input<'_>) -> Result<Step<Secret>, Error> {
        match (mem::replace(&mut self.state, State::Spent), input) {
            (State::Begin, Input::Start) => {
                let now = cx.clock.wall.ok_or(Config::ClockUnknown)?;
                let input = match &self.what {
                    What::SignedRequest(request, token) => shr::prepare(request, token, self.key, now, cx.entropy)?,
                    What::Dpop(proof) => dpop::prepare(proof, self.key, now, cx.entropy)?,
                };
                match self.key.sign(input.expose().as_bytes(), cx.entropy)? {
                    Signed::Here(signature) => Ok(Step::Done(self.complete(&input, &signature))),
                    Signed::Elsewhere(name) => {
                        let message = input.expose().as_bytes().to_vec();
                        self.state = State::Signing(input);
                        Ok(Step::Ask(Ask::Sign { key: name.clone(), alg: self.key.alg(), message }))
                    }
                }
            }
            (State::Signing(input), Input::Answer(Answer::Signature(signature))) => {
                Ok(Step::Done(self.complete(&input, signature)))
            }
            (State::Signing(_), Input::Answer(Answer::Failed(why))) => Err(Error::Unanswered { ask: "signature", why }),
            _ => Err(Error::OutOfTurn),
        }
    }
}

/// The kind and the key: a request is personal, and what is signed holds the token.
impl fmt::Debug for Prove<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.what {
            What::SignedRequest(..) => "signed request",
            What::Dpop(_) => "DPoP",
        };
        write!(f, "Prove({kind}, {:?})", self.key)
    }
}

#[cfg(feature = "es256")]
#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::Client;
    use crate::entropy::{Entropy, NoEntropy};
    use crate::error::AskError;
    use crate::jose::Compact;
    use crate::key::{Algorithm, KeyName};
    use crate::store::Store;
    use crate::time::{Clock, Millis, UnixTime};
    use alloc::format;

    const NOW: UnixTime = UnixTime(1_700_000_000);

    struct Counting(u8);
    impl Entropy for Counting {
        fn fill(&mut self, out: &mut [u8]) -> Result<(), NoEntropy> {
            for byte in out {
                self.0 = self.0.wrapping_add(41);
                *byte = self.0;
            }
            Ok(())
        }
    }

    fn step(prove: &mut Prove<'_>, wall: Option<UnixTime>, input: Input<'_>) -> Result<Step<Secret>, Error> {
        let client = Client::builder("app").build().unwrap();
        let store = Store::new(&mut Counting(0)).unwrap();
        let clock = Clock { mono: Millis(0), wall };
        prove.step(&mut Cx { client: &client, store: &store, clock, entropy: &mut Counting(7) }, input)
    }

    fn request(method: &str) -> SignedRequest<'_> {
        let profile = shr::Profile::Entra { client_claims: None };
        SignedRequest { method, url: "https://r.example/a", nonce: None, profile }
    }

    fn proof<'a>(token: &'a Secret) -> Proof<'a> {
        Proof { method: "GET", url: "https://r.example/a", access_token: Some(token.expose()), nonce: Some("n") }
    }

    #[test]
    fn a_key_elsewhere_signs_what_a_key_in_memory_would() {
        let ours = PopKey::es256(&[7; 32]).unwrap();
        let name = KeyName("box".into());
        let theirs = PopKey::external(name.clone(), Algorithm::Es256, ours.jwk()).unwrap();
        let token = Secret::from("planted-token");
        let both = |key| [Prove::signed_request(request("GET"), &token, key), Prove::dpop(proof(&token), key)];
        for (mut here, mut elsewhere) in both(&ours).into_iter().zip(both(&theirs)) {
            let Step::Done(ready) = step(&mut here, Some(NOW), Input::Start).unwrap() else { panic!() };
            let Step::Ask(Ask::Sign { key, alg, message }) = step(&mut elsewhere, Some(NOW), Input::Start).unwrap()
            else {
                panic!()
            };
            assert_eq!((key, alg), (name.clone(), Algorithm::Es256));
            assert_eq!(message, Compact::parse(ready.expose()).unwrap().signing_input().as_bytes());
            let signature = Input::Answer(Answer::Signature(b"sig"));
            let Step::Done(signed) = step(&mut elsewhere, None, signature).unwrap() else { panic!() };
            assert_eq!(signed.expose().as_bytes(), [&message, &b".c2ln"[..]].concat());
            for spent in [&mut here, &mut elsewhere] {
                assert!(matches!(step(spent, Some(NOW), Input::Start), Err(Error::OutOfTurn)));
                assert!(!format!("{spent:?}").contains("planted"));
            }
        }
    }

    #[test]
    fn what_cannot_be_proved() {
        let key = PopKey::external(KeyName("box".into()), Algorithm::Es256, PopKey::es256(&[7; 32]).unwrap().jwk());
        let (key, token) = (key.unwrap(), Secret::from("t"));
        let mut clockless = Prove::dpop(proof(&token), &key);
        assert!(matches!(step(&mut clockless, None, Input::Start), Err(Error::Config(Config::ClockUnknown))));
        let mut bad = Prove::signed_request(request("G T"), &token, &key);
        assert!(matches!(step(&mut bad, Some(NOW), Input::Start), Err(Error::Config(Config::HttpMethod))));
        for (answer, ask) in [
            (Input::Answer(Answer::Failed(AskError::TimedOut)), Some(AskError::TimedOut)),
            (Input::Answer(Answer::Shown), None),
            (Input::Woke, None),
        ] {
            let mut prove = Prove::dpop(proof(&token), &key);
            assert!(matches!(step(&mut prove, Some(NOW), Input::Start), Ok(Step::Ask(_))));
            match (step(&mut prove, Some(NOW), answer), ask) {
                (Err(Error::Unanswered { ask: "signature", why }), Some(expected)) => assert_eq!(why, expected),
                (Err(Error::OutOfTurn), None) => {}
                (other, _) => panic!("{other:?}"),
            }
        }
    }
}
