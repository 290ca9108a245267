//! All registers of a history, event by event.

use std::collections::{HashMap, HashSet};

use rustc_hash::FxBuildHasher;
use serde_json::Value;

use super::Followed;
use super::evidence::{Operation, Step};
use super::names::{Name, Names};
use super::open::Ticket;
use super::register::Register;
use crate::history::{Event, EventType, Malformed, Outcome, Process};
use crate::verdict::Violation;

/// So many values and blocks of each key are kept for the sake of the explanation.
const REMEMBERED: usize = 256;

/// Judges registers event by event (see the [module](super)).
#[derive(Debug)]
pub struct Registers {
    keys: HashMap<Value, usize, FxBuildHasher>,
    objects: Vec<Object>,
    /// The open operation of each process.
    begun: HashMap<u64, Begun, FxBuildHasher>,
    /// Processes that ended *info* and may not be used again.
    retired: HashSet<u64, FxBuildHasher>,
    names: Names,
    nodes: Vec<String>,
    events: u64,
    time: u64,
    remembered: usize,
    /// Why nothing is followed any more.
    stranger: Option<String>,
}

#[derive(Debug)]
struct Object {
    /// `null` in a history without keys.
    key: Value,
    state: State,
}

#[derive(Debug)]
enum State {
    Followed(Box<Register>),
    /// No longer, and why.
    Left(String),
    /// A violation has been reported; what follows from it is not reported again.
    Convicted,
}

#[derive(Clone, Copy, Debug)]
struct Begun {
    object: usize,
    operation: Operation,
    /// None where the object is not followed.
    ticket: Option<Ticket>,
}

impl Default for Registers {
    fn default() -> Self {
        Self::remembering(REMEMBERED)
    }
}

impl Registers {
    /// Registers of a history that begins with the next event.
    pub fn new() -> Self {
        Self::default()
    }

    /// Keeps so many values and blocks of each key for the sake of the explanation.
    pub(super) fn remembering(remembered: usize) -> Self {
        Self {
            keys: HashMap::default(),
            objects: Vec::new(),
            begun: HashMap::default(),
            retired: HashSet::default(),
            names: Names::default(),
            nodes: Vec::new(),
            events: 0,
            time: 0,
            remembered,
            stranger: None,
        }
    }

    /// Takes the next event. A violation means that the events so far are not linearizable, while those before were; each key is convicted
    /// at most once. An error means that the event cannot follow those before.
    pub fn push(&mut self, event: &Event) -> Result<Option<Violation>, Malformed> {
        self.events += 1;
        let line = self.events as usize;
        self.take(event).map_err(|reason| Malformed { line, reason })
    }

    /// How far the history has been followed.
    pub fn followed(&self) -> Followed {
        let left = self.objects.iter().filter_map(|object| match &object.state {
            State::Left(reason) => Some((text(&object.key), reason.clone())),
            State::Followed(_) | State::Convicted => None,
        });
        Followed { events: self.events, keys: self.objects.len(), left: left.collect() }
    }

    /// How many events there were.
    pub(super) fn events(&self) -> u64 {
        self.events
    }

    /// Whether a key is not followed any more.
    pub(super) fn has_left(&self) -> bool {
        self.objects.iter().any(|object| matches!(object.state, State::Left(_)))
    }

    /// How much is kept that something may still join: writes and blocks of operations, over all keys. What is kept for
    /// the sake of the explanation is not counted.
    pub fn live(&self) -> usize {
        let followed = self.objects.iter().filter_map(|object| match &object.state {
            State::Followed(register) => Some(register.live()),
            State::Left(_) | State::Convicted => None,
        });
        followed.sum()
    }

    fn take(&mut self, event: &Event) -> Result<Option<Violation>, String> {
        if event.time < self.time {
            return Err(format!("time runs backwards, from {} to {}", self.time, event.time));
        }
        self.time = event.time;
        match (event.process, event.event_type) {
            (Process::Nemesis, _) => Ok(None),
            (Process::Client(process), EventType::Invoke) => {
                self.begin(process, event).map(|()| None)
            }
            (Process::Client(process), _) => self.end(process, event),
        }
    }

    fn begin(&mut self, process: u64, event: &Event) -> Result<(), String> {
        if self.begun.contains_key(&process) {
            return Err(format!("process {process} begins an operation while another is open"));
        }
        if self.retired.contains(&process) {
            let what = "is used again after an operation that ended info";
            return Err(format!("process {process} {what}"));
        }
        let object = self.object(event.key.as_ref().unwrap_or(&Value::Null));
        let step = self.step(event);
        let operation = Operation {
            process,
            node: event.node.as_deref().map(|node| self.node(node)),
            step: step.unwrap_or(Step::Read(Name::NIL)),
            outcome: Outcome::Open,
            invoked: self.events,
            invoked_time: event.time,
            completed: 0,
            completed_time: 0,
        };
        if step.is_none() {
            self.leave_all(&event.f);
        }
        let mut ticket = None;
        if let State::Followed(register) = &mut self.objects[object].state {
            match register.begin(&operation) {
                Ok(begun) => ticket = Some(begun),
                Err(super::register::Repeats) => {
                    let value = &event.value;
                    self.leave(object, format!("a value is written twice ({value})"));
                }
            }
        }
        self.begun.insert(process, Begun { object, operation, ticket });
        Ok(())
    }

