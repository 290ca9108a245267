//! What a message of the reference node is.

use node::raft::{Body, Message};

use crate::workload::MessageKind;

/// Its kind.
pub(super) fn kind_of(message: &Message) -> MessageKind {
    match &message.body {
        Body::PreVote { .. } => MessageKind::PreVote,
        Body::PreVoteReply { .. } => MessageKind::PreVoteReply,
        Body::RequestVote { .. } => MessageKind::RequestVote,
        Body::RequestVoteReply { .. } => MessageKind::RequestVoteReply,
        Body::AppendEntries { entries, .. } if entries.is_empty() => MessageKind::Heartbeat,
        Body::AppendEntries { .. } => MessageKind::AppendEntries,
        Body::AppendAccepted { .. } | Body::AppendRejected { .. } => MessageKind::AppendReply,
        Body::ReadIndex { .. } => MessageKind::ReadIndex,
        Body::ReadIndexReply { .. } => MessageKind::ReadIndexReply,
        Body::InstallSnapshot { .. } => MessageKind::InstallSnapshot,
        Body::SnapshotReceived { .. } => MessageKind::SnapshotReply,
        Body::TimeoutNow { .. } => MessageKind::TimeoutNow,
    }
}

/// Whether only the leader of its term sends it.
pub(super) fn is_of_leader(kind: MessageKind) -> bool {
    matches!(
        kind,
        MessageKind::AppendEntries
            | MessageKind::Heartbeat
            | MessageKind::InstallSnapshot
            | MessageKind::TimeoutNow
    )
}
