//! `faultline check --follow PATH`: judges a history while it is being written.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{IsTerminal, Read};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use checker::history::{Event, EventType, Process};
use checker::linearizability;
use checker::models::Model;
use checker::online::Judge;
use checker::verdict::{CheckReport, Judgement, OutcomeCounts, Verdict, Violation};
use indicatif::{ProgressBar, ProgressDrawTarget};

/// How often the file is looked at.
const POLL: Duration = Duration::from_millis(100);
/// How often it is said how far the history has been followed.
const PROGRESS: Duration = Duration::from_secs(3);
/// So much is read at a time.
const READ_BYTES: usize = 1 << 20;
/// So many events are kept while it is not known what the history is of.
const UNSURE_MAX: usize = 100_000;

/// How following a history ended.
pub(super) enum Ending {
    /// With the first violation: a judgement that says nothing else.
    Violation(Box<Judgement>),
    /// The history is complete, or nobody wants to wait for it: all of it is judged now.
    JudgeAll,
}

/// Follows the history at `path`, which may be a run directory, until its end, its first violation, or Ctrl-C.
pub(super) fn follow(path: &Path, model: Option<Model>) -> anyhow::Result<Ending> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut follower = Follower::open(path, model)?;
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
    /// Events that wait until it is known what the history is of; none once that is known.
    unsure: Option<Vec<Event>>,
    /// Whether the history is of something else than registers.
    is_foreign: bool,
    /// How many keys that are not followed have been told.
    told: usize,
    /// The time of the last event, in nanoseconds.
    time: u64,
    /// How many client operations ended how so far.
    counts: BTreeMap<String, OutcomeCounts>,
    bar: ProgressBar,
    shown: Instant,
}

impl Follower {
    fn open(path: &Path, model: Option<Model>) -> anyhow::Result<Self> {
        let (model, history) = match path.is_dir() {
            true => (Some(model_of_run(path)?), path.join("history.jsonl")),
            false => (model.map(|model| model.to_string()), path.to_path_buf()),
        };
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        let registers = [Model::Register.name(), Model::CasRegister.name()];
        let is_foreign = model.as_deref().is_some_and(|model| !registers.contains(&model));
        let follower = Self {
            lines: Lines::open(history)?,
            judge: Judge::new(),
            unsure: model.is_none().then(Vec::new),
            is_foreign,
            told: 0,
            time: 0,
            counts: BTreeMap::new(),
            bar,
            shown: Instant::now(),
        };
        if let Some(model) = model.filter(|_| is_foreign) {
            follower.say(&format!("not followed online but judged at the end: {model}"));
        }
        Ok(follower)
    }

