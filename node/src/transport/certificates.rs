//! An authority of one's own, and what a node must have of it.
//!
//! A directory of certificates holds `ca.pem`, and for each name `<name>.pem` and `<name>.key`. A node's certificate names it (as
//! a DNS name, so that whoever dials `n2` and reaches another fails the handshake), and peers are told apart by comparing
//! the certificate itself. An authority that is to sign again keeps its key in `ca.key`; that of a run is forgotten with the run.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, SystemTime};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::Error;
use crate::raft::NodeId;

/// An authority that signs certificates of nodes and clients.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    ca_pem: String,
    /// Until when what it signs is valid; without, longer than any clock that a fault sets.
    until: Option<SystemTime>,
}

impl Authority {
    /// A new authority with a new key. What it signs does not expire.
    pub fn new() -> Result<Self, Error> {
        let (params, key) = (Self::params()?, KeyPair::generate()?);
        let ca_pem = params.self_signed(&key)?.pem();
        Ok(Self { issuer: Issuer::new(params, key), ca_pem, until: None })
    }

    /// What all our authorities have in common: everything but the key.
    fn params() -> Result<CertificateParams, Error> {
        let mut params = CertificateParams::new(Vec::new())?;
        params.distinguished_name.push(DnType::CommonName, "faultline");
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        Ok(params)
    }

    /// The authority of a directory that keeps its key; a new one if there is none.
    ///
    /// # Errors
    ///
    /// If there is half of one: a certificate without its key cannot sign.
    pub fn of(dir: &Path) -> Result<Self, Error> {
        let (certificate, key) = (dir.join("ca.pem"), dir.join("ca.key"));
        if !certificate.exists() && !key.exists() {
            let authority = Self::new()?;
            write_secret(&key, &authority.issuer.key().serialize_pem())?;
            write(&certificate, &authority.ca_pem)?;
            return Ok(authority);
        }
        let (ca_pem, key_pem) = (read(&certificate)?, read(&key)?);
        let issuer = Issuer::new(Self::params()?, KeyPair::from_pem(&key_pem)?);
        Ok(Self { issuer, ca_pem, until: None })
    }

    /// What it signs from now on expires after so long.
    pub fn expiring(self, after: Duration) -> Self {
        Self { until: Some(SystemTime::now() + after), ..self }
    }

    /// Writes `ca.pem` and a certificate with key for each name into `dir`, which must exist.
    pub fn write(&self, dir: &Path, names: &[String]) -> Result<(), Error> {
        write(&dir.join("ca.pem"), &self.ca_pem)?;
        for name in names {
            let mut params = CertificateParams::new(vec![name.clone()])?;
            params.distinguished_name.push(DnType::CommonName, name.as_str());
            params.extended_key_usages =
                vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
            if let Some(until) = self.until {
                params.not_after = until.into();
            }
            let key = KeyPair::generate()?;
            let certificate = params.signed_by(&key, &self.issuer)?;
            write(&dir.join(format!("{name}.pem")), &certificate.pem())?;
            write_secret(&dir.join(format!("{name}.key")), &key.serialize_pem())?;
        }
        Ok(())
    }
}

fn read(path: &Path) -> Result<String, Error> {
    std::fs::read_to_string(path).map_err(|error| unusable(path, &error))
}

fn write(path: &Path, text: &str) -> Result<(), Error> {
    std::fs::write(path, text).map_err(|error| unusable(path, &error))
}

/// Writes what only the owner may read.
fn write_secret(path: &Path, text: &str) -> Result<(), Error> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    let written = options.open(path).and_then(|mut file| file.write_all(text.as_bytes()));
    written.map_err(|error| unusable(path, &error))
}

fn unusable(path: &Path, error: &dyn std::fmt::Display) -> Error {
    Error::Certificate { path: path.into(), reason: error.to_string() }
}

/// Who we are, and whose word we take.
#[derive(Debug)]
pub struct Identity {
    pub(super) authority: CertificateDer<'static>,
    pub(super) certificate: CertificateDer<'static>,
    pub(super) key: PrivateKeyDer<'static>,
    /// The certificate of each peer.
    pub(super) roster: BTreeMap<NodeId, CertificateDer<'static>>,
}

impl Identity {
    /// Reads the identity `name` and the certificates of the peers from a directory.
    pub fn load(
        dir: &Path,
        name: &str,
        peers: impl IntoIterator<Item = NodeId>,
    ) -> Result<Self, Error> {
        let certificate = |name: &str| {
            let path = dir.join(format!("{name}.pem"));
            CertificateDer::from_pem_file(&path).map_err(|error| unusable(&path, &error))
        };
        let key_path = dir.join(format!("{name}.key"));
        let key =
            PrivateKeyDer::from_pem_file(&key_path).map_err(|error| unusable(&key_path, &error))?;
        let roster = peers
            .into_iter()
            .map(|peer| Ok((peer, certificate(&peer.to_string())?)))
            .collect::<Result<_, Error>>()?;
        Ok(Self { authority: certificate("ca")?, certificate: certificate(name)?, key, roster })
    }

    /// Whose certificate this is, if it is a peer's.
    pub(super) fn peer(&self, certificate: &CertificateDer<'_>) -> Option<NodeId> {
        self.roster.iter().find(|(_, known)| *known == certificate).map(|(peer, _)| *peer)
    }
}
