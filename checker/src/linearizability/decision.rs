//! What was found about one object.

use crate::verdict::Violation;

/// What was found about one object.
#[derive(Debug)]
pub(crate) enum Decision {
    /// Linearizable.
    Valid {
        /// The operations that took effect, by place in the history, in an order that shows it; where one was asked for and could be had.
        order: Option<Vec<u32>>,
    },
    /// Not linearizable.
    Invalid(Box<Conviction>),
    /// A limit was reached: which, and what is known so far.
    Undecided(String),
}

/// Why an object is not linearizable.
#[derive(Debug)]
pub(crate) struct Conviction {
    /// The operations that are impossible by themselves, by place in the history, in order of invocation. What may be left out of it and still proves
    /// something about the whole depends on the model.
    pub(crate) core: Vec<u32>,
    /// The same in words.
    pub(crate) violation: Violation,
}
