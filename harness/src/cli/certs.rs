//! `faultline certs DIR NAMES…`: an authority, and a certificate for each node and client of a cluster.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, bail};
use checker::verdict::ExitCode;
use clap::Args;
use node::transport::Authority;

use crate::console::out;

const SECONDS_A_DAY: u64 = 24 * 60 * 60;

/// Arguments of the authority.
#[derive(Debug, Args)]
#[command(after_help = EXIT_CODES)]
pub(super) struct CertsArguments {
    /// Where to put them. If an authority is here already, it signs; a certificate that is here stays as it is
    dir: PathBuf,
    /// Whom to make a certificate for: nodes are called n1, n2, …, clients what you like
    #[arg(required = true)]
    names: Vec<String>,
    /// For how many days the certificates are valid
    #[arg(long, default_value_t = 3_650, value_parser = clap::value_parser!(u64).range(1..=36_500))]
    days: u64,
}

const EXIT_CODES: &str = "Exit codes: 0 every name has its certificate, 2 bad usage, or files that cannot be read or written";

pub(super) fn certs(arguments: &CertsArguments) -> ExitCode {
    match sign(arguments) {
        Ok(made) if made.is_empty() => {
            out!("every name has its certificate in {} already", arguments.dir.display());
            ExitCode::Valid
        }
        Ok(made) => {
            let (dir, names) = (arguments.dir.display(), made.join(", "));
            out!("{dir}: {names}, valid for {} days; keep ca.key to yourself", arguments.days);
            ExitCode::Valid
        }
        Err(error) => super::fail(ExitCode::Usage, &error),
    }
}

/// Makes what is missing. The names that had no certificate.
fn sign(arguments: &CertsArguments) -> anyhow::Result<Vec<String>> {
    let CertsArguments { dir, names, days } = arguments;
    for name in names {
        let is_plain = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
        if !is_plain || name.is_empty() || name == "ca" {
            bail!("`{name}` is not a name: letters, digits and hyphens, and not `ca`");
        }
    }
    std::fs::create_dir_all(dir).with_context(|| format!("cannot make {}", dir.display()))?;
    let authority = Authority::of(dir)?.expiring(Duration::from_secs(days * SECONDS_A_DAY));
    let is_here = |name: &String, part: &str| dir.join(format!("{name}.{part}")).exists();
    let is_missing = |name: &&String| !is_here(name, "pem") || !is_here(name, "key");
    let missing: Vec<_> = names.iter().filter(is_missing).cloned().collect();
    authority.write(dir, &missing)?;
    Ok(missing)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_here_stays_and_what_is_new_is_signed_by_the_same_authority() {
        let place = tempfile::tempdir().unwrap();
        let names = |names: &[&str]| names.iter().map(|name| name.to_string()).collect::<Vec<_>>();
        let certs = |wanted: &[&str]| {
            sign(&CertsArguments { dir: place.path().into(), names: names(wanted), days: 1 })
        };
        let read = |name: &str| std::fs::read_to_string(place.path().join(name)).unwrap();
        assert_eq!(certs(&["n1", "client"]).unwrap(), ["n1", "client"]);
        let (authority, first) = (read("ca.pem"), read("n1.pem"));
        assert_eq!(certs(&["n1", "n2"]).unwrap(), ["n2"]);
        assert_eq!((read("ca.pem"), read("n1.pem")), (authority, first));
        for bad in ["ca", "../n1", ""] {
            assert!(certs(&[bad]).unwrap_err().to_string().contains("is not a name"), "{bad}");
        }
        std::fs::remove_file(place.path().join("n2.key")).unwrap();
        assert_eq!(certs(&["n1", "n2"]).unwrap(), ["n2"], "half a pair is none");
        std::fs::remove_file(place.path().join("ca.key")).unwrap();
        assert!(certs(&["n3"]).unwrap_err().to_string().contains("ca.key"));
    }

    #[test]
    fn keys_are_for_the_owner_only() {
        use std::os::unix::fs::PermissionsExt;
        let place = tempfile::tempdir().unwrap();
        let dir = place.path().to_path_buf();
        sign(&CertsArguments { dir: dir.clone(), names: vec!["n1".into()], days: 1 }).unwrap();
        for key in ["ca.key", "n1.key"] {
            let mode = std::fs::metadata(dir.join(key)).unwrap().permissions().mode();
            assert_eq!(mode & 0o077, 0, "{key}");
        }
    }
}
