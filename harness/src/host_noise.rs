//! What the host did to everybody on it: how late the kernel woke a thread, and how long a small file took to reach the disk.
//!
//! A system that is late on a host that is late has broken no promise. Measured for the whole run, in the process and the directory of the run,
//! and recorded each second; what follows from it is for the checker to say (`checker/src/properties/host.rs`).

use std::fs::File;
use std::io::{Seek, Write};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::recorder::{Line, Recorder};

/// How long a thread asks to sleep, over and over.
const NAP: Duration = Duration::from_millis(5);
/// Between one sync and the next.
const SYNC_PAUSE: Duration = Duration::from_millis(250);
/// How often what was measured is recorded.
const STRETCH: Duration = Duration::from_secs(1);
/// What is written before each sync: less than a block.
const SYNCED: [u8; 512] = [0x5a; 512];
const NO_PANIC: &str = "no thread panics while it measures";

/// The measuring of a run; ends when dropped.
#[derive(Debug)]
pub(crate) struct HostNoise {
    stop: Arc<AtomicBool>,
    naps: Option<JoinHandle<()>>,
}

/// How long syncs took.
#[derive(Debug, Default)]
struct Syncs {
    took: Vec<Duration>,
    /// The one that is under way.
    since: Option<Instant>,
}

impl HostNoise {
    /// Begins to measure.
    pub(crate) fn start(recorder: &Arc<Recorder>, directory: &Path) -> std::io::Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let syncs = Arc::new(Mutex::new(Syncs::default()));
        // Without a name in the directory, so that nobody takes it for a part of the recording.
        let file = tempfile::tempfile_in(directory)?;
        let thread = |name: &str| std::thread::Builder::new().name(name.into());
        thread("host-syncs").spawn({
            let (stop, syncs) = (stop.clone(), syncs.clone());
            move || measure_syncs(file, &syncs, &stop)
        })?;
        let naps = thread("host-naps").spawn({
            let (stop, recorder) = (stop.clone(), recorder.clone());
            move || measure_naps(&recorder, &syncs, &stop)
        })?;
        Ok(Self { stop, naps: Some(naps) })
    }

    /// Records what was measured last. A sync that is under way is not waited for.
    pub(crate) fn finish(mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(naps) = self.naps.take() {
            naps.join().expect(NO_PANIC);
        }
    }
}

impl Drop for HostNoise {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

fn measure_naps(recorder: &Recorder, syncs: &Mutex<Syncs>, stop: &AtomicBool) {
    let mut from = recorder.now();
    let mut late = Vec::new();
    loop {
        let begin = Instant::now();
        std::thread::sleep(NAP);
        late.push(begin.elapsed().saturating_sub(NAP));
        let ends = stop.load(Ordering::Relaxed);
        let to = recorder.now();
        if ends || to - from >= STRETCH {
            let value = json!({
                "from": from.as_nanos() as u64, "to": to.as_nanos() as u64, "phase": recorder.phase(),
                "scheduling": spread(&std::mem::take(&mut late)),
                "fsync": spread(&syncs.lock().expect(NO_PANIC).take()),
            });
            recorder.record(Line::nemesis("host-noise", value));
            from = to;
        }
        if ends {
            return;
        }
    }
}

fn measure_syncs(mut file: File, syncs: &Mutex<Syncs>, stop: &AtomicBool) {
    while !stop.load(Ordering::Relaxed) {
        let begin = Instant::now();
        syncs.lock().expect(NO_PANIC).since = Some(begin);
        let synced =
            file.rewind().and_then(|()| file.write_all(&SYNCED)).and_then(|()| file.sync_data());
        let took = begin.elapsed();
        let mut syncs = syncs.lock().expect(NO_PANIC);
        syncs.since = None;
        // On a disk that takes no more, the nodes and the recorder say so themselves.
        if synced.is_ok() {
            syncs.took.push(took);
        }
        drop(syncs);
        std::thread::sleep(SYNC_PAUSE);
    }
}

impl Syncs {
    /// What was measured since this was asked last. One that is under way counts for as long as it has taken, or a disk that hangs would look quick.
    fn take(&mut self) -> Vec<Duration> {
        let mut took = std::mem::take(&mut self.took);
        let under_way = self.since.map(|since| since.elapsed());
        took.extend(under_way.filter(|long| took.iter().all(|other| other < long)));
        took
    }
}

/// What is recorded of some times; zero where nothing was measured.
fn spread(times: &[Duration]) -> Value {
    let at = |share| quantile(times, share).as_nanos() as u64;
    json!({ "samples": times.len(), "p50_ns": at(50), "p99_ns": at(99), "max_ns": at(100) })
}

/// The time that so many of a hundred do not exceed, by nearest rank; zero where nothing was measured.
pub(crate) fn quantile(times: &[Duration], share: usize) -> Duration {
    let mut times = times.to_vec();
    times.sort_unstable();
    let rank = (times.len() * share).div_ceil(100).saturating_sub(1);
    times.get(rank).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_times_that_were_measured() {
        let times: Vec<_> = (1..=200).rev().map(Duration::from_nanos).collect();
        assert_eq!(
            spread(&times),
            json!({ "samples": 200, "p50_ns": 100, "p99_ns": 198, "max_ns": 200 })
        );
        assert_eq!(spread(&[]), json!({ "samples": 0, "p50_ns": 0, "p99_ns": 0, "max_ns": 0 }));
    }

    #[test]
    fn a_sync_that_hangs_is_seen_while_it_hangs() {
        let since = Instant::now().checked_sub(Duration::from_secs(3));
        let mut syncs = Syncs { took: vec![Duration::from_millis(1)], since };
        for _ in 0..2 {
            assert!(syncs.take().last().is_some_and(|long| *long >= Duration::from_secs(3)));
        }
    }

    #[test]
    fn what_was_measured_stands_in_the_history_to_the_last() {
        let dir = tempfile::tempdir().unwrap();
        let recorder = Arc::new(Recorder::create(&dir.path().join("history.jsonl")).unwrap());
        recorder.record(Line::nemesis("phase", json!({ "phase": "drive" })));
        let noise = HostNoise::start(&recorder, dir.path()).unwrap();
        while recorder.now() < Duration::from_millis(1_200) {
            std::thread::sleep(NAP);
        }
        noise.finish();
        let history = std::fs::read_to_string(dir.path().join("history.jsonl")).unwrap();
        let lines: Vec<Value> =
            history.lines().skip(1).map(|line| serde_json::from_str(line).unwrap()).collect();
        assert!(lines.len() >= 2, "{history}");
        for pair in lines.windows(2) {
            assert_eq!(pair[0]["value"]["to"], pair[1]["value"]["from"], "no time is left out");
        }
        let value = &lines[0]["value"];
        assert_eq!(value["phase"], "drive");
        assert!(
            value["scheduling"]["samples"].as_u64() > Some(0)
                && value["fsync"]["samples"].as_u64() > Some(0)
        );
    }
}
