//! The token store of a device: all tokens in MSAL's schema, and the latest date, as one sealed value.

use alloc::vec::Vec;

use embedded_storage::nor_flash::NorFlash;
use sansal::cache::TokenCache;
use sansal::entropy::Entropy;
use sansal::error::CommitError;
use sansal::time::UnixTime;
use zeroize::Zeroizing;

use super::slots::FlashSlots;
use crate::tokens::{Remembered, TokenStore};

/// Tokens on flash. What does not fit into a slot is not saved, and serves until the next reset; the
/// [limits](sansal::Store::limits) of the store keep it small enough.
#[derive(Debug)]
pub struct FlashTokens<F, E>(pub FlashSlots<F, E>);

impl<F: NorFlash, E: Entropy> TokenStore for FlashTokens<F, E> {
    fn load(&mut self) -> Option<Remembered> {
        let content = self.0.load()?;
        let (latest, json) = content.split_first_chunk::<8>()?;
        let tokens = TokenCache::from_json(json).ok()?;
        Some(Remembered { tokens, latest: UnixTime(u64::from_le_bytes(*latest)) })
    }

    fn save(&mut self, tokens: &TokenCache, latest: UnixTime) -> Result<(), CommitError> {
        let json = tokens.to_json();
        let mut content = Zeroizing::new(Vec::with_capacity(json.len().saturating_add(8)));
        content.extend_from_slice(&latest.0.to_le_bytes());
        content.extend_from_slice(&json);
        self.0.save(&content)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flash::simulated::{Counting, Simulated};
    use crate::flash::{DeviceKey, Shared};
    use core::cell::RefCell;

    #[test]
    fn tokens_and_the_date_outlive_a_reset() {
        let flash = RefCell::new(Simulated::<4>::new(32));
        let tokens = |key: u8| {
            let key = DeviceKey::new(&[key; 32]);
            FlashTokens(FlashSlots::new(Shared(&flash), 0..2048, 2, key, "tokens", Counting(0)).unwrap())
        };
        assert!(tokens(1).load().is_none());
        let text = r#"{"RefreshToken":{"k":{"secret":"planted"}}}"#;
        let cache = TokenCache::from_json(text.as_bytes()).unwrap();
        assert_eq!(tokens(1).save(&cache, UnixTime(1_800_000_000)), Ok(()));
        let read = tokens(1).load().unwrap();
        assert_eq!((read.tokens.to_json().as_slice(), read.latest), (text.as_bytes(), UnixTime(1_800_000_000)));
        assert!(tokens(2).load().is_none(), "another device's key opens nothing");
        assert!(!flash.borrow().bytes.windows(7).any(|bytes| bytes == b"planted"));
        let long = alloc::format!(r#"{{"RefreshToken":{{"k":{{"secret":"{}"}}}}}}"#, "x".repeat(1024));
        let cache = TokenCache::from_json(long.as_bytes()).unwrap();
        assert_eq!(tokens(1).save(&cache, UnixTime(0)), Err(CommitError::NotWritten));
        assert_eq!(tokens(1).load().unwrap().latest, UnixTime(1_800_000_000));
    }
}
