//! The log of a node, as its traces tell.

use std::collections::BTreeMap;

use rustc_hash::FxHashMap;

use crate::trace::{Event, Hash, Line, Position, Trace};

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
            Event::Restarted { last_index, last_hashes, snapshot, .. } => {
                self.restart(*last_index, last_hashes, *snapshot, &trace.lines[seq + 1..]);
            }
            Event::Installed { at, log_ends } => {
                if *log_ends == at.index {
                    self.hashes.clear(); // What was there before may have been another log.
                }
                self.hashes.insert(at.index, at.hash);
            }
            Event::Appended { at } => {
                self.truncate(at.index);
                self.hashes.insert(at.index, at.hash);
            }
            Event::Truncated { from } => self.truncate(*from),
            _ => {}
        }
    }

    /// The hash of the log up to an index, where it is known: from the node's own traces, or because the log goes on to a place that other
    /// traces tell the way to.
    pub(super) fn hash(&self, index: u64, ancestry: &Ancestry) -> Option<Hash> {
        let (known, hash) = self.hashes.range(index..).next()?;
        let mut hash = *hash;
        for above in (index + 1..=*known).rev() {
            hash = ancestry.before(above, hash)?;
        }
        Some(hash)
    }

    fn truncate(&mut self, from: u64) {
        // Nearly always there is nothing to remove.
        if self.hashes.last_key_value().is_some_and(|(last, _)| *last >= from) {
            self.hashes.split_off(&from);
        }
    }

    /// A log of which the last hashes are shown. Where the first of them is as it was, everything before it is, too: equal hashes
    /// mean equal logs.
    fn restart(
        &mut self,
        last_index: u64,
        shown: &[Hash],
        snapshot: Option<Position>,
        later: &[Line],
    ) {
        let first = last_index.saturating_sub(shown.len() as u64) + 1;
        let held = |index, hash: &Hash| self.hashes.get(&index) == Some(hash);
        let known = first == 1
            || shown.first().is_some_and(|hash| held(first, hash))
            || snapshot.is_some_and(|at| at.index + 1 == first && held(at.index, &at.hash));
        if !known {
            self.hashes.clear();
            self.learn(last_index, later);
        }
        self.truncate(first);
        self.hashes.extend(snapshot.map(|at| (at.index, at.hash)));
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

/// What comes before each place in any log. The chained hash of a place stands for all that comes before it, so whoever appended or applied
/// two neighbours tells it for every log that has the second.
#[derive(Debug, Default)]
pub(super) struct Ancestry(FxHashMap<(u64, Hash), Hash>);

impl Ancestry {
    pub(super) fn collect(traces: &[Trace]) -> Self {
        let mut ancestry = Self::default();
        for trace in traces {
            let mut log = NodeLog::default();
            let mut applied: Option<Position> = None;
            for (seq, line) in trace.lines.iter().enumerate() {
                match &line.event {
                    Event::Appended { at } => {
                        let before = at.index.checked_sub(1).and_then(|i| log.hashes.get(&i));
                        ancestry.0.extend(before.map(|hash| ((at.index, at.hash), *hash)));
                    }
                    Event::Applied { at, .. } => {
                        let before = applied.filter(|before| before.index + 1 == at.index);
                        ancestry.0.extend(before.map(|before| ((at.index, at.hash), before.hash)));
                        applied = Some(*at);
                    }
                    Event::Installed { at, .. } | Event::Restarted { snapshot: Some(at), .. } => {
                        applied = Some(*at);
                    }
                    _ => {}
                }
                log.follow(trace, seq);
            }
        }
        ancestry
    }

    /// The hash just before a place.
    fn before(&self, index: u64, hash: Hash) -> Option<Hash> {
        self.0.get(&(index, hash)).copied()
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
        let ancestry = Ancestry::default();
        let hash = |index| log.hash(index, &ancestry).map_or(0, |hash| hash.0);
        let hashes: Vec<_> = (1..=expected.len() as u64).map(hash).collect();
        assert_eq!(hashes, expected, "{text}");
        assert_eq!(log.hash(expected.len() as u64 + 1, &ancestry), None, "{text}");
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

    #[test]
    fn a_snapshot_is_a_log_of_which_one_place_is_known() {
        let two = "n1.1 1 append 1@1 a\nn1.1 1 append 2@1 b\n";
        check(&(two.to_string() + "n1.1 2 install 3@2 c 3"), &[0, 0, 0xc]);
        check(&(two.to_string() + "n1.1 1 append 3@1 c\nn1.1 2 install 2@1 b 3"), &[0xa, 0xb, 0xc]);
        check(&(two.to_string() + "n1.2 2 restart 3@2 c - 2@1 b"), &[0xa, 0xb, 0xc]);
        check(&(two.to_string() + "n1.2 2 restart 3@2 c - 2@1 e"), &[0, 0xe, 0xc]);
    }

    #[test]
    fn what_comes_before_a_known_place_others_may_tell() {
        let others =
            "n2.1 1 append 1@1 a\nn2.1 1 append 2@1 b\nn2.1 1 apply 3@1 c\nn2.1 1 apply 4@1 d\n";
        let ancestry = Ancestry::collect(&traces(others));
        let installed = |at: &str| {
            let mut log = NodeLog::default();
            let traces = traces(&format!("n1.1 2 install {at}"));
            log.follow(&traces[0], 0);
            log
        };
        assert_eq!(installed("4@1 d 4").hash(3, &ancestry), Some(Hash(0xc)));
        assert_eq!(
            installed("4@1 d 4").hash(2, &ancestry),
            None,
            "nobody tells of 2 and 3 together"
        );
        assert_eq!(installed("2@1 b 2").hash(1, &ancestry), Some(Hash(0xa)));
        assert_eq!(installed("4@1 e 4").hash(3, &ancestry), None, "another log");
    }
}
