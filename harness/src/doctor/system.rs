//! How quick the machine is.

use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::cluster::ELECTION_TIMEOUT_MS;
use crate::host_noise::quantile;

const SYNCS: usize = 5;
const NAPS: usize = 60;
const NAP: Duration = Duration::from_millis(5);
/// Later than this, and leaders are deposed for no fault of theirs (`checker/src/properties/host.rs`).
const LATE: Duration = Duration::from_millis(ELECTION_TIMEOUT_MS / 2);

/// What is written reaches the disk on which runs are recorded, or will be.
pub(super) fn sync(out: &Path) -> Result<String, String> {
    let place = existing(out);
    let attempt = || -> std::io::Result<Vec<Duration>> {
        let mut file = tempfile::tempfile_in(place)?;
        let once = |_| {
            let begin = Instant::now();
            file.write_all(&[0; 512])?;
            file.sync_data()?;
            Ok(begin.elapsed())
        };
        (0..SYNCS).map(once).collect()
    };
    let took =
        attempt().map_err(|error| format!("cannot write to {}: {error}", place.display()))?;
    Ok(format!(
        "a small write is on the disk after {}, at most {}",
        ms(quantile(&took, 50)),
        ms(quantile(&took, 100))
    ))
}

/// A thread that sleeps is woken in time.
pub(super) fn wake() -> Result<String, String> {
    let late: Vec<_> = (0..NAPS)
        .map(|_| {
            let begin = Instant::now();
            std::thread::sleep(NAP);
            begin.elapsed().saturating_sub(NAP)
        })
        .collect();
    let worst = quantile(&late, 99);
    let words =
        format!("a thread woke {} late, 99 of 100 within {}", ms(quantile(&late, 50)), ms(worst));
    if worst > LATE {
        Err(format!("{words}; more than {} is too late for elections", ms(LATE)))
    } else {
        Ok(words)
    }
}

/// The nearest directory that there is already.
fn existing(out: &Path) -> &Path {
    let named = out.ancestors().filter(|place| !place.as_os_str().is_empty());
    named.into_iter().find(|place| place.exists()).unwrap_or_else(|| Path::new("."))
}

fn ms(time: Duration) -> String {
    format!("{:.2} ms", time.as_secs_f64() * 1e3)
}
