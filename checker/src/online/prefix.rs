//! Any history that grows: what there is of it is judged whole, by the judge of whole histories, again and again.
//!
//! An operation that is open when the prefix ends may or may not take effect, which is what the judge assumes of any operation without a
//! completion. So what convicts a prefix convicts the history, whatever follows; only what a check demands *at the end* (that nothing
//! was lost) is left to the end ([`properties::check_so_far`]). Memory is that of the history in columns, some 40 bytes an operation, and of
//! one judgement.

use std::time::Duration;

use super::pace::Pace;
use crate::history::{Event, Growing, Malformed};
use crate::judge::{self, Question};
use crate::linearizability::Limits;
use crate::models::{Family, Model};
use crate::properties;
use crate::verdict::{CheckReport, Verdict};

/// So long may a search take for one prefix. What it does not find by then, the judge of the whole history has more time for.
const SEARCH_TIME_MAX: Duration = Duration::from_secs(2);

/// A history so far.
#[derive(Debug)]
pub(super) struct Prefix {
    growing: Growing,
    /// What it is judged as; guessed from its operations if there are none.
    models: Vec<Model>,
    question: Question,
    pace: Pace,
    /// Whether there is a completion that no look has seen.
    is_new: bool,
    /// Why it is not judged any more.
    left: Option<String>,
}

impl Prefix {
    pub(super) fn new(models: Vec<Model>, question: &Question) -> Self {
        let time = question.limits.time.min(SEARCH_TIME_MAX);
        let limits = Limits { time, ..question.limits };
        Self {
            growing: Growing::default(),
            models,
            question: Question { limits, certify: false, ..question.clone() },
            pace: Pace::default(),
            is_new: false,
            left: None,
        }
    }

    pub(super) fn push(&mut self, event: &Event) -> Result<(), Malformed> {
        self.is_new |= event.event_type.is_completion();
        self.growing.push(event.clone())
    }

    /// Judges what there is, if something is new and the last look is long enough ago. The first check that convicts.
    pub(super) fn look(&mut self) -> Option<CheckReport> {
        let is_due = self.is_new && self.left.is_none() && self.pace.is_due();
        if !is_due {
            return None;
        }
        self.is_new = false;
        let Self { growing, models, question, .. } = self;
        let seen = self.pace.look(|| convict(growing, models, question));
        seen.unwrap_or_else(|reason| {
            self.left = Some(reason);
            None
        })
    }

    /// Why it is not judged any more, if so.
    pub(super) fn left(&self) -> Option<&str> {
        self.left.as_deref()
    }
}

/// The first check that convicts; an error says why nothing can be judged.
fn convict(
    growing: &Growing,
    models: &[Model],
    question: &Question,
) -> Result<Option<CheckReport>, String> {
    let history = growing.history();
    let guessed = [Model::guess(history)];
    let models = if models.is_empty() { &guessed } else { models };
    for model in models {
        judge::fits(history, *model)?;
        let report = match model.family() {
            Family::Object | Family::Transactions => {
                let promise = judge::promise(history, *model, question);
                promise.map_err(|wrong| format!("line {}: {}", wrong.line, wrong.reason))?.report
            }
            Family::Property => {
                let so_far = properties::check_so_far(history, *model, &question.options);
                let Some(report) = so_far else { continue };
                report
            }
        };
        if report.verdict == Verdict::Invalid {
            return Ok(Some(report));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// The events of lines of `process type f value`.
    fn events(lines: &str) -> impl Iterator<Item = Event> {
        lines.lines().enumerate().map(|(index, line)| {
            let words: Vec<_> = line.split_whitespace().collect();
            let value = words.get(3).map_or(json!(null), |v| serde_json::from_str(v).unwrap());
            let process: u64 = words[0].parse().unwrap();
            let event = json!({
                "index": index, "time": index, "process": process, "type": words[1], "f": words[2], "value": value,
            });
            serde_json::from_value(event).unwrap()
        })
    }

    /// Which check convicts a history that is judged as this, and after how many events.
    fn convicted(model: Option<Model>, lines: &str) -> Option<(usize, String)> {
        let mut growing = Growing::default();
        events(lines).enumerate().find_map(|(place, event)| {
            growing.push(event).unwrap();
            let report = convict(&growing, model.as_slice(), &Question::default()).unwrap();
            report.map(|report| (place + 1, report.name))
        })
    }

    fn check(model: Option<Model>, lines: &str, expected: Option<(usize, &str)>) {
        let expected = expected.map(|(event, name)| (event, name.to_string()));
        assert_eq!(convicted(model, lines), expected, "{model:?}: {lines}");
    }

    #[test]
    fn the_completion_that_nothing_explains_convicts() {
        let twice = "0 invoke enqueue 1\n0 ok enqueue 1\n0 invoke dequeue\n0 ok dequeue 1
            1 invoke dequeue\n1 ok dequeue 1\n0 invoke enqueue 2";
        check(Some(Model::Queue), twice, Some((6, "linearizable")));
        check(None, twice, Some((6, "linearizable")));
        let aborted = r#"0 invoke txn [["append","x",1]]
            1 invoke txn [["r","x",null]]
            1 ok txn [["r","x",[1]]]
            0 fail txn [["append","x",1]]"#;
        check(None, aborted, Some((4, "strict-serializable")));
        let bank = "0 invoke read\n0 ok read {\"a\":1,\"b\":1}\n0 invoke read\n0 ok read {\"a\":1,\"b\":2}";
        check(None, bank, Some((4, "bank")));
    }

    #[test]
    fn what_may_still_turn_up_is_not_lost_yet() {
        let lost = "0 invoke add 1\n0 ok add 1\n0 invoke read\n0 ok read []";
        check(Some(Model::SetFull), lost, None);
        let linearizable = Question {
            options: properties::Options { linearizable: true, ..Default::default() },
            ..Question::default()
        };
        let mut prefix = Prefix::new(vec![Model::SetFull], &linearizable);
        events(lost).for_each(|event| prefix.push(&event).unwrap());
        assert_eq!(prefix.look().map(|report| report.name), Some("set-full".to_string()));
        assert_eq!(prefix.look(), None, "nothing new");
        let drained = "0 invoke enqueue 1\n0 ok enqueue 1\n0 invoke drain\n0 ok drain []";
        check(Some(Model::TotalQueue), drained, None);
        let unexpected = "0 invoke enqueue 1\n0 ok enqueue 1\n0 invoke drain\n0 ok drain [2]";
        check(Some(Model::TotalQueue), unexpected, Some((4, "total-queue")));
        check(Some(Model::Latency), "0 invoke read\n0 ok read 1", None);
    }

    #[test]
    fn what_the_model_does_not_have_is_said() {
        let mut prefix = Prefix::new(vec![Model::Queue], &Question::default());
        let mut events = events("0 invoke push 1\n0 ok push 1");
        prefix.push(&events.next().unwrap()).unwrap();
        assert!(prefix.look().is_none() && prefix.left().is_none(), "nothing completed");
        prefix.push(&events.next().unwrap()).unwrap();
        assert!(prefix.look().is_none());
        assert!(prefix.left().unwrap().contains("has no operation `push`"), "{prefix:?}");
    }
}
