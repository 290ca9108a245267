//! Events of a run that faults can wait for. They serialise as they are written.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::fault::Target;
use super::message_kind::{self, MessageKind};

/// Something that happens in a run. What is counted is counted from the moment when somebody begins to wait.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", try_from = "WrittenTrigger")]
pub(crate) enum Trigger {
    /// A node leads in a term in which none did before.
    Leader(Elected),
    /// So many operations were completed: *ok*, *fail* or *info*.
    Operations(u64),
    /// A message came by.
    Message(MessageEvent),
    /// A node lacks so many of the entries that the leader has committed.
    Behind(Behind),
    /// A node has all that the leader has committed.
    CaughtUp(CaughtUp),
}

/// An event as it is written: a mapping with one key.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenTrigger {
    leader: Option<Elected>,
    operations: Option<u64>,
    message: Option<MessageEvent>,
    behind: Option<Behind>,
    caught_up: Option<CaughtUp>,
}

impl TryFrom<WrittenTrigger> for Trigger {
    type Error = &'static str;

    fn try_from(written: WrittenTrigger) -> Result<Self, Self::Error> {
        let WrittenTrigger { leader, operations, message, behind, caught_up } = written;
        let all = [
            leader.map(Self::Leader),
            operations.map(Self::Operations),
            message.map(Self::Message),
            behind.map(Self::Behind),
            caught_up.map(Self::CaughtUp),
        ];
        let mut named = all.into_iter().flatten();
        match (named.next(), named.next()) {
            (Some(trigger), None) => Ok(trigger),
            _ => Err(
                "expected exactly one of `leader`, `operations`, `message`, `behind`, `caught_up`",
            ),
        }
    }
}

/// What happens to leadership.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Elected {
    /// Somebody new leads, or somebody leads anew.
    Elected,
}

/// A message that is waited for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct MessageEvent {
    /// Its kind: one of these, or any if none is named.
    #[serde(
        rename = "type",
        deserialize_with = "message_kind::one_or_more",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub(crate) kinds: Vec<MessageKind>,
    /// Who sends it.
    #[serde(skip_serializing_if = "Target::is_all")]
    pub(crate) from: Target,
    /// Who is to receive it.
    #[serde(skip_serializing_if = "Target::is_all")]
    pub(crate) to: Target,
    /// Which of them on one link, counted from 1; the first, if nothing is said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) nth: Option<u64>,
}

/// A node whose log is too short.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Behind {
    /// Whose.
    pub(crate) node: Target,
    /// How many committed entries it lacks.
    pub(crate) entries: u64,
}

/// A node whose log is long enough.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CaughtUp {
    /// Whose.
    pub(crate) node: Target,
}

impl Trigger {
    /// In words: `an append_entries message from n1`.
    pub(crate) fn describe(&self) -> String {
        match self {
            Self::Leader(Elected::Elected) => "a new leader".into(),
            Self::Operations(count) => format!("{count} operations"),
            Self::Message(event) => event.describe(),
            Self::Behind(Behind { node, entries }) => {
                format!("{node} being {entries} entries behind")
            }
            Self::CaughtUp(CaughtUp { node }) => format!("{node} having caught up"),
        }
    }

    /// Whether it can only be told by looking at messages.
    pub(crate) fn needs_messages(&self) -> bool {
        matches!(self, Self::Message(_))
    }

    /// The targets that it names, each with its key in the workload.
    pub(crate) fn targets(&self) -> Vec<(&'static str, &Target)> {
        match self {
            Self::Leader(_) | Self::Operations(_) => Vec::new(),
            Self::Message(event) => vec![("from", &event.from), ("to", &event.to)],
            Self::Behind(behind) => vec![("node", &behind.node)],
            Self::CaughtUp(caught_up) => vec![("node", &caught_up.node)],
        }
    }

    /// Its key in the workload.
    pub(crate) fn key(&self) -> &'static str {
        match self {
            Self::Leader(_) => "leader",
            Self::Operations(_) => "operations",
            Self::Message(_) => "message",
            Self::Behind(_) => "behind",
            Self::CaughtUp(_) => "caught_up",
        }
    }
}

impl MessageEvent {
    fn describe(&self) -> String {
        let kinds: Vec<_> = self.kinds.iter().map(|kind| kind.name()).collect();
        let mut words = match (self.nth, kinds.as_slice()) {
            (None | Some(1), []) => "a message".to_string(),
            (None | Some(1), kinds) => format!("a message of type {}", kinds.join(" or ")),
            (Some(nth), []) => format!("message number {nth}"),
            (Some(nth), kinds) => format!("message number {nth} of type {}", kinds.join(" or ")),
        };
        for (word, target) in [("from", &self.from), ("to", &self.to)] {
            if !target.is_all() {
                words.push_str(&format!(" {word} {target}"));
            }
        }
        words
    }
}

/// A moment of an earlier run, in terms that mean something in another run too.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Moment {
    /// Nanoseconds since clients began.
    pub(crate) at: u64,
    /// Operations completed since then.
    pub(crate) operations: u64,
    /// How many terms had had a new leader since the first fault began.
    pub(crate) leaders: u64,
}

impl Moment {
    /// The time since clients began.
    pub(crate) fn time(&self) -> Duration {
        Duration::from_nanos(self.at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_written_as_it_was_read_and_said_in_words() {
        for (written, words) in [
            (r#"{"leader":"elected"}"#, "a new leader"),
            (r#"{"operations":120}"#, "120 operations"),
            (
                r#"{"message":{"type":["request_vote_reply"],"from":"n2","nth":3}}"#,
                "message number 3 of type request_vote_reply from n2",
            ),
            (r#"{"message":{"to":"n3"}}"#, "a message to n3"),
            (r#"{"behind":{"node":"n3","entries":50}}"#, "n3 being 50 entries behind"),
            (r#"{"caught_up":{"node":"follower"}}"#, "follower having caught up"),
        ] {
            let trigger: Trigger = serde_json::from_str(written).unwrap();
            assert_eq!(serde_json::to_string(&trigger).unwrap(), written);
            assert_eq!(trigger.describe(), words);
        }
        for wrong in [r#"{}"#, r#"{"operations":1,"leader":"elected"}"#, r#"{"operation":1}"#] {
            assert!(serde_json::from_str::<Trigger>(wrong).is_err(), "{wrong}");
        }
    }
}
