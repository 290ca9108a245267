//! What the scripts read and write: nodes, states, events and messages in words.

use std::collections::BTreeSet;
use std::error::Error;

use super::super::effects::Answer;
use super::super::log::Payload;
use super::super::message::Body;
use super::super::{Configuration, LogIndex, NodeId, Role};
use super::Node;
use crate::trace::Event;

/// What goes wrong in a script, in words.
pub(super) type Result<T> = std::result::Result<T, Box<dyn Error>>;

pub(super) fn parse(text: &str) -> Result<NodeId> {
    match text.as_bytes() {
        [letter @ b'a'..=b'i'] => Ok(NodeId(u32::from(letter - b'a') + 1)),
        _ => Err(format!("{text} is not a node: a, b, c…").into()),
    }
}

/// `a,b,c`, or nothing.
pub(super) fn nodes(text: &str) -> Result<BTreeSet<NodeId>> {
    text.split(',').filter(|name| !name.is_empty()).map(parse).collect()
}

pub(super) fn name(id: NodeId) -> char {
    char::from(b'a' + (id.0 - 1) as u8)
}

fn names<'a>(ids: impl IntoIterator<Item = &'a NodeId>) -> String {
    ids.into_iter().map(|id| name(*id)).collect()
}

pub(super) fn state_words(id: NodeId, node: &Node) -> String {
    let Some(raft) = &node.raft else { return format!("{} down", name(id)) };
    let role = match raft.role() {
        Role::Follower { leader: Some(leader) } => format!("follower of {}", name(*leader)),
        Role::Follower { leader: None } => "follower".into(),
        Role::PreCandidate { grants } => format!("asks around, with {}", names(grants)),
        Role::Candidate { votes, .. } => format!("candidate with {}", names(votes)),
        Role::Leader(_) => "leader".into(),
    };
    let vote =
        raft.hard_state.vote.map_or_else(|| "none".to_string(), |vote| name(vote).to_string());
    let base = raft.log.base_index();
    let forgotten = (base > LogIndex(0)).then(|| format!("up to {base} forgotten"));
    let kept = raft.log.slice(base.next(), u64::MAX).iter().map(|entry| {
        let mark = if entry.index > raft.commit() { "?" } else { "" };
        format!("{}@{}{mark}", payload_words(&entry.payload), entry.term)
    });
    let log: Vec<_> = forgotten.into_iter().chain(kept).collect();
    format!(
        "{} {role}, term {}, vote {vote}, commit {}, log [{}], value {}",
        name(id),
        raft.term(),
        raft.commit(),
        log.join(", "),
        node.value.as_deref().unwrap_or("none")
    )
}

fn payload_words(payload: &Payload) -> String {
    match payload {
        Payload::Noop => "noop".into(),
        Payload::Configuration(configuration) => {
            let Configuration { voters, outgoing, learners, .. } = &**configuration;
            configuration_words(
                voters.iter().copied(),
                outgoing.iter().copied(),
                learners.iter().copied(),
            )
        }
        Payload::Command(command) => String::from_utf8_lossy(command).into_owned(),
    }
}

fn configuration_words(
    voters: impl IntoIterator<Item = NodeId>,
    outgoing: impl IntoIterator<Item = NodeId>,
    learners: impl IntoIterator<Item = NodeId>,
) -> String {
    let names = |ids: Vec<NodeId>| names(&ids);
    let (voters, outgoing, learners) = (
        names(voters.into_iter().collect()),
        names(outgoing.into_iter().collect()),
        names(learners.into_iter().collect()),
    );
    let from = if outgoing.is_empty() { String::new() } else { format!(" from {outgoing}") };
    let and = if learners.is_empty() { String::new() } else { format!(", learning {learners}") };
    format!("members are {voters}{from}{and}")
}

