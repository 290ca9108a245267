//! The fingerprint that ties a certificate to its history.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// So much is read at a time, in bytes.
const BUFFER_BYTES: usize = 1 << 20;

/// Which file a certificate is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fingerprint {
    /// SHA-256 of the file as it stands, in hexadecimal digits.
    pub sha256: String,
    /// The size of the file, in bytes.
    pub bytes: u64,
}

impl Fingerprint {
    /// Reads a file through. It must be a plain one: nothing else can be read a second time.
    pub fn of(path: &Path) -> io::Result<Self> {
        let mut file = File::open(path)?;
        if !file.metadata()?.is_file() {
            return Err(io::Error::other("only of a plain file can there be a certificate"));
        }
        let mut hash = Sha256::new();
        let mut buffer = vec![0; BUFFER_BYTES];
        let mut bytes = 0;
        loop {
            match file.read(&mut buffer)? {
                0 => break,
                count => {
                    hash.update(&buffer[..count]);
                    bytes += count as u64;
                }
            }
        }
        let digits = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(Self { sha256: digits, bytes })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_sha_256_of_the_bytes() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "abc").unwrap();
        let fingerprint = Fingerprint::of(file.path()).unwrap();
        // The example of FIPS 180-4.
        assert_eq!(
            fingerprint.sha256,
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
        assert_eq!(fingerprint.bytes, 3);
        assert!(Fingerprint::of(file.path().parent().unwrap()).is_err());
    }
}
