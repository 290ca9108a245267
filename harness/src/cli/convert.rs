//! `faultline convert INPUT`

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use checker::history::{Compression, Compressor, Format, History, Tuples, WriteError};
use checker::verdict::ExitCode;
use clap::{Args, ValueEnum};

use crate::export;

/// Arguments of a conversion.
#[derive(Debug, Args)]
#[command(after_help = EXIT_CODES)]
pub(super) struct ConvertArguments {
    /// A history in any form, packed or not, or a run directory
    input: PathBuf,
    /// What to write: json (our own lines), edn (Jepsen), jepsen-log, porcupine (its log of a key-value store) or parquet (a table for DuckDB). When
    /// left out, the extension of the output tells: .jsonl .edn .log .txt .parquet
    #[arg(long, value_name = "FORM")]
    to: Option<Target>,
    /// Where to write; the terminal's output when left out
    #[arg(long, short)]
    output: Option<PathBuf>,
    /// gzip or zstd; when left out, .gz and .zst behind the output's extension tell
    #[arg(long, value_name = "PACKING")]
    compress: Option<Compression>,
    /// What `[key value]` means in a history of Jepsen's: a key with a value, or one value. When left out, its reads tell
    #[arg(long, value_name = "MEANING")]
    pairs: Option<Pairs>,
}

/// What to write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Target {
    History(Format),
    Parquet,
}

impl FromStr for Target {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        match name {
            "parquet" => Ok(Self::Parquet),
            other => other
                .parse()
                .map(Self::History)
                .map_err(|error: String| format!("{error}, parquet")),
        }
    }
}

const EXIT_CODES: &str = "Exit codes: 0 written, 2 bad usage, a malformed history or one that the form cannot hold, 4 the output cannot be written";

/// The meaning of a list of two.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Pairs {
    /// A key with its value
    Keys,
    /// One value
    Values,
}

pub(super) fn convert(arguments: &ConvertArguments) -> ExitCode {
    let (target, compression) = match asked(arguments) {
        Ok(asked) => asked,
        Err(reason) => return super::fail(ExitCode::Usage, &reason),
    };
    let input = match arguments.input.is_dir() {
        true => arguments.input.join("history.jsonl"),
        false => arguments.input.clone(),
    };
    let tuples = match arguments.pairs {
        None => Tuples::Detect,
        Some(Pairs::Keys) => Tuples::Keys,
        Some(Pairs::Values) => Tuples::Values,
    };
    let history = match History::read_with(&input, tuples) {
        Ok(history) => history,
        Err(error) => return super::fail(ExitCode::Usage, &error),
    };
    let written = match &arguments.output {
        Some(path) => to_file(&history, target, compression, path),
        None => to_output(&history, target, compression),
    };
    match written {
        Ok(()) => ExitCode::Valid,
        Err(error) => super::fail(exit_code(&error), &error),
    }
}

/// What to write and how, from the arguments or from the name of the output.
fn asked(arguments: &ConvertArguments) -> Result<(Target, Compression), String> {
    let name = arguments.output.as_deref().map(Path::to_string_lossy).unwrap_or_default();
    let (name, told) = match (name.strip_suffix(".gz"), name.strip_suffix(".zst")) {
        (Some(name), _) => (name, Compression::Gzip),
        (_, Some(name)) => (name, Compression::Zstd),
        _ => (name.as_ref(), Compression::None),
    };
    let extension = Path::new(name).extension().and_then(|extension| extension.to_str());
    let told_target = match extension {
        Some("jsonl" | "json") => Some(Target::History(Format::Json)),
        Some("edn") => Some(Target::History(Format::Edn)),
        Some("log") => Some(Target::History(Format::JepsenLog)),
        Some("txt") => Some(Target::History(Format::Porcupine)),
        Some("parquet") => Some(Target::Parquet),
        _ => None,
    };
    let compression = arguments.compress.unwrap_or(told);
    match arguments.to.or(told_target) {
        Some(Target::Parquet) if compression != Compression::None => {
            Err("a Parquet file is never packed as a whole: nothing could read it".into())
        }
        Some(Target::Parquet) if arguments.output.is_none() => {
            Err("a Parquet file needs --output".into())
        }
        Some(target) => Ok((target, compression)),
        None => {
            Err("say what to write with --to json, edn, jepsen-log, porcupine or parquet".into())
        }
    }
}

