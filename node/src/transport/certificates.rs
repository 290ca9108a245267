//! The run's own authority, and what a node must have of it.
//!
//! A directory of certificates holds `ca.pem`, and for each name `<name>.pem` and `<name>.key`. A node's certificate names it (as
//! a DNS name, so that whoever dials `n2` and reaches another fails the handshake), and peers are told apart by comparing
//! the certificate itself.

use std::collections::BTreeMap;
use std::path::Path;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::Error;
use crate::raft::NodeId;

/// An authority that signs certificates for one run and is then forgotten.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    ca_pem: String,
}

impl Authority {
    /// A new authority with a new key.
    pub fn new() -> Result<Self, Error> {
        let mut params = CertificateParams::new(Vec::new())?;
        params.distinguished_name.push(DnType::CommonName, "faultline run");
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let key = KeyPair::generate()?;
        let ca_pem = params.self_signed(&key)?.pem();
        Ok(Self { issuer: Issuer::new(params, key), ca_pem })
    }

    /// Writes `ca.pem` and a certificate with key for each name into `dir`, which must exist.
    pub fn write(&self, dir: &Path, names: &[String]) -> Result<(), Error> {
        write(&dir.join("ca.pem"), &self.ca_pem)?;
        for name in names {
            let mut params = CertificateParams::new(vec![name.clone()])?;
            params.distinguished_name.push(DnType::CommonName, name.as_str());
            params.extended_key_usages =
                vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
            let key = KeyPair::generate()?;
            let certificate = params.signed_by(&key, &self.issuer)?;
            write(&dir.join(format!("{name}.pem")), &certificate.pem())?;
            write(&dir.join(format!("{name}.key")), &key.serialize_pem())?;
        }
        Ok(())
    }
}

fn write(path: &Path, text: &str) -> Result<(), Error> {
    std::fs::write(path, text)
        .map_err(|error| Error::Certificate { path: path.into(), reason: error.to_string() })
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
            CertificateDer::from_pem_file(&path)
                .map_err(|error| Error::Certificate { path, reason: error.to_string() })
        };
        let key_path = dir.join(format!("{name}.key"));
        let key = PrivateKeyDer::from_pem_file(&key_path)
            .map_err(|error| Error::Certificate { path: key_path, reason: error.to_string() })?;
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