    /// Takes everything that has been written.
    fn catch_up(&mut self) -> anyhow::Result<Option<Ending>> {
        while let Some(event) = self.lines.next()? {
            let is_end = event.f == "phase" && event.value["phase"] == "end";
            self.time = event.time;
            self.count(&event);
            if let Some(violation) = self.take(event)? {
                self.bar.finish_and_clear();
                return Ok(Some(Ending::Violation(Box::new(self.convict(violation)))));
            }
            if is_end {
                self.bar.finish_and_clear();
                return Ok(Some(Ending::JudgeAll));
            }
        }
        Ok(None)
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

    fn take(&mut self, event: Event) -> anyhow::Result<Option<Violation>> {
        let Some(waiting) = &mut self.unsure else { return self.judge(&event) };
        // Other objects are read too: it takes a write to know a register.
        let is_register = ["write", "cas"].contains(&event.f.as_str());
        waiting.push(event);
        if !is_register && waiting.len() < UNSURE_MAX {
            return Ok(None);
        }
        if !is_register {
            self.is_foreign = true;
            self.say("only reads so far: not followed online without --model; judged at the end");
        }
        for event in self.unsure.take().unwrap_or_default() {
            let violation = self.judge(&event)?;
            if violation.is_some() {
                return Ok(violation);
            }
        }
        Ok(None)
    }

    fn judge(&mut self, event: &Event) -> anyhow::Result<Option<Violation>> {
        if self.is_foreign {
            return Ok(None);
        }
        let taken = self.judge.push(event);
        taken.map_err(|malformed| self.lines.error(&malformed.reason))
    }

    /// Says every few seconds how far it is, and at once what is not followed.
    fn progress(&mut self) {
        self.bar.tick();
        if self.shown.elapsed() < PROGRESS {
            return;
        }
        self.shown = Instant::now();
        let followed = self.judge.followed();
        for (key, reason) in followed.left.iter().skip(self.told) {
            self.say(&format!("{key} is not followed online: {reason}; it is judged at the end"));
        }
        self.told = followed.left.len();
        let line = format!(
            "followed to {:.1} s: {} lines, {} keys, {} values may still be found; no violation so far",
            self.time as f64 / 1e9,
            self.lines.count,
            followed.keys - followed.left.len(),
            self.judge.live()
        );
        match std::io::stderr().is_terminal() {
            true => self.bar.set_message(line),
            false => self.say(&line),
        }
    }

    fn say(&self, line: &str) {
        self.bar.suspend(|| eprintln!("faultline: {line}"));
    }

    /// The judgement of a history that was followed up to its first violation.
    fn convict(&self, violation: Violation) -> Judgement {
        let line = self.lines.count;
        let detail = format!("followed up to line {line}: this completion cannot be explained");
        let check = CheckReport::invalid(linearizability::NAME, detail, vec![violation]);
        let (faults, operations) = (Vec::new(), self.counts.clone());
        Judgement { verdict: Verdict::Invalid, checks: vec![check], faults, operations }
    }
}

/// What a run is of, in so far as it asks for linearizability.
fn model_of_run(directory: &Path) -> anyhow::Result<String> {
    let path = directory.join("run.json");
    let text = std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let run: serde_json::Value = serde_json::from_slice(&text)
        .with_context(|| format!("{}: not the description of a run", path.display()))?;
    let checks = run["judge"]["checks"].as_array();
    let is_asked = checks.is_some_and(|checks| checks.contains(&linearizability::NAME.into()));
    let model = run["judge"]["model"].as_str().unwrap_or("unknown model");
    Ok(if is_asked { model.into() } else { "a run that asks for other checks".into() })
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

    fn write(file: &tempfile::NamedTempFile, text: &str) {
        file.as_file().write_all(text.as_bytes()).unwrap();
    }

    #[test]
    fn a_line_counts_when_it_is_complete() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let mut follower = Follower::open(file.path(), None).unwrap();
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

    #[test]
    fn what_is_not_judged_online_is_not_convicted_online() {
        let judged = |run: &str, lines: &[&str]| {
            let place = tempfile::tempdir().unwrap();
            std::fs::write(place.path().join("run.json"), run).unwrap();
            std::fs::write(place.path().join("history.jsonl"), lines.join("\n") + "\n").unwrap();
            let mut follower = Follower::open(place.path(), None).unwrap();
            matches!(follower.catch_up().unwrap(), Some(Ending::Violation(_)))
        };
        let run = |model: &str, check: &str| {
            serde_json::json!({ "judge": { "model": model, "checks": [check] } }).to_string()
        };
        assert!(judged(&run("register", "linearizable"), &LINES));
        assert!(!judged(&run("register", "election-safety"), &LINES));
        assert!(!judged(&run("set", "linearizable"), &LINES));
    }

    #[test]
    fn a_line_that_is_no_event_and_a_file_that_shrinks_are_errors() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let mut follower = Follower::open(file.path(), None).unwrap();
        write(&file, &format!("{}\n{{\"index\":1\n", LINES[0]));
        let error = follower.catch_up().err().unwrap().to_string();
        assert!(error.contains("line 2: not a history event"), "{error}");
        file.as_file().set_len(0).unwrap();
        let error = follower.catch_up().err().unwrap().to_string();
        assert!(error.contains("has become shorter"), "{error}");
    }
}
