//! How files come to be: whole and durable under their name, or not at all.

use std::fs::File;
use std::path::{Path, PathBuf};

use super::error::{Error, io, io_or_no_space};

const TEMPORARY: &str = "tmp";

/// Creates `path` with what `fill` writes: temporary file, sync, rename, sync of the directory. A crash leaves a temporary file at the most, and whatever
/// fails before the rename leaves nothing.
pub(super) fn create_durably(
    path: &Path,
    fill: impl FnOnce(&File) -> std::io::Result<()>,
) -> Result<File, Error> {
    let temporary = path.with_added_extension(TEMPORARY);
    let file = create(&temporary, fill).inspect_err(|_| {
        let _ = std::fs::remove_file(&temporary); // The next start does it otherwise.
    })?;
    rename(&temporary, path)?;
    Ok(file)
}

fn create(path: &Path, fill: impl FnOnce(&File) -> std::io::Result<()>) -> Result<File, Error> {
    let file = File::options()
        .write(true)
        .create(true)
        .truncate(true)
        .open(path)
        .map_err(io_or_no_space("create", path))?;
    fill(&file).map_err(io_or_no_space("write", path))?;
    file.sync_all().map_err(io_or_no_space("sync", path))?;
    Ok(file)
}

pub(super) fn remove(path: &Path) -> Result<(), Error> {
    std::fs::remove_file(path).map_err(io("remove", path))
}

/// Makes what was created, renamed or removed in a directory durable.
pub(super) fn sync_directory(dir: &Path) -> Result<(), Error> {
    let directory = File::open(dir).map_err(io("open", dir))?;
    directory.sync_all().map_err(io("sync", dir))
}

/// The directory in which a file or directory stands.
pub(super) fn parent(path: &Path) -> &Path {
    path.parent().filter(|parent| *parent != Path::new("")).unwrap_or_else(|| Path::new("."))
}

pub(super) fn rename(from: &Path, to: &Path) -> Result<(), Error> {
    std::fs::rename(from, to).map_err(io("rename", from))?;
    sync_directory(parent(to))
}

/// The files of a directory, in the order of their names.
pub(super) fn list(dir: &Path) -> Result<Vec<PathBuf>, Error> {
    let entries = std::fs::read_dir(dir).map_err(io("list", dir))?;
    let mut paths = entries
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<Vec<_>, _>>()
        .map_err(io("list", dir))?;
    paths.sort();
    Ok(paths)
}

/// The number in the name of a file `NUMBER.extension`, 20 digits wide.
pub(super) fn number(path: &Path, extension: &str) -> Option<u64> {
    let stem = path.file_name()?.to_str()?.strip_suffix(extension)?.strip_suffix('.')?;
    let digits = stem.len() == 20 && stem.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| stem.parse().ok()).flatten()
}

/// The name of file `number` with an extension.
pub(super) fn numbered(dir: &Path, number: u64, extension: &str) -> PathBuf {
    dir.join(format!("{number:020}.{extension}"))
}

/// Whether a file was left behind by a crash within [`create_durably`].
pub(super) fn is_temporary(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == TEMPORARY)
}
