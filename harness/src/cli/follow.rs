//! `faultline check --follow PATH`: judges a history while it is being written.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{IsTerminal, Read};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use checker::history::{Event, EventType, Process};
use checker::judge::{JudgePlan, Question};
use checker::online::Judge;
use checker::verdict::{CheckReport, Judgement, OutcomeCounts, Verdict};
use indicatif::{ProgressBar, ProgressDrawTarget};

use crate::console::err;

/// How often the file is looked at.
const POLL: Duration = Duration::from_millis(100);
/// How often it is said how far the history has been followed.
const PROGRESS: Duration = Duration::from_secs(3);
/// So much is read at a time.
const READ_BYTES: usize = 1 << 20;

/// How following a history ended.
pub(super) enum Ending {
    /// With the first violation: a judgement that says nothing else.
    Violation(Box<Judgement>),
    /// The history is complete, or nobody wants to wait for it: all of it is judged now.
    JudgeAll,
}

/// Follows the history at `path`, which may be a run directory, until its end, its first violation, or Ctrl-C.
pub(super) fn follow(path: &Path, question: &Question) -> anyhow::Result<Ending> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut follower = Follower::open(path, question)?;
        loop {
            if let Some(ending) = follower.catch_up()? {
                return Ok(ending);
            }
            follower.progress();
            tokio::select! {
                () = tokio::time::sleep(POLL) => {}
                _ = tokio::signal::ctrl_c() => {
                    follower.say("interrupted: judging what there is");
                    return Ok(Ending::JudgeAll);
                }
            }
        }
    })
}

struct Follower {
    lines: Lines,
    judge: Judge,
    /// What has been told not to be followed.
    told: BTreeSet<String>,
    /// The time of the last event, in nanoseconds.
    time: u64,
    /// How many client operations ended how so far.
    counts: BTreeMap<String, OutcomeCounts>,
    bar: ProgressBar,
    shown: Instant,
}

impl Follower {
    fn open(path: &Path, question: &Question) -> anyhow::Result<Self> {
        let (judge, history) = match path.is_dir() {
            true => {
                let plan = JudgePlan::read(path)?;
                let judge = Judge::of_run(&plan, &path.join("trace"), question);
                (judge.map_err(anyhow::Error::msg)?, path.join("history.jsonl"))
            }
            false => (Judge::new(question.model.as_slice(), question), path.to_path_buf()),
        };
        Ok(Self {
            lines: Lines::open(history)?,
            judge,
            told: BTreeSet::new(),
            time: 0,
            counts: BTreeMap::new(),
            bar: ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr()),
            shown: Instant::now(),
        })
    }

    /// Takes everything that has been written.
    fn catch_up(&mut self) -> anyhow::Result<Option<Ending>> {
        while let Some(event) = self.lines.next()? {
            let is_end = event.f == "phase" && event.value["phase"] == "end";
            self.time = event.time;
            self.count(&event);
            let taken = self.judge.push(&event);
            if let Some(report) = taken.map_err(|wrong| self.lines.error(&wrong.reason))? {
                return Ok(Some(self.convict(report)));
            }
            if is_end {
                self.bar.finish_and_clear();
                return Ok(Some(Ending::JudgeAll));
            }
        }
        Ok(self.judge.look()?.map(|report| self.convict(report)))
    }

    fn count(&mut self, event: &Event) {
        if event.process == Process::Nemesis {
            return;
        }
        let counts = self.counts.entry(event.f.clone()).or_default();
        match event.event_type {
            EventType::Invoke => {}
            EventType::Ok => counts.ok += 1,
            EventType::Fail => counts.fail += 1,
            EventType::Info => counts.info += 1,
        }
    }

    /// Says every few seconds how far it is, and at once what is not followed.
    fn progress(&mut self) {
        self.bar.tick();
        if self.shown.elapsed() < PROGRESS {
            return;
        }
        self.shown = Instant::now();
        let followed = self.judge.followed();
        for (key, reason) in &followed.left {
            if self.told.insert(key.clone()) {
                let told =
                    format!("{key} is not followed online: {reason}; it is judged at the end");
                self.say(&told);
            }
        }
        let mut line =
            format!("followed to {:.1} s: {} lines", self.time as f64 / 1e9, self.lines.count);
        if followed.keys > 0 {
            let (keys, live) = (followed.keys, self.judge.live());
            line += &format!(", {keys} keys, {live} values may still be found");
        }
        line += "; no violation so far";
        match std::io::stderr().is_terminal() {
            true => self.bar.set_message(line),
            false => self.say(&line),
        }
    }

    fn say(&self, line: &str) {
        self.bar.suspend(|| err!("faultline: {line}"));
    }

    /// The judgement of a history that was followed up to its first violation.
    fn convict(&self, mut check: CheckReport) -> Ending {
        self.bar.finish_and_clear();
        check.detail = format!("followed up to line {}: {}", self.lines.count, check.detail);
        let (faults, operations) = (Vec::new(), self.counts.clone());
        let (verdict, checks) = (Verdict::Invalid, vec![check]);
        Ending::Violation(Box::new(Judgement { verdict, checks, faults, operations }))
    }
}

