//! The log of a node, as its traces tell.

use std::collections::BTreeMap;

use crate::trace::{Event, Hash, Line, Trace};

/// What is known of a node's log at a line of its trace.
///
/// A node writes to disk first and to its trace then. When it is killed in between, its next incarnation starts on a log of which the trace does
/// not know the end, nor what was removed for it. It shows the end; of what lies before only what later lines tell is known.
#[derive(Debug, Default)]
pub(super) struct NodeLog {
    /// The hash of the log up to an index, where it is known.
    hashes: BTreeMap<u64, Hash>,
}

impl NodeLog {
    /// Takes the next line of the node's trace.
    pub(super) fn follow(&mut self, trace: &Trace, seq: usize) {
        match &trace.lines[seq].event {
            Event::Started { .. } => *self = Self::default(),
            Event::Restarted { last_index, last_hashes, .. } => {
                self.restart(*last_index, last_hashes, &trace.lines[seq + 1..]);
            }
            Event::Appended { at } => {
                self.truncate(at.index);
                self.hashes.insert(at.index, at.hash);
            }
            Event::Truncated { from } => self.truncate(*from),
            _ => {}
        }
    }

    /// The hash of the log up to an index, where it is known.
    pub(super) fn hash(&self, index: u64) -> Option<Hash> {
        self.hashes.get(&index).copied()
    }

    fn truncate(&mut self, from: u64) {
        // Nearly always there is nothing to remove.
        if self.hashes.last_key_value().is_some_and(|(last, _)| *last >= from) {
            self.hashes.split_off(&from);
        }
    }

    /// A log of which the last hashes are shown. Where the first of them is as it was, everything before it is, too: equal hashes
    /// mean equal logs.
    fn restart(&mut self, last_index: u64, shown: &[Hash], later: &[Line]) {
        let first = last_index.saturating_sub(shown.len() as u64) + 1;
        let known = first == 1 || shown.first().is_some_and(|hash| self.hash(first) == Some(*hash));
        if !known {
            self.hashes.clear();
            self.learn(last_index, later);
        }
        self.truncate(first);
        self.hashes.extend((first..=last_index).zip(shown.iter().copied()));
    }

    /// What the incarnation commits and applies of the log on which it started shows what that held.
    fn learn(&mut self, last_index: u64, later: &[Line]) {
        let mut kept = last_index;
        for line in later {
            match &line.event {
                Event::Truncated { from } => kept = kept.min(from.saturating_sub(1)),
                Event::Committed { at } | Event::Applied { at, .. } if at.index <= kept => {
                    self.hashes.insert(at.index, at.hash);
                }
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::traces;
    use super::*;

    /// The hashes after all lines, 0 where none is known.
    fn check(text: &str, expected: &[u64]) {
        let mut log = NodeLog::default();
        for trace in &traces(text) {
            (0..trace.lines.len()).for_each(|seq| log.follow(trace, seq));
        }
        let hash = |index| log.hash(index).map_or(0, |hash| hash.0);
        let hashes: Vec<_> = (1..=expected.len() as u64).map(hash).collect();
        assert_eq!(hashes, expected, "{text}");
        assert_eq!(log.hash(expected.len() as u64 + 1), None, "{text}");
    }

    #[test]
    fn a_log_is_followed_over_cuts_and_restarts() {
        let three = "n1.1 1 append 1@1 a\nn1.1 1 append 2@1 b\nn1.1 1 append 3@1 c\n";
        check(three, &[0xa, 0xb, 0xc]);
        let cut = three.to_string() + "n1.1 2 truncate 2\nn1.1 2 append 2@2 d";
        check(&cut, &[0xa, 0xd]);
        check(&(three.to_string() + "n1.1 2 truncate 2"), &[0xa]);
        check(&(three.to_string() + "n1.1 2 append 2@2 d"), &[0xa, 0xd]);
        check(&(three.to_string() + "n1.2 1 restart 3@1 c"), &[0xa, 0xb, 0xc]);
        check(&(three.to_string() + "n1.2 1 restart 2@1 b"), &[0xa, 0xb]);
        check(&(three.to_string() + "n1.2 0 start"), &[]);
        check(&(three.to_string() + "n1.2 1 restart 0@0"), &[]);
    }

    #[test]
    fn what_the_trace_did_not_see_is_shown_or_learned_and_not_guessed() {
        let two = "n1.1 1 append 1@1 a\nn1.1 1 append 2@1 b\n";
        // The first that is shown is known, so what lies before it is, too.
        check(&(two.to_string() + "n1.2 2 restart 3@2 b,f"), &[0xa, 0xb, 0xf]);
        check(&(two.to_string() + "n1.2 2 restart 3@2 a,e,f"), &[0xa, 0xe, 0xf]);
        let behind = two.to_string() + "n1.2 2 restart 3@2 f\n";
        check(&behind, &[0, 0, 0xf]);
        check(&(behind.clone() + "n1.2 2 apply 1@1 a\nn1.2 2 commit 2@1 e"), &[0xa, 0xe, 0xf]);
        // Applied after it was replaced: says nothing of the log before.
        check(&(behind + "n1.2 2 truncate 2\nn1.2 2 append 2@3 9\nn1.2 2 apply 2@3 9"), &[0, 9]);
        // Where nothing is shown nothing is known, not even that nothing happened.
        check(&(two.to_string() + "n1.2 1 restart 2@1"), &[0, 0]);
    }
}
