//! Which operations on a register are open.

use std::collections::VecDeque;

/// Open operations in the order of their invocations, and closed ones between them.
#[derive(Debug, Default)]
pub(super) struct OpenOperations {
    /// Invocation of each, and whether it is still open. The first is open.
    window: VecDeque<(u64, bool)>,
    /// How many have left the window.
    left: u64,
}

/// Where an operation stands among all that were begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ticket(u64);

impl OpenOperations {
    /// Begins an operation; invocations grow.
    pub(super) fn begin(&mut self, invoked: u64) -> Ticket {
        self.window.push_back((invoked, true));
        Ticket(self.left + self.window.len() as u64 - 1)
    }

    /// Ends one that is open.
    pub(super) fn end(&mut self, ticket: Ticket) {
        self.window[(ticket.0 - self.left) as usize].1 = false;
        while self.window.pop_front_if(|(_, is_open)| !*is_open).is_some() {
            self.left += 1;
        }
    }

    /// The first invocation of an open operation. Whatever completed before has completed before everything that is open or still to come.
    pub(super) fn first(&self) -> u64 {
        self.window.front().map_or(u64::MAX, |(invoked, _)| *invoked)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_open_operation_is_known_whatever_ends_first() {
        let mut open = OpenOperations::default();
        let tickets = [3, 5, 8].map(|invoked| open.begin(invoked));
        open.end(tickets[1]);
        assert_eq!(open.first(), 3);
        open.end(tickets[0]);
        assert_eq!(open.first(), 8);
        open.end(tickets[2]);
        assert_eq!(open.first(), u64::MAX);
        assert_eq!(open.window.len(), 0);
    }
}