/// The complete lines of a file that grows.
struct Lines {
    path: PathBuf,
    file: File,
    /// What has been read: the first `taken` bytes have been handed out.
    buffer: Vec<u8>,
    taken: usize,
    /// How many lines have been handed out.
    count: usize,
}

impl Lines {
    fn open(path: PathBuf) -> anyhow::Result<Self> {
        let file = File::open(&path).with_context(|| format!("cannot read {}", path.display()))?;
        Ok(Self { path, file, buffer: Vec::new(), taken: 0, count: 0 })
    }

    /// The next event; nothing while its line is not complete.
    fn next(&mut self) -> anyhow::Result<Option<Event>> {
        loop {
            let rest = &self.buffer[self.taken..];
            let Some(end) = rest.iter().position(|byte| *byte == b'\n') else {
                if self.read_more()? {
                    continue;
                }
                return Ok(None);
            };
            let line = &rest[..end];
            self.count += 1;
            let is_blank = line.trim_ascii().is_empty();
            let event = if is_blank { Ok(None) } else { serde_json::from_slice(line).map(Some) };
            self.taken += end + 1;
            match event {
                Ok(None) => {}
                Ok(event) => return Ok(event),
                Err(error) => return Err(self.error(&format!("not a history event: {error}"))),
            }
        }
    }

    /// Reads on. Whether there was anything.
    fn read_more(&mut self) -> anyhow::Result<bool> {
        self.buffer.drain(..self.taken);
        self.taken = 0;
        let context = || format!("cannot read {}", self.path.display());
        let mut part = (&self.file).take(READ_BYTES as u64);
        let read = part.read_to_end(&mut self.buffer).with_context(context)?;
        if read == 0 && self.file.metadata().with_context(context)?.len() < self.position()? {
            bail!("{}: the file has become shorter while it was followed", self.path.display());
        }
        Ok(read > 0)
    }

    fn position(&mut self) -> anyhow::Result<u64> {
        Ok(std::io::Seek::stream_position(&mut self.file)?)
    }

