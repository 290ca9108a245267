//! What waits to be sent to one peer.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use tokio::sync::Notify;

use crate::raft::{Body, Message};

/// Messages that may wait. Beyond it the oldest are dropped, which Raft must bear anyway.
const MESSAGES_MAX: usize = 1_024;

/// A bounded queue that keeps no message once a later one makes it useless: a peer that could not be reached for a while hears what is, not what was.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    waiting: Mutex<VecDeque<Message>>,
    added: Notify,
}

impl Outbox {
    pub(super) fn push(&self, message: Message) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.retain(|earlier| !supersedes(&message, earlier));
        if waiting.len() == MESSAGES_MAX {
            waiting.pop_front();
        }
        waiting.push_back(message);
        drop(waiting);
        self.added.notify_one();
    }

    /// The next message; waits until there is one. For one taker.
    pub(super) async fn pop(&self) -> Message {
        loop {
            let added = self.added.notified();
            let next = self.waiting.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
            match next {
                Some(message) => return message,
                None => added.await,
            }
        }
    }

    pub(super) fn clear(&self) {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

/// Whether nothing is lost if only the later of two messages to the same peer arrives.
fn supersedes(later: &Message, earlier: &Message) -> bool {
    if later.term != earlier.term {
        return later.term > earlier.term; // Its receiver would do no more than tell us of the later term.
    }
    match (&later.body, &earlier.body) {
        (
            Body::AppendEntries { entries: later, commit, round, .. },
            Body::AppendEntries { entries: earlier, commit: known, round: asked, .. },
        ) => later.is_empty() && earlier.is_empty() && commit >= known && round >= asked,
        (
            Body::AppendAccepted { match_index, round, repairing },
            Body::AppendAccepted { match_index: known, round: answered, repairing: was },
        ) => match_index >= known && round >= answered && repairing == was,
        // Asked or told once more.
        (later, earlier) => later == earlier,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::raft::{Entry, LogIndex, Payload, Term};

    fn append(term: u64, commit: u64, entries: u64, round: u64) -> Message {
        let entry = |index| Entry { index: LogIndex(index), term: Term(1), payload: Payload::Noop };
        let body = Body::AppendEntries {
            prev_index: LogIndex(0),
            prev_term: Term(0),
            entries: (1..=entries).map(entry).collect(),
            commit: LogIndex(commit),
            round,
        };
        Message { term: Term(term), body }
    }

    fn accepted(match_index: u64, round: u64, repairing: bool) -> Message {
        let body = Body::AppendAccepted { match_index: LogIndex(match_index), round, repairing };
        Message { term: Term(1), body }
    }

    fn check(pushed: &[&Message], left: &[&Message]) {
        let outbox = Outbox::default();
        pushed.iter().for_each(|message| outbox.push((*message).clone()));
        let waiting = outbox.waiting.into_inner().unwrap();
        assert_eq!(waiting.iter().collect::<Vec<_>>(), left);
    }

    #[test]
    fn what_a_later_message_says_too_is_not_kept() {
        let (first, second) = (append(1, 4, 0, 1), append(1, 5, 0, 2));
        check(&[&first, &second], &[&second]);
        let (slow, quick) = (accepted(4, 1, false), accepted(6, 1, false));
        check(&[&slow, &first, &quick], &[&first, &quick]);
        let deposed = append(1, 4, 3, 1);
        let leads = append(2, 4, 0, 1);
        check(&[&deposed, &slow, &leads], &[&leads]);
    }

    #[test]
    fn what_only_an_earlier_message_says_is_kept() {
        let (entries, heartbeat) = (append(1, 4, 3, 1), append(1, 4, 0, 2));
        check(&[&entries, &heartbeat], &[&entries, &heartbeat]);
        let (late, early) = (accepted(6, 1, false), accepted(4, 2, false));
        check(&[&late, &early], &[&late, &early]);
        let lost = accepted(7, 3, true);
        check(&[&late, &lost], &[&late, &lost]);
        let leads = append(2, 4, 0, 1);
        check(&[&leads, &entries], &[&leads, &entries]);
    }

    #[test]
    fn a_full_outbox_drops_the_oldest() {
        let messages: Vec<_> =
            (0..MESSAGES_MAX as u64 + 3).map(|commit| append(1, commit, 1, 1)).collect();
        check(&messages.iter().collect::<Vec<_>>(), &messages[3..].iter().collect::<Vec<_>>());
    }

    #[tokio::test]
    async fn whoever_waits_is_woken() {
        let outbox = std::sync::Arc::new(Outbox::default());
        let taker = outbox.clone();
        let taken = tokio::spawn(async move { (taker.pop().await, taker.pop().await) });
        tokio::task::yield_now().await;
        let (first, second) = (append(1, 4, 1, 1), append(1, 5, 2, 1));
        outbox.push(first.clone());
        outbox.push(second.clone());
        assert_eq!(taken.await.unwrap(), (first, second));
    }
}
