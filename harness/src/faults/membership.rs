//! Members that change, and leaders that hand over, at an operator's request. Evidence: the members before and after with the entry that says so, and who
//! leads.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use node::client::{Members as Known, ReadCounts, Request, Response};
use node::raft::{MemberChange, NodeId};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::{Applied, Effect, Words};
use crate::clients::Connections;
use crate::observer::Observer;
use crate::plan::{self, Surroundings};
use crate::workload::{Members, Target, Transfer};

/// How long the operator insists. Nothing else is done to the system meanwhile.
const INSIST_LIMIT: Duration = Duration::from_secs(5);
/// How long one answer is waited for: it comes when both steps of a change are committed.
const ANSWER_LIMIT: Duration = Duration::from_secs(1);
const PAUSE: Duration = Duration::from_millis(50);

/// Who asks the leader, whoever that is, until it is done.
pub(crate) struct Operator {
    connections: Connections,
    observer: Arc<Observer>,
}

/// Members that were changed, and how to change them back.
pub(super) struct Changed {
    back: Option<Edit>,
    before: Known,
    after: Known,
}

/// A leadership that was handed over.
pub(super) struct HandedOver {
    from: (String, u64),
    to: (String, u64),
}

/// A wish as it applies to whatever members there are: to ask twice is to ask once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Edit {
    /// Who is to vote.
    voters: Vec<NodeId>,
    /// Who is to learn only.
    learners: Vec<NodeId>,
    /// Who is to leave.
    removed: Vec<NodeId>,
}

impl Edit {
    /// All members as they are wished for.
    fn of(&self, now: &Known) -> MemberChange {
        let named = |id: &NodeId| {
            [&self.voters, &self.learners, &self.removed].into_iter().any(|ids| ids.contains(id))
        };
        let with = |now: &[NodeId], new: &[NodeId]| -> BTreeSet<NodeId> {
            now.iter().filter(|id| !named(id)).chain(new).copied().collect()
        };
        let voters = with(&now.voters, &self.voters);
        MemberChange::Replace { voters, learners: with(&now.learners, &self.learners) }
    }
}

impl Operator {
    pub(crate) fn new(connections: Connections, observer: Arc<Observer>) -> Self {
        Self { connections, observer }
    }

    /// Changes the members, for as long as the fault lasts.
    pub(super) async fn change(
        &mut self,
        members: &Members,
        surroundings: &Surroundings<'_>,
    ) -> anyhow::Result<(String, Value, Applied)> {
        let before = self.members().await?;
        let (action, edit, back) = resolve(members, &before, surroundings)?;
        // Whoever is to vote has to learn first.
        let new = edit.voters.iter().filter(|id| !before.contains(**id)).copied().collect();
        self.edit(&Edit { learners: new, ..Edit::default() }).await?;
        let after = self.edit(&edit).await?;
        let evidence = json!({ "before": value(&before), "after": value(&after) });
        let changed = Changed { back, before, after };
        Ok((action, evidence, Applied::Changed(Box::new(changed))))
    }

    /// Hands the leadership over. A node that leads already hands it to another first, and gets it back.
    pub(super) async fn transfer(
        &mut self,
        transfer: &Transfer,
        surroundings: &Surroundings<'_>,
        words: &Words,
    ) -> anyhow::Result<(String, Value, Applied)> {
        let mut from = self.leader().await?;
        let voters = self.members().await?.voters;
        let to = voter(&transfer.to, &voters, surroundings)?;
        if to.to_string() == from.0 {
            let leader = Some(from.0.as_str());
            let other =
                voter(&Target::Follower, &voters, &Surroundings { leader, ..*surroundings })?;
            from = (other.to_string(), self.hand_over(other).await?);
        }
        let term = self.hand_over(to).await?;
        let action = format!("{} hands over to {to}", words.node(&from.0));
        let evidence = json!({
            "from": { "node": from.0, "term": from.1 },
            "to": { "node": to.to_string(), "term": term },
        });
        let handed_over = HandedOver { from, to: (to.to_string(), term) };
        Ok((action, evidence, Applied::HandedOver(handed_over)))
    }

    /// How a node has answered reads, as it says itself.
    pub(super) async fn reads_of(&mut self, node: &str) -> Option<ReadCounts> {
        self.connections.status(node, ANSWER_LIMIT).await.map(|status| status.reads)
    }

    /// Makes a node lead. Returns the term in which it does.
    async fn hand_over(&mut self, to: NodeId) -> anyhow::Result<u64> {
        match self.insist(|_| Request::TransferLeadership { to }).await? {
            Response::HandedOver { term } => Ok(term),
            other => bail!("the leader answered {other:?}"),
        }
    }

