//! What a history is of, guessed from its operations and their values.

use super::Model;
use crate::history::{History, Outcome, Shape, ValueId, View};

impl Model {
    /// The first model that has all operations of a history and values of the right shape; without values to tell, the first that has the operations.
    pub fn guess(history: &History) -> Self {
        let has_all = |model: &Self| history.functions().all(|f| model.names(f));
        let known: Vec<_> = Self::all().filter(has_all).collect();
        let fitting = known.iter().find(|model| model.fits(history));
        fitting.or_else(|| known.first()).copied().unwrap_or(Self::CasRegister)
    }

    /// Whether the values are such as this model has them, where that tells it from others with the same operations.
    fn fits(self, history: &History) -> bool {
        let values = history.values();
        let is_map = |id| matches!(values.shape(id), Shape::Map(_));
        let micro = |names: &[&str]| history.views().any(|view| has_micro(history, view, names));
        match self {
            Self::Register | Self::CasRegister => {
                !answers(history, "read").any(is_map) && !micro(&["r", "w", "append"])
            }
            Self::MultiRegister => micro(&["read", "write"]),
            Self::ListAppend => micro(&["append"]),
            Self::LongFork => history.function("txn").is_none() && micro(&["r", "w"]),
            Self::Counter | Self::CounterBounds => answers(history, "read").all(ValueId::is_scalar),
            Self::Set | Self::SetFull | Self::List => {
                !answers(history, "read").any(is_map) && !micro(&["r", "w"])
            }
            Self::Lock => answers(history, "acquire").any(|id| values.as_integer(id).is_some()),
            Self::Bank => {
                history.function("transfer").is_some() || answers(history, "read").any(is_map)
            }
            _ => true,
        }
    }
}

/// What the operations of a kind were answered.
fn answers<'a>(history: &'a History, f: &'a str) -> impl Iterator<Item = ValueId> + 'a {
    let ok = |view: &View<'a>| view.outcome() == Outcome::Ok;
    history.views().filter(move |view| view.f() == f && ok(view)).map(|view| view.id())
}

/// Whether a value is a list of steps, one of which has one of these names.
fn has_micro(history: &History, view: View<'_>, names: &[&str]) -> bool {
    let values = history.values();
    let name = |step: &ValueId| values.as_text(*values.list(*step)?.first()?);
    let steps = values.list(view.id()).unwrap_or_default();
    steps.iter().filter_map(name).any(|name| names.contains(&name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::Recorder;

    /// Operations one after another: `f argument result`, as JSON without blanks.
    fn check(text: &str, expected: Model) {
        let mut recorder = Recorder::new();
        for line in text.lines() {
            let words: Vec<_> = line.split_whitespace().collect();
            let json = |text| serde_json::from_str(text).unwrap();
            let begun = recorder.invoke(0, words[0], json(words[1]));
            recorder.ok(begun, json(words[2]));
        }
        assert_eq!(Model::guess(&recorder.history()), expected, "{text}");
    }

    #[test]
    fn values_tell_what_operations_do_not() {
        check("write 1 1\nread null 1", Model::Register);
        check("cas [1,2] [1,2]", Model::CasRegister);
        check(r#"txn [["append","x",1]] [["append","x",1]]"#, Model::ListAppend);
        check(r#"txn [["r","x",null]] [["r","x",1]]"#, Model::RwRegister);
        check(r#"txn [["read","x",null]] [["read","x",1]]"#, Model::MultiRegister);
        check(r#"read [["r",1,null]] [["r",1,7]]"#, Model::LongFork);
        check("acquire null null\nrelease null null", Model::Mutex);
        check("acquire null 7\nrelease null null", Model::Lock);
        check("add 1 1\nread null 1", Model::Counter);
        check("add 1 1\nread null [1]", Model::Set);
        check(r#"read null {"0":10}"#, Model::Bank);
        check(r#"transfer {"from":0,"to":1,"amount":2} null"#, Model::Bank);
        check("enqueue 1 1\ndequeue null 1", Model::Queue);
        check("drain null [1]", Model::TotalQueue);
        check("generate null 7", Model::UniqueIds);
        check("append 1 1\nread null [1]", Model::List);
        check(
            r#"put "a" "a"
append "b" "b""#,
            Model::Kv,
        );
        check("frobnicate 1 1", Model::CasRegister);
    }
}
