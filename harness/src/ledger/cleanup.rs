//! Undoing what runs left behind that could not do it themselves.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::Context;

use super::identity::{Identity, end_marked, place};
use super::{FILE, Head, Line, Undo, append};

/// What was found in the directory of runs.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// What was done, a sentence each.
    pub(crate) undone: Vec<String>,
    /// Runs that go on, and were left alone.
    pub(crate) alive: Vec<PathBuf>,
    /// What could not be undone or read, a sentence each.
    pub(crate) failed: Vec<String>,
}

/// A ledger that its harness did not close, and never will.
struct Abandoned {
    run: PathBuf,
    head: Head,
    /// The processes that were never seen to end, and whether they were stopped.
    open: Vec<(Identity, bool)>,
}

/// Undoes what the runs in a directory left undone. Doing it twice is doing it once.
///
/// # Errors
///
/// If the directory cannot be read. What is wrong with one run is no error of the others.
pub(crate) fn cleanup(runs: &Path) -> anyhow::Result<Found> {
    anyhow::ensure!(
        !runs.join(FILE).exists(),
        "{} is the directory of one run: name the directory of all runs",
        runs.display()
    );
    let mut found = Found::default();
    let mut abandoned = Vec::new();
    let entries =
        std::fs::read_dir(runs).with_context(|| format!("cannot read {}", runs.display()))?;
    for entry in entries.flatten() {
        // `latest` is a link to one of the others.
        if !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            continue;
        }
        match entry.path().join(FILE).try_exists() {
            Ok(true) => {}
            Ok(false) => continue,
            Err(error) => {
                found.failed.push(format!("{}: {error}", entry.path().display()));
                continue;
            }
        }
        match examine(&entry.path()) {
            Ok(State::Closed) => {}
            Ok(State::Alive) => found.alive.push(entry.path()),
            Ok(State::Abandoned(run)) => abandoned.push(run),
            Err(error) => found.failed.push(format!("{error:#}")),
        }
    }
    for run in &abandoned {
        run.undo(&mut found);
    }
    Ok(found)
}

/// How a ledger stands.
enum State {
    /// Everything was undone, or it is of another machine.
    Closed,
    /// Its harness lives.
    Alive,
    Abandoned(Abandoned),
}

fn examine(run: &Path) -> anyhow::Result<State> {
    let file = run.join(FILE);
    let text = std::fs::read_to_string(&file)
        .with_context(|| format!("cannot read {}", file.display()))?;
    // A last line without its end was being written when the harness was killed: what it was about to do was not done.
    let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
    let mut lines = whole.lines().enumerate().map(|(number, line)| {
        serde_json::from_str::<Line>(line)
            .with_context(|| format!("{}: line {}", file.display(), number + 1))
    });
    let Some(Line::Head(head)) = lines.next().transpose()? else { return Ok(State::Closed) };
    if head.place != place()? {
        return Ok(State::Closed);
    }
    let mut open = std::collections::BTreeMap::new();
    let mut closed = false;
    for line in lines {
        match line? {
            Line::Undo { id, by } => drop(open.insert(id, by)),
            Line::Done { id } => drop(open.remove(&id)),
            Line::Closed {} | Line::Head(_) => closed = true,
        }
    }
    if closed {
        return Ok(State::Closed);
    }
    if head.harness.is_alive() {
        return Ok(State::Alive);
    }
    let stopped =
        |process: &Identity| open.values().any(|undo| *undo == Undo::Continue(process.clone()));
    let ends = open.values().filter_map(|undo| match undo {
        Undo::End(process) => Some((process.clone(), stopped(process))),
        Undo::Continue(_) => None,
    });
    let open = ends.collect();
    Ok(State::Abandoned(Abandoned { run: run.to_path_buf(), head, open }))
}

impl Abandoned {
    fn undo(&self, found: &mut Found) {
        let failed = found.failed.len();
        let mut tell = |process: &Identity, what: &str, ended: io::Result<()>| {
            let words = format!("{}: {what}, pid {}", self.run.display(), process.pid);
            match ended {
                Ok(()) => found.undone.push(format!("{words}: ended")),
                Err(error) => found.failed.push(format!("{words}: cannot be ended: {error}")),
            }
        };
        // The latest first: what was started last may hang on what was started before.
        for (process, was_stopped) in self.open.iter().rev() {
            if process.is_ours(&self.head.mark) {
                let what = if *was_stopped { "stopped node" } else { "node" };
                tell(process, what, process.end());
            }
        }
        // Children of nodes are in no ledger.
        for (process, ended) in end_marked(&self.head.mark) {
            tell(&process, "process that a node had started", ended);
        }
        if found.failed.len() == failed
            && let Err(error) = close(&self.run)
        {
            found.failed.push(format!("{}: {error}", self.run.join(FILE).display()));
        }
    }
}

/// Nothing is left to undo. A torn last line is ended first, so that ours is a line of its own.
fn close(run: &Path) -> io::Result<()> {
    let path = run.join(FILE);
    let text = std::fs::read(&path)?;
    let whole = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
    let mut file = File::options().append(true).open(&path)?;
    file.set_len(whole as u64)?;
    append(&mut file, &Line::Closed {})
}

#[cfg(test)]
mod tests {
    use std::process::{Child, Command};

    use super::super::{Ledger, MARK};
    use super::*;

    /// A run directory whose harness is gone, with the ledger as it left it.
    struct Runs {
        dir: tempfile::TempDir,
    }