    async fn leader(&self) -> anyhow::Result<(String, u64)> {
        self.observer.find_leader(INSIST_LIMIT).await.context("no leader was found")
    }

    async fn edit(&mut self, edit: &Edit) -> anyhow::Result<Known> {
        if *edit == Edit::default() {
            return self.members().await;
        }
        match self.insist(|now| Request::ChangeMembers(edit.of(now))).await? {
            Response::Changed(members) => Ok(members),
            other => bail!("the leader answered {other:?}"),
        }
    }

    /// The members as the leader has them.
    async fn members(&mut self) -> anyhow::Result<Known> {
        let (leader, _) = self.leader().await?;
        let status = self.connections.status(&leader, ANSWER_LIMIT).await;
        Ok(status.with_context(|| format!("{leader} does not answer"))?.members)
    }

    /// Asks whoever leads, until it is done or declined. An answer that is lost is asked for again: what is asked is always the whole wish.
    async fn insist(&mut self, wish: impl Fn(&Known) -> Request) -> anyhow::Result<Response> {
        let deadline = Instant::now() + INSIST_LIMIT;
        loop {
            let why = match self.ask(&wish).await {
                Ok(done @ (Response::Changed(_) | Response::HandedOver { .. })) => return Ok(done),
                Ok(Response::Declined { reason }) => bail!(reason),
                Ok(Response::Refused { reason } | Response::Unknown { reason }) => reason,
                Ok(other) => format!("the answer is {other:?}"),
                Err(error) => error.to_string(),
            };
            ensure!(Instant::now() + PAUSE < deadline, "{why}");
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn ask(&mut self, wish: impl Fn(&Known) -> Request) -> anyhow::Result<Response> {
        let (leader, _) =
            self.observer.find_leader(ANSWER_LIMIT).await.context("no leader was found")?;
        let status = self.connections.status(&leader, ANSWER_LIMIT).await;
        let now = status.with_context(|| format!("{leader} does not answer"))?.members;
        let answer = self.connections.call(&leader, &wish(&now), ANSWER_LIMIT).await;
        answer.map_err(|(_, why)| anyhow::anyhow!(why))
    }
}

/// What a fault comes to with these members: in words, done, and undone.
fn resolve(
    members: &Members,
    now: &Known,
    surroundings: &Surroundings<'_>,
) -> anyhow::Result<(String, Edit, Option<Edit>)> {
    let votes = |id: NodeId| Edit { voters: vec![id], ..Edit::default() };
    let learns = |id: NodeId| Edit { learners: vec![id], ..Edit::default() };
    let newcomer = |target: &Target| -> anyhow::Result<NodeId> {
        let id = only(plan::targets(target, surroundings)?)?;
        ensure!(!now.voters.contains(&id), "{id} votes already");
        Ok(id)
    };
    Ok(match members {
        Members::Demote(target) => {
            let id = voter(target, &now.voters, surroundings)?;
            (format!("{id} votes no more"), learns(id), Some(votes(id)))
        }
        Members::Promote(target) => {
            let id = newcomer(target)?;
            (format!("{id} votes"), votes(id), Some(learns(id)))
        }
        Members::Replace { node, by } => {
            let (out, new) = (voter(node, &now.voters, surroundings)?, newcomer(by)?);
            let swap = |to: NodeId, from: NodeId| {
                let (voters, learners) = (vec![to], vec![from]);
                Edit { voters, learners, ..Edit::default() }
            };
            (format!("{new} votes instead of {out}"), swap(new, out), Some(swap(out, new)))
        }
        Members::Remove(target) => {
            let id = voter(target, &now.voters, surroundings)?;
            (format!("{id} is removed"), Edit { removed: vec![id], ..Edit::default() }, None)
        }
    })
}

/// The voter that a target means.
fn voter(
    target: &Target,
    voters: &[NodeId],
    surroundings: &Surroundings<'_>,
) -> anyhow::Result<NodeId> {
    let votes = |name: &&String| name.parse().is_ok_and(|id| voters.contains(&id));
    let running: Vec<_> = surroundings.running.iter().filter(votes).cloned().collect();
    let id = only(plan::targets(target, &Surroundings { running: &running, ..*surroundings })?)?;
    ensure!(voters.contains(&id), "{id} does not vote");
    Ok(id)
}

fn only(names: Vec<String>) -> anyhow::Result<NodeId> {
    let [name] = &names[..] else { bail!("one node is meant, not {}", names.len()) };
    name.parse().map_err(anyhow::Error::msg)
}

/// Members as evidence.
fn value(members: &Known) -> Value {
    let Known { index, voters, learners, removed, .. } = members;
    json!({ "index": index, "voters": voters, "learners": learners, "removed": removed })
}

fn words(members: &Known) -> String {
    members.voters.iter().map(NodeId::to_string).collect::<Vec<_>>().join(" ")
}

impl Changed {
    /// Changes the members back, where that is possible.
    pub(super) async fn heal(self, operator: &mut Operator) -> Effect {
        let Self { back, before, after } = self;
        let mut evidence = json!({ "before": value(&before), "after": value(&after) });
        let (from, to, index) = (words(&before), words(&after), after.index);
        let mut effect = format!("voters {from}, with entry {index} {to}");
        let mut healed = true;
        match back {
            None => effect += ", for good",
            Some(back) => match operator.edit(&back).await {
                Ok(restored) => {
                    effect += &format!(", with entry {} {}", restored.index, words(&restored));
                    evidence["restored"] = value(&restored);
                }
                Err(error) => {
                    healed = false;
                    effect += &format!(", not changed back: {error:#}");
                }
            },
        }
        Effect { effective: before.voters != after.voters, healed, effect, evidence }
    }
}

impl HandedOver {
    /// Says what was done. There is nothing to undo.
    pub(super) fn heal(self) -> Effect {
        let ((from, old), (to, term)) = (self.from, self.to);
        let effect = format!("{from} led in term {old}, {to} in term {term}");
        Effect { effective: term > old, healed: true, effect, evidence: json!({ "term": term }) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moment(nodes: &[String], seed: u64) -> Surroundings<'_> {
        Surroundings { nodes, running: nodes, leader: Some("n2"), candidates: &[], seed }
    }

    fn ids(ids: &[u32]) -> Vec<NodeId> {
        ids.iter().copied().map(NodeId).collect()
    }

    fn check(members: &Members, expected: Result<(&[u32], &[u32]), &str>) {
        let nodes: Vec<_> = (1..=5).map(|number| format!("n{number}")).collect();
        let now = Known { voters: ids(&[1, 2, 3]), learners: ids(&[4]), ..Known::default() };
        let surroundings = moment(&nodes, 7);
        let resolved = resolve(members, &now, &surroundings);
        match expected {
            Err(why) => assert_eq!(resolved.unwrap_err().to_string(), why, "{members:?}"),
            Ok((voters, learners)) => {
                let (_, edit, back) = resolved.unwrap();
                let set = |list: &[u32]| ids(list).into_iter().collect();
                let (voters, learners) = (set(voters), set(learners));
                let there = MemberChange::Replace { voters, learners };
                assert_eq!(edit.of(&now), there, "{members:?}");
                // To ask twice is to ask once, and the way back ends with the voters there were.
                let MemberChange::Replace { voters, learners } = there.clone() else { return };
                let list = |set: BTreeSet<NodeId>| set.into_iter().collect();
                let after =
                    Known { voters: list(voters), learners: list(learners), ..Known::default() };
                assert_eq!(edit.of(&after), there, "{members:?}");
                let Some(MemberChange::Replace { voters, .. }) = back.map(|back| back.of(&after))
                else {
                    return;
                };
                assert_eq!(voters, set(&[1, 2, 3]), "{members:?}");
            }
        }
    }

    #[test]
    fn a_change_of_members_is_done_and_undone() {
        let node = |name: &str| Target::Node(name.into());
        let replace = |name: &str, by: &str| Members::Replace { node: node(name), by: node(by) };
        check(&Members::Demote(Target::Leader), Ok((&[1, 3], &[2, 4])));
        check(&Members::Demote(node("n4")), Err("n4 does not vote"));
        check(&Members::Promote(node("n4")), Ok((&[1, 2, 3, 4], &[])));
        check(&Members::Promote(node("n5")), Ok((&[1, 2, 3, 5], &[4])));
        check(&Members::Promote(node("n1")), Err("n1 votes already"));
        check(&replace("n1", "n5"), Ok((&[2, 3, 5], &[1, 4])));
        check(&replace("n1", "n2"), Err("n2 votes already"));
        check(&Members::Remove(node("n3")), Ok((&[1, 2], &[4])));
        check(&Members::Remove(Target::All), Err("one node is meant, not 3"));
    }

    #[test]
    fn a_follower_is_one_that_votes() {
        let nodes: Vec<_> = (1..=5).map(|number| format!("n{number}")).collect();
        for seed in 0..50 {
            let surroundings = moment(&nodes, seed);
            let id = voter(&Target::Follower, &ids(&[1, 2, 3]), &surroundings).unwrap();
            assert!([NodeId(1), NodeId(3)].contains(&id), "{id}");
        }
    }
}
