//! What is wrong with a workload, where, and what would have been right.

use std::fmt;
use std::path::PathBuf;

use super::spans::Place;

/// Everything that is wrong with one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Diagnostics {
    pub(super) path: PathBuf,
    pub(super) text: String,
    pub(super) problems: Vec<Diagnostic>,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Diagnostic {
    /// Nowhere in particular, when the file could not be read.
    pub(super) place: Option<Place>,
    pub(super) message: String,
}

impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.display();
        for (number, problem) in self.problems.iter().enumerate() {
            if number > 0 {
                writeln!(f)?;
            }
            let Some(Place { line, column }) = problem.place else {
                write!(f, "{path}: {}", problem.message)?;
                continue;
            };
            write!(f, "{path}:{line}:{column}: {}", problem.message)?;
            if let Some(source) = self.text.lines().nth(line.saturating_sub(1)) {
                let margin = line.to_string().len();
                let caret = " ".repeat(column.saturating_sub(1));
                write!(f, "\n  {line} | {source}\n  {:margin$} | {caret}^", "")?;
            }
        }
        Ok(())
    }
}

/// The nearest of the known words, if one is near enough to have been meant.
fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    known
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(word, candidate), candidate))
        .filter(|(distance, candidate)| {
            *distance <= 2 && *distance < candidate.len()
                || strsim::jaro_winkler(word, candidate) >= 0.85
        })
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// What to write instead of a word that is not known.
pub(super) fn suggest(word: &str, known: &[&str]) -> String {
    match nearest(word, known.iter().copied()) {
        Some(near) => format!("; did you mean `{near}`?"),
        None if known.is_empty() => String::new(),
        None => format!("; known are {}", known.join(", ")),
    }
}