    fn error(&self, reason: &str) -> anyhow::Error {
        anyhow::anyhow!("{}: line {}: {reason}", self.path.display(), self.count)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    const LINES: [&str; 4] = [
        r#"{"index":0,"time":0,"process":0,"type":"invoke","f":"write","key":"k","value":1}"#,
        r#"{"index":1,"time":1,"process":0,"type":"ok","f":"write","key":"k","value":1}"#,
        r#"{"index":2,"time":2,"process":1,"type":"invoke","f":"read","key":"k","value":null,"node":"n2"}"#,
        r#"{"index":3,"time":1200000000,"process":1,"type":"ok","f":"read","key":"k","value":null,"node":"n2"}"#,
    ];

    /// A process sees a value go back.
    const LINES_BACK: [&str; 6] = [
        LINES[0],
        LINES[1],
        r#"{"index":2,"time":2,"process":1,"type":"invoke","f":"read","key":"k","value":null}"#,
        r#"{"index":3,"time":3,"process":1,"type":"ok","f":"read","key":"k","value":1}"#,
        r#"{"index":4,"time":4,"process":1,"type":"invoke","f":"read","key":"k","value":null}"#,
        r#"{"index":5,"time":5,"process":1,"type":"ok","f":"read","key":"k","value":null}"#,
    ];

    fn write(file: &tempfile::NamedTempFile, text: &str) {
        file.as_file().write_all(text.as_bytes()).unwrap();
    }

    #[test]
    fn a_line_counts_when_it_is_complete() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let mut follower = Follower::open(file.path(), &Question::default()).unwrap();
        write(&file, &format!("{}\n\n{}\n{}\n{}", LINES[0], LINES[1], LINES[2], &LINES[3][..40]));
        assert!(follower.catch_up().unwrap().is_none());
        write(&file, &LINES[3][40..]);
        assert!(follower.catch_up().unwrap().is_none());
        write(&file, "\n");
        let Some(Ending::Violation(judgement)) = follower.catch_up().unwrap() else {
            panic!("the initial value had been replaced")
        };
        assert_eq!(judgement.operations["read"].ok, 1);
        let summary = &judgement.checks[0].violations[0].summary;
        assert_eq!(
            summary,
            "key k: lost write at 1.200 s: process 1 on n2 got ok for read -> null"
        );
    }

    /// Whether a run is convicted online that asks for this check of this model, with this history.
    fn is_convicted(place: &Path, model: &str, check: &str, lines: &[&str]) -> bool {
        let run = serde_json::json!({ "judge": { "model": model, "checks": [check] } });
        std::fs::write(place.join("run.json"), run.to_string()).unwrap();
        std::fs::write(place.join("history.jsonl"), lines.join("\n") + "\n").unwrap();
        let mut follower = Follower::open(place, &Question::default()).unwrap();
        // What stands in traces takes two looks, and there is a rest after each.
        (0..100).any(|_| {
            std::thread::sleep(Duration::from_millis(2));
            matches!(follower.catch_up().unwrap(), Some(Ending::Violation(_)))
        })
    }

    #[test]
    fn what_a_run_does_not_ask_for_convicts_nobody() {
        let place = tempfile::tempdir().unwrap();
        assert!(is_convicted(place.path(), "register", "linearizable", &LINES));
        assert!(!is_convicted(place.path(), "register", "election-safety", &LINES));
        assert!(!is_convicted(place.path(), "set", "linearizable", &LINES));
        assert!(is_convicted(place.path(), "register", "monotonic-reads", &LINES_BACK));
    }

    #[test]
    fn traces_are_followed_too() {
        let place = tempfile::tempdir().unwrap();
        let traces = place.path().join("trace");
        std::fs::create_dir(&traces).unwrap();
        for node in ["n1", "n2"] {
            let line = serde_json::json!({
                "node": node, "incarnation": 1, "seq": 0, "time": 0, "term": 3, "event": "became_leader", "last_index": 0,
                "last_term": 0,
            });
            std::fs::write(traces.join(format!("{node}.1.jsonl")), line.to_string() + "\n")
                .unwrap();
        }
        assert!(is_convicted(place.path(), "register", "election-safety", &LINES[..2]));
        assert!(!is_convicted(place.path(), "register", "linearizable", &LINES[..2]));
    }

    #[test]
    fn a_line_that_is_no_event_and_a_file_that_shrinks_are_errors() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let mut follower = Follower::open(file.path(), &Question::default()).unwrap();
        write(&file, &format!("{}\n{{\"index\":1\n", LINES[0]));
        let error = follower.catch_up().err().unwrap().to_string();
        assert!(error.contains("line 2: not a history event"), "{error}");
        file.as_file().set_len(0).unwrap();
        let error = follower.catch_up().err().unwrap().to_string();
        assert!(error.contains("has become shorter"), "{error}");
    }
}
