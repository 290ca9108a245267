//! Faults that are none to the system: what an operator does to a cluster that serves.

use serde::ser::SerializeMap;
use serde::{Deserialize, Serialize, Serializer};

use super::fault::Target;

/// Other members, for as long as it lasts.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "WrittenMembers")]
pub(crate) enum Members {
    /// A voter gets the log and counts for nothing; in the end it votes again. Names are not used twice, so this, and not a removal, is what can be undone.
    Demote(Target),
    /// A node that does not vote is added as a learner, where it is none, and votes; in the end it learns only.
    Promote(Target),
    /// A voter and a node that does not vote change places, in one joint change; in the end they change back.
    Replace {
        /// Who votes before and after.
        node: Target,
        /// Who votes in between.
        by: Target,
    },
    /// A voter is removed. That is for good: there is nothing to undo in the end.
    Remove(Target),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenMembers {
    demote: Option<Target>,
    promote: Option<Target>,
    replace: Option<Target>,
    by: Option<Target>,
    remove: Option<Target>,
}

impl TryFrom<WrittenMembers> for Members {
    type Error = &'static str;

    fn try_from(written: WrittenMembers) -> Result<Self, Self::Error> {
        let WrittenMembers { demote, promote, replace, by, remove } = written;
        match (demote, promote, replace, by, remove) {
            (Some(node), None, None, None, None) => Ok(Self::Demote(node)),
            (None, Some(node), None, None, None) => Ok(Self::Promote(node)),
            (None, None, Some(node), Some(by), None) => Ok(Self::Replace { node, by }),
            (None, None, None, None, Some(node)) => Ok(Self::Remove(node)),
            _ => Err("expected one of `demote`, `promote`, `remove`, or `replace` with `by`"),
        }
    }
}

impl Members {
    /// Whom it concerns, each with its key in the workload.
    pub(super) fn targets(&self) -> Vec<(&'static str, &Target)> {
        match self {
            Self::Demote(node) => vec![("demote", node)],
            Self::Promote(node) => vec![("promote", node)],
            Self::Replace { node, by } => vec![("replace", node), ("by", by)],
            Self::Remove(node) => vec![("remove", node)],
        }
    }
}

// By hand, as a partition: what is written is one mapping.
impl Serialize for Members {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let targets = self.targets();
        let mut map = serializer.serialize_map(Some(targets.len()))?;
        for (key, target) in targets {
            map.serialize_entry(key, target)?;
        }
        map.end()
    }
}

/// The leadership is handed over. Nothing is undone in the end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Transfer {
    /// To whom.
    pub(crate) to: Target,
}