    fn end(&mut self, process: u64, event: &Event) -> Result<Option<Violation>, String> {
        let begun = self.begun.remove(&process);
        let Begun { object, mut operation, ticket } = begun.ok_or_else(|| {
            format!("process {process} completes an operation that it never began")
        })?;
        if event.event_type == EventType::Info {
            self.retired.insert(process);
        }
        let is_own = self.objects[object].key == *event.key.as_ref().unwrap_or(&Value::Null);
        let Some(ticket) = ticket.filter(|_| is_own) else {
            // Of what is not followed no more is known than its key.
            return if is_own { Ok(None) } else { Err(another(process)) };
        };
        if operation.f() != event.f {
            return Err(another(process));
        }
        operation.outcome = match event.event_type {
            EventType::Ok => Outcome::Ok,
            EventType::Fail => Outcome::Fail,
            EventType::Info | EventType::Invoke => Outcome::Info,
        };
        operation.completed = self.events;
        operation.completed_time = event.time;
        if operation.outcome == Outcome::Ok && !completes(&mut operation, event, &mut self.names) {
            let f = &event.f;
            self.leave(object, format!("a {f} completed with another value than it began with"));
        }
        let violation = self.judge(object, &operation, ticket);
        if self.names.is_sweep_due() {
            self.sweep_names();
        }
        Ok(violation)
    }

    /// Takes the end of an operation into account, if its object is still followed.
    fn judge(&mut self, object: usize, operation: &Operation, ticket: Ticket) -> Option<Violation> {
        let Object { key, state } = &mut self.objects[object];
        let State::Followed(register) = state else { return None };
        let impossible = register.end(operation, ticket, self.events).err()?;
        let violation = impossible.explain(key, &self.names, &self.nodes);
        *state = State::Convicted;
        Some(violation)
    }

    /// What an invocation is about to do; nothing if that is not followed.
    fn step(&mut self, event: &Event) -> Option<Step> {
        match (event.f.as_str(), &event.value) {
            ("read", Value::Null) => Some(Step::Read(Name::NIL)),
            ("write", value) => Some(Step::Write(self.names.of(value))),
            ("cas", Value::Array(pair)) => match pair.as_slice() {
                [old, new] => Some(Step::Cas(self.names.of(old), self.names.of(new))),
                _ => None,
            },
            _ => None,
        }
    }

    fn object(&mut self, key: &Value) -> usize {
        if let Some(object) = self.keys.get(key) {
            return *object;
        }
        let state = match &self.stranger {
            Some(reason) => State::Left(reason.clone()),
            None => State::Followed(Box::new(Register::new(self.remembered))),
        };
        self.objects.push(Object { key: key.clone(), state });
        self.keys.insert(key.clone(), self.objects.len() - 1);
        self.objects.len() - 1
    }

    /// An operation that registers do not have may touch any key.
    fn leave_all(&mut self, f: &str) {
        self.stranger
            .get_or_insert_with(|| format!("there is an operation `{f}` that is not followed"));
        for object in 0..self.objects.len() {
            self.leave(object, self.stranger.clone().unwrap_or_default());
        }
    }

    fn leave(&mut self, object: usize, reason: String) {
        let state = &mut self.objects[object].state;
        if let State::Followed(_) = state {
            *state = State::Left(reason);
        }
    }

    fn node(&mut self, name: &str) -> u32 {
        let known = self.nodes.iter().position(|node| node == name);
        known.unwrap_or_else(|| {
            self.nodes.push(name.into());
            self.nodes.len() - 1
        }) as u32
    }

    fn sweep_names(&mut self) {
        let of_registers = self.objects.iter().filter_map(|object| match &object.state {
            State::Followed(register) => Some(register.names()),
            State::Left(_) | State::Convicted => None,
        });
        let of_open = self.begun.values().flat_map(|begun| begun.operation.names());
        self.names.sweep(of_registers.flatten().chain(of_open));
    }
}

/// Takes over what an *ok* says. Whether it may say it: only a read tells something new.
fn completes(operation: &mut Operation, event: &Event, names: &mut Names) -> bool {
    match (&mut operation.step, &event.value) {
        (Step::Read(found), value) => {
            *found = names.of(value);
            true
        }
        (_, Value::Null) => true,
        (Step::Write(new), value) => names.of(value) == *new,
        (Step::Cas(old, new), Value::Array(pair)) => {
            pair.iter().map(|value| names.of(value)).eq([*old, *new])
        }
        (Step::Cas(..), _) => false,
    }
}

