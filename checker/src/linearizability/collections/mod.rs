//! Collections whose elements are unique, and objects as simple: queue, stack, set, mutex, counter, list. Each has an exact algorithm that is linear or nearly so.
//!
//! An algorithm answers `None` where its preconditions do not hold: an element that was added twice, an unknown operation, an outcome that
//! it cannot account for. It never guesses.
//!
//! Time is counted in *gaps*: gap `g` is what lies between event `g` and the next. An operation takes effect in one of the gaps
//! `invoked..completed`. An element is certainly inside during its *critical interval*, the gaps from the first moment at which its add must
//! have taken effect to the last at which its remove cannot have.

mod counter;
mod culprit;
mod empties;
mod kahn;
mod list;
mod prepare;
mod queue;
mod stack;
mod two_state;

#[cfg(test)]
mod oracle;

pub(super) use self::counter::counter;
pub(super) use self::list::list;
pub(super) use self::queue::queue;
pub(super) use self::stack::stack;
pub(super) use self::two_state::{mutex, set};