    impl Runs {
        /// `note` says what the run did, before its harness, of which another process has the pid now, ended.
        fn abandoned(note: impl FnOnce(&Ledger)) -> Self {
            let dir = tempfile::tempdir().unwrap();
            let run = dir.path().join("w-1");
            std::fs::create_dir(&run).unwrap();
            note(&Ledger::create(&run).unwrap());
            let runs = Self { dir };
            runs.rewrite(
                &format!("\"pid\":{},\"started\":", std::process::id()),
                "\"pid\":1,\"started\":9",
            );
            runs
        }

        fn file(&self) -> PathBuf {
            self.dir.path().join("w-1").join(FILE)
        }

        fn text(&self) -> String {
            std::fs::read_to_string(self.file()).unwrap()
        }

        fn rewrite(&self, from: &str, to: &str) {
            let text = self.text();
            assert!(text.contains(from), "{from}: {text}");
            std::fs::write(self.file(), text.replacen(from, to, 1)).unwrap();
        }

        fn cleanup(&self) -> Found {
            cleanup(self.dir.path()).unwrap()
        }
    }

    /// A process that would go on for long; ended with the test.
    struct Sleeper(Child);

    impl Sleeper {
        fn start(mark: &str) -> Self {
            Self(Command::new("sleep").arg("600").env(MARK, mark).spawn().unwrap())
        }

        fn pid(&self) -> u32 {
            self.0.id()
        }

        fn has_ended(&mut self) -> bool {
            self.0.try_wait().unwrap().is_some()
        }
    }

    impl Drop for Sleeper {
        fn drop(&mut self) {
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }

    fn started_at(pid: u32) -> String {
        format!("\"started\":{}", Identity::of(pid).unwrap().started)
    }

    #[test]
    fn what_a_dead_harness_left_is_ended_once_even_if_it_is_stopped() {
        let mut sleepers = Vec::new();
        let runs = Runs::abandoned(|ledger| {
            for _ in 0..2 {
                let sleeper = Sleeper::start("another run");
                ledger.started(sleeper.pid()).unwrap();
                sleepers.push(sleeper);
            }
            ledger.stopping(sleepers[1].pid()).unwrap();
            let pid = rustix::process::Pid::from_child(&sleepers[1].0);
            rustix::process::kill_process(pid, rustix::process::Signal::STOP).unwrap();
            // In no ledger, as a child of a node would be.
            sleepers.push(Sleeper::start(ledger.mark()));
        });
        let found = runs.cleanup();
        assert!(found.failed.is_empty(), "{found:?}");
        let undone = found.undone.join("\n");
        for (sleeper, words) in
            sleepers.iter_mut().zip([": node", "stopped node", "that a node had started"])
        {
            assert!(undone.contains(&format!("{words}, pid {}: ended", sleeper.pid())), "{undone}");
            assert!(sleeper.has_ended());
        }
        assert_eq!(runs.cleanup().undone.len(), 0, "once is enough: {}", runs.text());
    }

    #[test]
    fn a_pid_that_means_another_process_now_is_left_alone() {
        // Another start time, or another program without the mark.
        for other in ["started", "executable"] {
            let mut sleeper = Sleeper::start("another run");
            let runs = Runs::abandoned(|ledger| ledger.started(sleeper.pid()).unwrap());
            match other {
                "started" => runs.rewrite(&started_at(sleeper.pid()), "\"started\":7"),
                _ => runs.rewrite("sleep\"", "slept\""),
            }
            let found = runs.cleanup();
            assert!(found.undone.is_empty() && found.failed.is_empty(), "{other}: {found:?}");
            assert!(!sleeper.has_ended(), "{other}");
        }
    }

    #[test]
    fn what_was_crossed_out_is_not_undone_and_neither_is_what_a_living_harness_did() {
        let mut sleeper = Sleeper::start("another run");
        let runs = Runs::abandoned(|ledger| {
            ledger.started(sleeper.pid()).unwrap();
            ledger.stopping(sleeper.pid()).unwrap();
            ledger.ended(sleeper.pid());
        });
        assert!(runs.cleanup().undone.is_empty());
        assert!(!sleeper.has_ended());

        let dir = tempfile::tempdir().unwrap();
        let run = dir.path().join("w-1");
        std::fs::create_dir(&run).unwrap();
        let ledger = Ledger::create(&run).unwrap();
        ledger.started(sleeper.pid()).unwrap();
        let found = cleanup(dir.path()).unwrap();
        assert_eq!((found.alive, found.undone.len()), (vec![run], 0));
        assert!(!sleeper.has_ended());
    }

    #[test]
    fn a_torn_last_line_is_no_line_and_a_torn_middle_is_said() {
        let mut sleeper = Sleeper::start("another run");
        let runs = Runs::abandoned(|ledger| ledger.started(sleeper.pid()).unwrap());
        std::fs::write(runs.file(), runs.text() + "{\"undo\":{\"id\":2,\"b").unwrap();
        let found = runs.cleanup();
        assert_eq!((found.undone.len(), found.failed.len()), (1, 0), "{found:?}");
        assert!(sleeper.has_ended());
        assert!(runs.cleanup().failed.is_empty());

        let runs = Runs::abandoned(|_| {});
        std::fs::write(runs.file(), runs.text() + "{\"undo\"\n{\"closed\":{}}\n").unwrap();
        let failed = runs.cleanup().failed;
        assert!(failed[0].contains("ledger.jsonl: line 2"), "{failed:?}");
    }
}