fn another(process: u64) -> String {
    format!("process {process} completes another operation than it began")
}

/// A key as it is shown.
fn text(key: &Value) -> String {
    match key {
        Value::Null => "the register".into(),
        Value::String(text) => format!("key {text}"),
        other => format!("key {other}"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Follows lines of `process type f value`.
    fn follow(judge: &mut Registers, lines: &str) -> Vec<Violation> {
        let lines = lines.lines().map(str::trim).filter(|line| !line.is_empty());
        lines.filter_map(|line| judge.push(&event(judge, line)).unwrap()).collect()
    }

    /// The next event, from `process type f value`.
    fn event(judge: &Registers, line: &str) -> Event {
        let words: Vec<_> = line.splitn(4, ' ').collect();
        let value = words.get(3).map_or("null", |value| *value);
        let process: u64 = words[0].parse().unwrap();
        let value: Value = serde_json::from_str(value).unwrap();
        let (index, time) = (judge.events, judge.events * 1_000_000);
        let event = json!({
            "index": index, "time": time, "process": process, "type": words[1], "f": words[2], "key": "k", "value": value, "node": "n1",
        });
        serde_json::from_value(event).unwrap()
    }

    fn left(judge: &Registers) -> String {
        judge.followed().left.iter().map(|(key, reason)| format!("{key}: {reason}")).collect()
    }

    #[test]
    fn memory_is_that_of_what_is_open() {
        let mut judge = Registers::remembering(0);
        for number in 0..3_000_u64 {
            // Writes and cas in turn, and now and then an info write that nobody sees.
            let (a, b) = (3 * number + 1, 3 * number + 2);
            let text = format!(
                "0 invoke write \"{a}\"\n1 invoke read\n0 ok write \"{a}\"\n0 invoke cas [\"{a}\",{b}]\n1 ok read \"{a}\"\n\
                 0 ok cas [\"{a}\",{b}]\n0 invoke write \"x{a}\"\n0 fail write \"x{a}\""
            );
            assert_eq!(follow(&mut judge, &text), []);
            assert!(judge.live() <= 4, "{}", judge.live());
        }
        let State::Followed(register) = &judge.objects[0].state else { panic!("followed") };
        assert!(register.held() < 20, "{}", register.held());
        assert!(judge.names.held() < 4_200, "{}", judge.names.held());
    }

    #[test]
    fn a_value_may_come_again_when_nobody_can_find_it_any_more() {
        let mut judge = Registers::new();
        let again = "0 invoke write 1\n0 fail write 1\n0 invoke write 1\n0 ok write 1\n0 invoke write 2\n0 ok write 2
            0 invoke write 1\n0 ok write 1\n0 invoke read\n0 ok read 1";
        assert_eq!(follow(&mut judge, again), []);
        assert_eq!(left(&judge), "");
        follow(&mut judge, "0 invoke write 1");
        assert_eq!(left(&judge), "key k: a value is written twice (1)");
    }

    #[test]
    fn what_cannot_follow_is_refused() {
        for (lines, reason) in [
            ("0 invoke read\n0 invoke read", "while another is open"),
            ("0 ok read 3", "never began"),
            ("0 invoke read\n0 ok write 3", "another operation"),
            ("0 invoke write 1\n0 info write 1\n0 invoke read", "used again"),
        ] {
            let mut judge = Registers::new();
            let (before, last) = lines.rsplit_once('\n').unwrap_or(("", lines));
            assert_eq!(follow(&mut judge, before), []);
            let malformed = judge.push(&event(&judge, last)).unwrap_err();
            assert!(malformed.reason.contains(reason), "{malformed:?}");
        }
        let mut judge = Registers::new();
        follow(&mut judge, "0 invoke read\n0 ok read");
        let early = Event { time: 0, ..event(&judge, "0 invoke read") };
        let malformed = judge.push(&early).unwrap_err();
        assert!(malformed.reason.contains("time runs backwards"), "{malformed:?}");
    }

    #[test]
    fn what_is_no_register_is_left_to_the_judge_of_the_whole() {
        let mut judge = Registers::new();
        let violations = follow(
            &mut judge,
            "0 invoke read\n1 invoke add 1\n0 ok read 7\n2 invoke read\n2 ok read 8",
        );
        assert_eq!(violations, []);
        assert_eq!(left(&judge), "key k: there is an operation `add` that is not followed");
        let mut judge = Registers::new();
        follow(&mut judge, "0 invoke write 1\n0 ok write 2\n0 invoke read\n0 ok read 3");
        assert_eq!(left(&judge), "key k: a write completed with another value than it began with");
    }
}
