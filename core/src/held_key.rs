//! A key that the host holds becomes one that proofs can be made with: its public half is asked for, or a new one is made.

use core::mem;

use crate::error::{AskError, Error};
use crate::flow::{Answer, Ask, Cx, Flow, Input, Step};
use crate::jose::Jwk;
use crate::key::{Algorithm, KeyName};
use crate::pop::PopKey;

/// Asks the host for a key: [`Ask::PublicKey`], after [`Ask::GenerateKey`] for a new one. The private half stays where it is;
/// the host says how it is [protected](PopKey::protection).
#[cfg_attr(feature = "fuzzing", derive(Clone))]
#[derive(Debug)]
pub struct HeldKey {
    alg: Algorithm,
    state: State,
}

#[cfg_attr(feature = "fuzzing", derive(Clone))]
#[derive(Debug)]
enum State {
    New,
    Named(KeyName),
    Generating,
    Fetching(KeyName),
    Spent,
}

impl HeldKey {
    /// The key that the host holds under this name.
    pub fn named(name: KeyName, alg: Algorithm) -> Self {
        Self { alg, state: State::Named(name) }
    }

    /// A new key, which the host makes and keeps.
    pub fn generated(alg: Algorithm) -> Self {
        Self { alg, state: State::New }
    }

    fn fetch(&mut self, name: KeyName) -> Step<PopKey> {
        self.state = State::Fetching(name.clone());
        Step::Ask(Ask::PublicKey { key: name })
    }
}

impl Flow for HeldKey {
    type Output = PopKey;

    /// # Errors
    /// [`Error::Unanswered`] when the host has no such key, or brings what is no public key;
    /// [`Error::Config`] when the key is not for the algorithm.
    fn step(&mut self, _: &mut Cx<'_>, input: Input<'_>) -> Result<Step<PopKey>, Error> {
        match (mem::replace(&mut self.state, State::Spent), input) {
            (State::New, Input::Start) => {
                self.state = State::Generating;
                Ok(Step::Ask(Ask::GenerateKey { alg: self.alg }))
            }
            (State::Named(name), Input::Start) | (State::Generating, Input::Answer(Answer::Generated(name))) => {
                Ok(self.fetch(name))
            }
            (State::Fetching(name), Input::Answer(Answer::PublicKey { jwk, protection })) => {
                let public = Jwk::parse(jwk.as_bytes())
                    .map_err(|_| Error::Unanswered { ask: "public key", why: AskError::Failed })?;
                Ok(Step::Done(PopKey::external(name, self.alg, &public)?.protected_by(protection)))
            }
            (State::Generating, Input::Answer(Answer::Failed(why))) => Err(Error::Unanswered { ask: "new key", why }),
            (State::Fetching(_), Input::Answer(Answer::Failed(why))) => {
                Err(Error::Unanswered { ask: "public key", why })
            }
            _ => Err(Error::OutOfTurn),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::Client;
    use crate::entropy::{Entropy, NoEntropy};
    use crate::error::{CertError, Config};
    use crate::key::KeyProtection;
    use crate::store::Store;
    use crate::time::{Clock, Millis};
    use alloc::string::ToString;

    struct Zeros;
    impl Entropy for Zeros {
        fn fill(&mut self, out: &mut [u8]) -> Result<(), NoEntropy> {
            out.fill(0);
            Ok(())
        }
    }

    fn step(machine: &mut HeldKey, input: Input<'_>) -> Result<Step<PopKey>, Error> {
        let client = Client::builder("app").build().unwrap();
        let store = Store::new(&mut Zeros).unwrap();
        let clock = Clock { mono: Millis(0), wall: None };
        machine.step(&mut Cx { client: &client, store: &store, clock, entropy: &mut Zeros }, input)
    }

    #[test]
    fn by_name_and_new() {
        let (name, jwk) = (KeyName("box".into()), Jwk::p256([1; 32], [2; 32]));
        let text = jwk.to_string();
        let new = {
            let mut machine = HeldKey::generated(Algorithm::Es256);
            let asked = step(&mut machine, Input::Start);
            assert!(matches!(asked, Ok(Step::Ask(Ask::GenerateKey { alg: Algorithm::Es256 }))));
            let asked = step(&mut machine, Input::Answer(Answer::Generated(name.clone())));
            assert!(matches!(asked, Ok(Step::Ask(Ask::PublicKey { key })) if key == name));
            machine
        };
        let named = {
            let mut machine = HeldKey::named(name.clone(), Algorithm::Es256);
            let asked = step(&mut machine, Input::Start);
            assert!(matches!(asked, Ok(Step::Ask(Ask::PublicKey { key })) if key == name));
            machine
        };
        for mut machine in [new, named] {
            let answer = Answer::PublicKey { jwk: &text, protection: KeyProtection::OsStore };
            let Ok(Step::Done(key)) = step(&mut machine, Input::Answer(answer)) else { panic!() };
            assert_eq!((key.name(), key.jwk()), (Some(&name), &jwk));
            assert_eq!((key.alg(), key.protection()), (Algorithm::Es256, Some(KeyProtection::OsStore)));
            assert!(matches!(step(&mut machine, Input::Start), Err(Error::OutOfTurn)));
        }
    }

    #[test]
    fn what_does_not_become_a_key() {
        let text = Jwk::p256([1; 32], [2; 32]).to_string();
        let fetching = || {
            let mut machine = HeldKey::named(KeyName("box".into()), Algorithm::Rs256);
            assert!(step(&mut machine, Input::Start).is_ok());
            machine
        };
        let public = |jwk| Input::Answer(Answer::PublicKey { jwk, protection: KeyProtection::Software });
        let got = step(&mut fetching(), public(&text)).unwrap_err();
        assert!(matches!(got, Error::Config(Config::Certificate(CertError::WrongAlgorithm))), "{got}");
        let got = step(&mut fetching(), public("{}")).unwrap_err();
        assert!(matches!(got, Error::Unanswered { ask: "public key", why: AskError::Failed }), "{got}");
        let got = step(&mut fetching(), Input::Answer(Answer::Failed(AskError::NotFound))).unwrap_err();
        assert!(matches!(got, Error::Unanswered { ask: "public key", why: AskError::NotFound }), "{got}");
        assert!(matches!(step(&mut fetching(), Input::Woke), Err(Error::OutOfTurn)));
        let mut machine = HeldKey::generated(Algorithm::Es256);
        assert!(step(&mut machine, Input::Start).is_ok());
        let got = step(&mut machine, Input::Answer(Answer::Failed(AskError::NotSupported))).unwrap_err();
        assert!(matches!(got, Error::Unanswered { ask: "new key", why: AskError::NotSupported }), "{got}");
    }
}
