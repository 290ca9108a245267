//! No space, and writes that fail.

use std::process::Command;

use super::*;

/// Set in the child process of [`no_space_is_an_error_that_leaves_everything_as_it_was`]: the directory to fill.
const CHILD: &str = "FAULTLINE_STORAGE_TEST_DIRECTORY";

/// The largest file that the child may write, in KiB.
const FILE_KIB_MAX: u64 = 128;

/// The limit on the size of files stands for a full disk: the kernel refuses in the same places, and nobody needs a privilege to set it.
#[test]
fn no_space_is_an_error_that_leaves_everything_as_it_was() {
    if let Some(dir) = std::env::var_os(CHILD) {
        return fill_up(Path::new(&dir));
    }
    let dir = tempfile::tempdir().unwrap();
    let test = "storage::tests::limits::no_space_is_an_error_that_leaves_everything_as_it_was";
    let limited = format!("trap '' XFSZ; ulimit -f {FILE_KIB_MAX}; exec \"$0\" --exact {test}");
    let child = Command::new("bash")
        .args(["-c", &limited])
        .arg(std::env::current_exe().unwrap())
        .env(CHILD, dir.path())
        .output()
        .unwrap();
    assert!(child.status.success(), "{}", String::from_utf8_lossy(&child.stdout));
    assert!(dir.path().join("filled").exists(), "the child did its part");
    let (_, recovered) = Storage::open(dir.path(), N1).unwrap();
    assert_eq!(recovered.torn_tail, None);
    assert_eq!(recovered.entries.last().unwrap().payload, Payload::Command(vec![7]));
}

fn fill_up(dir: &Path) {
    let (mut storage, _) = Storage::open(dir, N1).unwrap();
    let large = |index| {
        let payload = Payload::Command(vec![1; 10_000]);
        LogWrite::Append(Entry { index: LogIndex(index), term: Term(1), payload })
    };
    let mut index = 1;
    let error = loop {
        match storage.persist(None, &[large(index)]) {
            Ok(()) => index += 1,
            Err(error) => break error,
        }
        assert!(index < 1_000, "the limit was never met");
    };
    assert!(matches!(error, Error::NoSpace { .. }), "{error}");
    let error = storage.save_snapshot(LogIndex(1), Term(1), b"", &[1; 1 << 20]).unwrap_err();
    assert!(matches!(error, Error::NoSpace { .. }), "{error}");
    assert!(files::list(dir).unwrap().iter().all(|path| !files::is_temporary(path)));
    // What is small enough still finds room.
    let payload = Payload::Command(vec![7]);
    let small = Entry { index: LogIndex(index), term: Term(1), payload };
    storage.persist(None, &[LogWrite::Append(small)]).unwrap();
    std::fs::write(dir.join("filled"), "").unwrap();
}

#[test]
fn after_a_failed_write_nothing_is_written_any_more() {
    let (dir, _) = small_log_directory();
    let (mut storage, _) = open(dir.path());
    // A directory that is gone fails where a new segment is made.
    let elsewhere = tempfile::tempdir().unwrap();
    let moved = elsewhere.path().join("moved");
    std::fs::rename(dir.path(), &moved).unwrap();
    let many: Vec<_> = (10..30).map(|index| append(index, 2)).collect();
    let error = storage.persist(None, &many).unwrap_err();
    assert!(matches!(error, Error::Io { .. }), "{error}");
    std::fs::rename(&moved, dir.path()).unwrap();
    let error = storage.persist(None, &[append(10, 2)]).unwrap_err();
    assert!(matches!(error, Error::Failed { .. }), "{error}");
    drop(storage);
    assert_eq!(open(dir.path()).1.entries, small_log());
}
