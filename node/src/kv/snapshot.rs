//! The state as bytes: to be sent or kept, and to be compared.

use std::collections::BTreeMap;
use std::fmt;

use ring::digest::{SHA256, digest};

use super::Store;
use super::object::Object;
use super::session::Sessions;

/// The first byte of a snapshot.
const VERSION: u8 = 1;

/// Tells states apart.
///
/// The first 64 bits of the SHA-256 of a snapshot's bytes. Not a CRC: checksums are linear, so that two differences can cancel out, and 32 bits are few where
/// thousands of digests are compared. Whoever forges one has better ways to cheat, so 64 are enough.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Digest(pub u64);

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// Why bytes are no snapshot.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum RestoreError {
    /// Nothing, or another version.
    #[error("snapshot of version {0:?}, this is version {VERSION}")]
    Version(Option<u8>),
    /// Bytes that no snapshot has.
    #[error("malformed snapshot: {0}")]
    Malformed(postcard::Error),
    /// The same state is written in one way only, and this is another.
    #[error("a snapshot in another order")]
    NotCanonical,
}

impl Store {
    /// The whole state, sessions included. Equal states give equal bytes: every map is ordered, and postcard writes a value in one way.
    pub fn snapshot(&self) -> Vec<u8> {
        postcard::to_extend(&(&self.objects, &self.sessions), vec![VERSION])
            .expect("a state always serialises")
    }

    /// The state of a snapshot.
    pub fn restore(bytes: &[u8]) -> Result<Self, RestoreError> {
        let payload = match bytes.split_first() {
            Some((&VERSION, payload)) => payload,
            other => return Err(RestoreError::Version(other.map(|(version, _)| *version))),
        };
        let (objects, sessions): (BTreeMap<String, Object>, Sessions) =
            postcard::from_bytes(payload).map_err(RestoreError::Malformed)?;
        let store = Self { objects, sessions };
        // Trailing bytes, an unordered map, a number written longer than it must be.
        if store.snapshot() == bytes { Ok(store) } else { Err(RestoreError::NotCanonical) }
    }

    /// A digest of the whole state, sessions included.
    pub fn digest(&self) -> Digest {
        let hash = digest(&SHA256, &self.snapshot());
        let head = hash.as_ref().first_chunk().expect("SHA-256 has 32 bytes");
        Digest(u64::from_be_bytes(*head))
    }
}