/// Writes beside the file and puts it in place when it is whole: what was there before is not lost to an error.
fn to_file(
    history: &History,
    target: Target,
    compression: Compression,
    path: &Path,
) -> anyhow::Result<()> {
    let mut partial = path.as_os_str().to_owned();
    partial.push(".partial");
    let partial = PathBuf::from(partial);
    let written = File::create(&partial)
        .map_err(anyhow::Error::from)
        .and_then(|file| write(history, target, compression, BufWriter::new(file)))
        .and_then(|()| Ok(std::fs::rename(&partial, path)?));
    written.map_err(|error| {
        // It may never have been there.
        let _ = std::fs::remove_file(&partial);
        error.context(format!("cannot convert to {}", path.display()))
    })
}

/// Whoever reads the output may have had enough of it.
fn to_output(history: &History, target: Target, compression: Compression) -> anyhow::Result<()> {
    let written = write(history, target, compression, BufWriter::new(io::stdout()));
    written.or_else(|error| match io_error(&error).map(io::Error::kind) {
        Some(io::ErrorKind::BrokenPipe) => Ok(()),
        _ => Err(error),
    })
}

fn write(
    history: &History,
    target: Target,
    compression: Compression,
    out: impl Write + Send,
) -> anyhow::Result<()> {
    let Target::History(format) = target else { return export::parquet(history, out) };
    let mut out = Compressor::new(out, compression);
    history.write(format, &mut out)?;
    out.finish().map_err(WriteError::Io)?;
    Ok(())
}

fn io_error(error: &anyhow::Error) -> Option<&io::Error> {
    match error.downcast_ref() {
        Some(WriteError::Io(error)) => Some(error),
        _ => error.downcast_ref(),
    }
}

/// A history that does not fit the form is the user's to change; all else is a failure of the machine.
fn exit_code(error: &anyhow::Error) -> ExitCode {
    match error.downcast_ref() {
        Some(WriteError::Unfit { .. }) => ExitCode::Usage,
        _ => ExitCode::RunFailed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arguments(words: &[&str]) -> ConvertArguments {
        #[derive(clap::Parser)]
        struct Line {
            #[command(flatten)]
            arguments: ConvertArguments,
        }
        <Line as clap::Parser>::parse_from(std::iter::once(&"convert").chain(words)).arguments
    }

    #[test]
    fn the_extension_tells_what_the_arguments_leave_out() {
        let check = |words: &[&str], target, compression| {
            assert_eq!(asked(&arguments(words)), Ok((target, compression)), "{words:?}");
        };
        let json = Target::History(Format::Json);
        check(&["in", "-o", "out.jsonl.gz"], json, Compression::Gzip);
        check(&["in", "-o", "out.edn.zst"], Target::History(Format::Edn), Compression::Zstd);
        check(
            &["in", "-o", "out.edn", "--to", "json", "--compress", "gzip"],
            json,
            Compression::Gzip,
        );
        check(&["in", "-o", "out.parquet"], Target::Parquet, Compression::None);
        let check_wrong = |words: &[&str], reason: &str| {
            let error = asked(&arguments(words)).unwrap_err();
            assert!(error.contains(reason), "{error}");
        };
        check_wrong(&["in"], "say what to write");
        check_wrong(&["in", "-o", "out.xyz"], "say what to write");
        check_wrong(&["in", "-o", "out.parquet.gz"], "never packed");
        check_wrong(&["in", "--to", "parquet"], "needs --output");
    }

    #[test]
    fn an_error_leaves_what_was_there() {
        let place = tempfile::tempdir().unwrap();
        let file = |name: &str| place.path().join(name).to_string_lossy().into_owned();
        let (input, output) = (file("in.edn"), file("out.log"));
        std::fs::write(&input, "{:type :invoke :process 0 :f :read :key 1}\n").unwrap();
        std::fs::write(&output, "as it was").unwrap();
        assert_eq!(convert(&arguments(&[&input, "-o", &output])), ExitCode::Usage);
        assert_eq!(std::fs::read_to_string(&output).unwrap(), "as it was");
        assert_eq!(convert(&arguments(&[&input, "-o", &output, "--to", "json"])), ExitCode::Valid);
        assert!(std::fs::read_to_string(&output).unwrap().starts_with("{\"index\":0,"));
        assert_eq!(std::fs::read_dir(place.path()).unwrap().count(), 2);
        assert_eq!(convert(&arguments(&[&file("absent"), "--to", "json"])), ExitCode::Usage);
        assert_eq!(
            convert(&arguments(&[&input, "-o", &file("no/such/out.edn")])),
            ExitCode::RunFailed
        );
    }
}
