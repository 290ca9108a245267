//! What is told to whoever started us. If nobody listens any more (`| head`, a full disk), that is no reason to end: a run, its files and its exit code do not
//! hang on it, as they would with `println!`, which panics.

/// A line on standard output.
macro_rules! out {
    ($($what:tt)*) => {{
        use std::io::Write as _;
        let _ = writeln!(std::io::stdout(), $($what)*);
    }};
}

/// A line on standard error.
macro_rules! err {
    ($($what:tt)*) => {{
        use std::io::Write as _;
        let _ = writeln!(std::io::stderr(), $($what)*);
    }};
}

pub(crate) use {err, out};
