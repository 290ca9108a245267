//! Running the real binary, and looking for what it leaves behind.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// A folder of its own for each test, with everything that the test starts.
pub(crate) struct Place {
    dir: tempfile::TempDir,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    /// Writes a file and returns its path.
    pub(crate) fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    /// An executable script.
    pub(crate) fn script(&self, name: &str, text: &str) -> PathBuf {
        use std::os::unix::fs::PermissionsExt;
        let path = self.file(name, text);
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    /// `faultline <arguments>` in this folder.
    pub(crate) fn faultline(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_faultline"));
        command.args(arguments).current_dir(self.path()).stdin(Stdio::null());
        command
    }

    /// Runs it to its end.
    pub(crate) fn output(&self, arguments: &[&str]) -> Output {
        self.faultline(arguments).output().unwrap()
    }

    /// Starts it and waits until the history of its run has a line with `text`.
    pub(crate) fn start_until(&self, arguments: &[&str], text: &str) -> Child {
        let mut command = self.faultline(arguments);
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        self.wait_until(&format!("the history says {text}"), || self.history().contains(text));
        child
    }

    /// The history of the latest run so far.
    pub(crate) fn history(&self) -> String {
        std::fs::read_to_string(self.path().join("runs/latest/history.jsonl")).unwrap_or_default()
    }

    /// A file of the latest run, as JSON.
    pub(crate) fn json(&self, name: &str) -> serde_json::Value {
        let path = self.path().join("runs/latest").join(name);
        serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
    }

    /// The processes that were started in this folder and still are: every node names its folder on its command line.
    pub(crate) fn processes(&self) -> Vec<String> {
        let mark = self.path().display().to_string();
        let mut found = Vec::new();
        for entry in std::fs::read_dir("/proc").unwrap().flatten() {
            let Ok(line) = std::fs::read(entry.path().join("cmdline")) else { continue };
            let line = String::from_utf8_lossy(&line).replace('\0', " ");
            let node = std::fs::read_link(entry.path().join("cwd"))
                .is_ok_and(|cwd| cwd.starts_with(&mark));
            if node && line.contains(" node ") {
                found.push(format!("{}: {line}", entry.file_name().to_string_lossy()));
            }
        }
        found
    }

    /// The programs that the nodes of this folder run, as the kernel says.
    pub(crate) fn programs(&self) -> Vec<String> {
        let pids = self.processes();
        let pids = pids.iter().filter_map(|process| process.split(':').next());
        let exe = |pid: &str| std::fs::read_link(format!("/proc/{pid}/exe")).ok();
        pids.filter_map(exe).map(|exe| exe.display().to_string()).collect()
    }

    /// Nothing is left, or nothing will be in a moment: the kernel kills asynchronously.
    pub(crate) fn assert_no_processes(&self) {
        self.wait_until("no process is left", || self.processes().is_empty());
    }

    /// Waits for something that must happen; the limit only ends a test that hangs.
    pub(crate) fn wait_until(&self, what: &str, holds: impl Fn() -> bool) {
        let begin = Instant::now();
        while !holds() {
            assert!(
                begin.elapsed() < Duration::from_secs(60),
                "still not: {what}; {:?}",
                self.processes()
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// Runs `faultline` and expects this code and these words, no stack trace, and no process left behind.
pub(crate) fn check(place: &Place, arguments: &[&str], code: i32, words: &[&str]) {
    let output = place.output(arguments);
    let text = text(&output);
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {text}");
    for word in words {
        assert!(text.contains(word), "{arguments:?}: no `{word}` in: {text}");
    }
    assert!(!text.contains("panicked") && !text.contains("stack backtrace"), "{text}");
    place.assert_no_processes();
}

/// Both outputs as text.
pub(crate) fn text(output: &Output) -> String {
    let parts = [&output.stdout, &output.stderr];
    parts.map(|bytes| String::from_utf8_lossy(bytes).into_owned()).concat()
}

/// Sends a signal to a process that the test started.
pub(crate) fn signal(child: &Child, signal: rustix::process::Signal) {
    let pid = rustix::process::Pid::from_raw(child.id() as i32).unwrap();
    rustix::process::kill_process(pid, signal).unwrap();
}