pub(super) fn event_words(event: &Event) -> String {
    let who =
        |id: &Option<NodeId>| id.map_or_else(|| "nobody".to_string(), |id| name(id).to_string());
    match event {
        Event::Started { .. } => "starts".into(),
        Event::Restarted { vote, last_index, last_term, .. } => {
            format!("restarts: vote {}, log ends at {last_index}@{last_term}", who(vote))
        }
        Event::BecameFollower { leader } => format!("follows {}", who(leader)),
        Event::BecamePreCandidate => "asks around".into(),
        Event::BecameCandidate => "is candidate".into(),
        Event::BecameLeader { .. } => "is LEADER".into(),
        Event::VoteGranted { candidate } => format!("votes for {}", name(*candidate)),
        Event::Appended { at } => format!("appends {}@{}", at.index, at.entry_term),
        Event::Truncated { from } => format!("removes its log from {from} on"),
        Event::Installed { at, log_ends } => {
            format!("takes a snapshot up to {}, its log ends at {log_ends}", at.index)
        }
        Event::Configured { voters, outgoing, learners } => configuration_words(
            voters.iter().copied(),
            outgoing.iter().copied(),
            learners.iter().copied(),
        ),
        Event::Acked { leader, match_index } => {
            format!("acknowledges {match_index} to {}", name(*leader))
        }
        Event::Committed { at } => format!("has committed up to {}", at.index),
        Event::Applied { at } => format!("applies {}", at.index),
        Event::ConnectionRefused { .. } | Event::StateDigest { .. } => unreachable!("the shell's"),
    }
}

pub(super) fn body_words(body: &Body) -> String {
    match body {
        Body::PreVote { last_index, last_term } => {
            format!("would you vote for me? my log ends at {last_index}@{last_term}")
        }
        Body::PreVoteReply { campaign, granted } => {
            format!("I would {}vote for you in {campaign}", if *granted { "" } else { "not " })
        }
        Body::RequestVote { last_index, last_term, transfer } => {
            let why = if *transfer { ", the leader hands over" } else { "" };
            format!("vote for me{why}, my log ends at {last_index}@{last_term}")
        }
        Body::RequestVoteReply { granted: true } => "you have my vote".into(),
        Body::RequestVoteReply { granted: false } => "you do not get my vote".into(),
        Body::AppendEntries { prev_index, prev_term, entries, commit, round } => {
            let entries: Vec<_> = entries
                .iter()
                .map(|entry| format!("{}@{}", payload_words(&entry.payload), entry.term))
                .collect();
            let what = if entries.is_empty() {
                "heartbeat".to_string()
            } else {
                format!("append {}", entries.join(", "))
            };
            format!("{what} after {prev_index}@{prev_term}, commit {commit}, round {round}")
        }
        Body::AppendAccepted { match_index, round, repairing } => {
            let but = if *repairing { " (repairing)" } else { "" };
            format!("accepted up to {match_index}, round {round}{but}")
        }
        Body::AppendRejected { prev_index, retry_from, round, repairing } => {
            let but = if *repairing { " (repairing)" } else { "" };
            format!("rejected after {prev_index}, try from {retry_from}, round {round}{but}")
        }
        Body::TimeoutNow { last_index, last_term } => {
            format!("take over, if your log ends at {last_index}@{last_term}")
        }
        Body::InstallSnapshot { meta, offset, chunk, done, round } => format!(
            "snapshot up to {}@{}, bytes {offset} to {}{}, round {round}",
            meta.last_index,
            meta.last_term,
            offset + chunk.len() as u64,
            if *done { ", which is all" } else { "" }
        ),
        Body::SnapshotReceived { last_index, offset, round } => {
            format!("have {offset} bytes of the snapshot up to {last_index}, round {round}")
        }
        Body::ReadIndex { id } => format!("how far must I be for request {}?", id.0),
        Body::ReadIndexReply { id, index } => format!("for request {}, at {index}", id.0),
    }
}

pub(super) fn answer_words(answer: Answer) -> String {
    match answer {
        Answer::NotLeader { leader: Some(leader) } => {
            format!("not the leader, {} is", name(leader))
        }
        Answer::NotLeader { leader: None } => "not the leader, and knows none".into(),
        Answer::OutcomeUnknown => "outcome unknown".into(),
        Answer::ReadAbandoned => "read abandoned".into(),
        Answer::Refused(refusal) => format!("refused, {refusal}"),
    }
}
