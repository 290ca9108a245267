//! The kinds of messages between nodes, by the names that workloads and reports use.

use std::fmt;

use serde::de::{self, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

/// A kind of message of the reference node (Raft, figures 2 and 13; the dissertation for pre-votes, reads and hand-over).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum MessageKind {
    PreVote,
    PreVoteReply,
    RequestVote,
    RequestVoteReply,
    /// With entries.
    AppendEntries,
    /// An append without entries.
    Heartbeat,
    /// The answer to an append or a heartbeat.
    AppendReply,
    ReadIndex,
    ReadIndexReply,
    InstallSnapshot,
    SnapshotReply,
    TimeoutNow,
}

impl MessageKind {
    /// All of them, in their order.
    pub(crate) const ALL: [Self; 12] = [
        Self::PreVote,
        Self::PreVoteReply,
        Self::RequestVote,
        Self::RequestVoteReply,
        Self::AppendEntries,
        Self::Heartbeat,
        Self::AppendReply,
        Self::ReadIndex,
        Self::ReadIndexReply,
        Self::InstallSnapshot,
        Self::SnapshotReply,
        Self::TimeoutNow,
    ];

    /// Its name in workloads.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::PreVote => "pre_vote",
            Self::PreVoteReply => "pre_vote_reply",
            Self::RequestVote => "request_vote",
            Self::RequestVoteReply => "request_vote_reply",
            Self::AppendEntries => "append_entries",
            Self::Heartbeat => "heartbeat",
            Self::AppendReply => "append_reply",
            Self::ReadIndex => "read_index",
            Self::ReadIndexReply => "read_index_reply",
            Self::InstallSnapshot => "install_snapshot",
            Self::SnapshotReply => "snapshot_reply",
            Self::TimeoutNow => "timeout_now",
        }
    }
}

impl fmt::Display for MessageKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Reads one kind or a list of them.
pub(super) fn one_or_more<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<MessageKind>, D::Error> {
    struct OneOrMore;
    impl<'de> Visitor<'de> for OneOrMore {
        type Value = Vec<MessageKind>;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a type of messages, or a list of them")
        }
        fn visit_str<E: de::Error>(self, name: &str) -> Result<Self::Value, E> {
            MessageKind::deserialize(de::value::StrDeserializer::new(name)).map(|kind| vec![kind])
        }
        fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
            let mut kinds = Vec::new();
            while let Some(kind) = list.next_element()? {
                kinds.push(kind);
            }
            Ok(kinds)
        }
    }
    deserializer.deserialize_any(OneOrMore)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_they_are_written_one_or_several() {
        #[derive(Deserialize)]
        struct Of(#[serde(deserialize_with = "one_or_more")] Vec<MessageKind>);
        let read = |text: &str| serde_json::from_str(text).map(|Of(kinds)| kinds);
        assert_eq!(read(r#""heartbeat""#).unwrap(), [MessageKind::Heartbeat]);
        let both = [MessageKind::RequestVote, MessageKind::TimeoutNow];
        assert_eq!(read(&serde_json::to_string(&both).unwrap()).unwrap(), both);
        assert_eq!(both.map(MessageKind::name), ["request_vote", "timeout_now"]);
        assert!(read(r#""heartbeats""#).is_err());
        for (place, kind) in MessageKind::ALL.into_iter().enumerate() {
            assert_eq!(
                (kind as usize, read(&format!("[{:?}]", kind.name())).unwrap()),
                (place, vec![kind])
            );
        }
    }
}
