//! A client that waits until another node leads. To Raft a transfer is a wish that has no answer; whether it has come true shows in who leads.

use tokio::sync::oneshot;

use crate::client::Response;
use crate::raft::{Handover, NodeId, Raft, Term};

/// The client.
#[derive(Debug)]
pub(crate) struct Waiter {
    /// Who is to lead.
    to: NodeId,
    /// The term that is to end.
    term: Term,
    /// How long it still waits for a leader once this node has stepped down.
    ticks_left: u32,
    reply: oneshot::Sender<Response>,
}

impl Waiter {
    /// Waits for `to` to take over from this node, which leads in `term`. Twice as long as the longest election time-out: within one the transfer is given
    /// up or the other is a candidate, within another somebody is elected, in most cases.
    pub(crate) fn new(
        to: NodeId,
        term: Term,
        election_timeout_ticks: u32,
        reply: oneshot::Sender<Response>,
    ) -> Self {
        Self { to, term, ticks_left: 2 * election_timeout_ticks, reply }
    }

    pub(crate) fn tick(&mut self) {
        self.ticks_left = self.ticks_left.saturating_sub(1);
    }

    /// Answers if there is an answer; else the client goes on waiting.
    pub(crate) fn maybe_answer(self, raft: &Raft) -> Option<Self> {
        let Some(response) = self.response(raft.term(), raft.leader(), raft.handover()) else {
            return Some(self);
        };
        let _ = self.reply.send(response); // The client may have given up.
        None
    }

    /// What has come of it, given this node's term, whom it follows there, and, if it leads, how far it has handed over.
    fn response(
        &self,
        term: Term,
        leader: Option<NodeId>,
        handover: Option<Handover>,
    ) -> Option<Response> {
        let to = self.to;
        match (leader, handover) {
            (_, Some(Handover::UnderWay)) if term == self.term => None,
            (_, Some(Handover::None)) if term == self.term => {
                let reason = format!("{to} did not catch up in time");
                Some(Response::Refused { reason })
            }
            (_, Some(_)) if term == self.term => {
                let reason = format!("{to} was told, and has not taken over yet");
                Some(Response::Unknown { reason })
            }
            (Some(leader), _) if leader == to => Some(Response::HandedOver { term: term.0 }),
            // The word to take over was for the old term only.
            (Some(leader), _) => {
                Some(Response::Refused { reason: format!("{leader} was elected instead of {to}") })
            }
            (None, _) if self.ticks_left == 0 => {
                Some(Response::Unknown { reason: "nobody is known to lead".into() })
            }
            (None, _) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(
        term: u64,
        leader: Option<u32>,
        handover: Option<Handover>,
        ticks: u32,
        expected: &str,
    ) {
        let mut waiter = Waiter::new(NodeId(2), Term(5), 1, oneshot::channel().0);
        (0..ticks).for_each(|_| waiter.tick());
        let words = match waiter.response(Term(term), leader.map(NodeId), handover) {
            None => "waits".to_string(),
            Some(Response::HandedOver { term }) => format!("done in {term}"),
            Some(Response::Refused { reason }) => format!("refused: {reason}"),
            Some(Response::Unknown { reason }) => format!("unknown: {reason}"),
            Some(other) => panic!("{other:?}"),
        };
        assert_eq!(words, expected);
    }

    #[test]
    fn only_what_can_come_to_nothing_more_is_refused() {
        check(5, Some(1), Some(Handover::UnderWay), 0, "waits");
        check(5, Some(1), Some(Handover::None), 0, "refused: n2 did not catch up in time");
        let told = "unknown: n2 was told, and has not taken over yet";
        check(5, Some(1), Some(Handover::Told), 0, told);
        check(6, None, None, 1, "waits");
        check(6, None, None, 2, "unknown: nobody is known to lead");
        check(6, Some(2), None, 0, "done in 6");
        check(6, Some(3), None, 0, "refused: n3 was elected instead of n2");
        check(7, Some(1), Some(Handover::None), 0, "refused: n1 was elected instead of n2");
    }
}
