//! An order of the operations of one object, replayed.
//!
//! It must name every operation that certainly took effect exactly once, may name any whose outcome nobody knows, and none that failed. Real time is
//! respected if nobody in the order completed before somebody who stands before was invoked: one running maximum (CHECKER.md calls it the witness
//! check). Every result must be what the sequential specification gives. So it is linearizable, by definition.

use super::specification::State;
use super::{Refusal, Verifier, refuse};
use crate::history::{Outcome, ValueId};

impl Verifier<'_> {
    /// Checks the order of an object.
    pub(super) fn order(
        &mut self,
        key: ValueId,
        places: &[u32],
        order: &[u32],
    ) -> Result<(), Refusal> {
        let operations = self.history.operations();
        let mut state = State::initial(self.model);
        let mut latest = 0;
        for place in order {
            self.name(key, *place)?;
            let operation = &operations[*place as usize];
            if operation.completed < latest {
                return refuse(format!(
                    "{} completed before one that stands before it began",
                    self.words(*place)
                ));
            }
            latest = latest.max(operation.invoked);
            match self.act(*place)? {
                Some(act) if !state.apply(&act) => {
                    return refuse(format!("{} is wrong where it stands", self.words(*place)));
                }
                None if operation.outcome == Outcome::Fail => {
                    return refuse(format!("{} certainly did not happen", self.words(*place)));
                }
                Some(_) | None => {}
            }
        }
        self.nothing_is_missing(places)
    }

    /// Everything that certainly took effect, or that says what the value was not, was named.
    fn nothing_is_missing(&mut self, places: &[u32]) -> Result<(), Refusal> {
        for place in places {
            let must = match self.history.operations()[*place as usize].outcome {
                Outcome::Ok => true,
                Outcome::Fail => self.act(*place)?.is_some(),
                Outcome::Info | Outcome::Open => false,
            };
            if must && !self.named[*place as usize] {
                return refuse(format!("{} is missing from the order", self.words(*place)));
            }
        }
        Ok(())
    }
}
