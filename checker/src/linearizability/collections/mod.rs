//! Collections whose elements are unique, and objects as simple: queue, stack, set, mutex, counter, list. Each has an exact algorithm that is linear or nearly so.
//!
//! An algorithm answers `None` where its preconditions do not hold: an element that was added twice, an unknown operation, an outcome that
//! it cannot account for. It never guesses.
//!
//! Time is counted in *gaps*: gap `g` is what lies between event `g` and the next. An operation takes effect in one of the gaps
//! `invoked..completed`. An element is certainly inside during its *critical interval*, the gaps from the first moment at which its add must
//! have taken effect to the last at which its remove cannot have.

mod counter;
mod culprit;
mod empties;
mod kahn;
mod list;
mod prepare;
mod queue;
mod stack;
mod two_state;

#[cfg(test)]
mod oracle;

use super::decision::Decision;
use super::objects::Object;
use crate::history::History;
use crate::models::Model;

/// Judges an object where its preconditions hold; with an order that shows it, if one is asked for.
pub(super) type Specialised = fn(&History, &Object<'_>, bool) -> Option<Decision>;

/// The algorithm of a model, if it has one of its own.
pub(super) fn specialised(model: Model) -> Option<Specialised> {
    match model {
        Model::Queue => Some(queue::queue),
        Model::Stack => Some(stack::stack),
        Model::Set => Some(two_state::set),
        Model::Mutex => Some(two_state::mutex),
        Model::Counter => Some(counter::counter),
        Model::List => Some(list::list),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::tests::history;
    use crate::linearizability::objects::Objects;
    use crate::verdict::Verdict;

    /// The verdict on a history of one event a line, what is wrong in one line, and the core. Unknown: it is not for the algorithm.
    fn judged(model: Model, text: &str) -> (Verdict, String, Vec<u32>) {
        let events: Vec<_> =
            text.trim().lines().enumerate().map(|(n, line)| (n as u64, line.trim())).collect();
        let history = history(&events);
        let object = Objects::of(&history);
        let decide = specialised(model).unwrap();
        match decide(&history, &object.get(0), true) {
            Some(Decision::Valid { .. }) => (Verdict::Valid, String::new(), vec![]),
            Some(Decision::Invalid(found)) => {
                (Verdict::Invalid, found.violation.summary, found.core)
            }
            Some(Decision::Undecided(_)) | None => (Verdict::Unknown, String::new(), vec![]),
        }
    }

    fn is_valid(model: Model, text: &str) {
        assert_eq!(judged(model, text).0, Verdict::Valid, "{text}");
    }

    fn is_open(model: Model, text: &str) {
        assert_eq!(judged(model, text).0, Verdict::Unknown, "{text}");
    }

    /// `wrong` stands in the summary, which names the kind and the culprit.
    fn is_invalid(model: Model, text: &str, wrong: &[&str], core: &[u32]) {
        let (verdict, summary, found) = judged(model, text);
        assert_eq!(verdict, Verdict::Invalid, "{text}");
        assert!(wrong.iter().all(|wrong| summary.contains(wrong)), "{summary}");
        assert_eq!(found, core, "{text}");
    }

    /// Operations one after another: `process f argument result`, a result of `-` is as the argument, of `?` unknown, of `x` that it failed.
    fn one_by_one(operations: &[&str]) -> String {
        let event = |operation: &&str| {
            let words: Vec<_> = operation.split(' ').collect();
            let [process, f, argument, result] = words[..] else { panic!("{operation}") };
            match result {
                "?" => format!("{process} invoke {f} {argument}\n{process} info {f} {argument}\n"),
                "x" => format!("{process} invoke {f} {argument}\n{process} fail {f} {argument}\n"),
                "-" => format!("{process} invoke {f} {argument}\n{process} ok {f} {argument}\n"),
                result => format!("{process} invoke {f} {argument}\n{process} ok {f} {result}\n"),
            }
        };
        operations.iter().map(event).collect()
    }

    #[test]
    fn a_queue_keeps_its_order_and_loses_nothing() {
        let (a, b) = ("0 enqueue 1 -", "0 enqueue 2 -");
        is_valid(
            Model::Queue,
            &one_by_one(&[
                a,
                b,
                "0 dequeue null 1",
                "0 peek null 2",
                "0 dequeue null 2",
                "0 dequeue null null",
            ]),
        );
        let wrong = one_by_one(&[
            "1 enqueue 7 -",
            a,
            b,
            "0 dequeue null 7",
            "3 dequeue null 2",
            "4 dequeue null 1",
        ]);
        is_invalid(
            Model::Queue,
            &wrong,
            &["out of order", "process 4 got ok for dequeue -> 1"],
            &[1, 2, 4],
        );
        let lost = one_by_one(&[a, b, "3 dequeue null 2"]);
        is_invalid(
            Model::Queue,
            &lost,
            &["lost value", "process 3 got ok for dequeue -> 2"],
            &[0, 1, 2],
        );
        let twice = one_by_one(&[a, "1 dequeue null 1", "2 dequeue null 1"]);
        is_invalid(Model::Queue, &twice, &["duplicate remove", "process 2"], &[0, 1, 2]);
        is_invalid(
            Model::Queue,
            &one_by_one(&[a, "2 dequeue null 5"]),
            &["out of thin air", "process 2"],
            &[1],
        );
        let aborted = one_by_one(&["0 enqueue 5 x", "2 dequeue null 5"]);
        is_invalid(Model::Queue, &aborted, &["aborted add", "process 2"], &[1]);
        let empty = one_by_one(&[a, "2 dequeue null null", "3 dequeue null 1"]);
        is_invalid(
            Model::Queue,
            &empty,
            &["certainly not empty", "process 2 got ok for dequeue -> empty"],
            &[0, 1],
        );
    }

    #[test]
    fn a_dequeue_of_unknown_outcome_may_have_taken_one_value_if_it_began_in_time() {
        let (a, b, unknown, last) =
            ("0 enqueue 1 -", "0 enqueue 2 -", "9 dequeue null ?", "0 dequeue null 2");
        is_valid(Model::Queue, &one_by_one(&[a, b, unknown, last]));
        let late = one_by_one(&[a, b, last, unknown]);
        is_invalid(Model::Queue, &late, &["lost value"], &[0, 1, 2]);
        let two = one_by_one(&["0 enqueue 0 -", a, b, unknown, last]);
        is_invalid(Model::Queue, &two, &["lost value"], &[0, 1, 2, 3, 4]);
        is_valid(Model::Queue, &one_by_one(&[a, unknown, "0 dequeue null null"]));
        is_open(Model::Queue, &one_by_one(&[a, "0 enqueue 1 -"]));
    }

    #[test]
    fn a_stack_returns_what_lies_above() {
        let (a, b) = ("0 push 1 -", "0 push 2 -");
        is_valid(
            Model::Stack,
            &one_by_one(&[
                a,
                b,
                "0 peek null 2",
                "0 pop null 2",
                "0 pop null 1",
                "0 pop null null",
            ]),
        );
        let wrong = one_by_one(&[a, b, "3 pop null 1", "0 pop null 2"]);
        is_invalid(Model::Stack, &wrong, &["out of order"], &[0, 1, 2]);
        is_invalid(
            Model::Stack,
            &one_by_one(&["3 pop null 1", a]),
            &["from the future", "process 3"],
            &[0],
        );
        let empty = one_by_one(&[a, "3 pop null null"]);
        is_invalid(Model::Stack, &empty, &["certainly not empty", "process 3"], &[0, 1]);
        is_open(Model::Stack, &one_by_one(&[a, b, "9 pop null ?", "0 pop null 1"]));
    }

    #[test]
    fn an_element_of_a_set_is_in_or_out() {
        let (add, remove) = ("0 add 1 -", "0 remove 1 -");
        is_valid(
            Model::Set,
            &one_by_one(&[
                "0 contains 1 [1,false]",
                add,
                "0 contains 1 [1,true]",
                remove,
                "0 contains 1 [1,false]",
            ]),
        );
        let lost = one_by_one(&[add, "1 add 2 -", "2 contains 1 [1,false]", remove]);
        is_invalid(Model::Set, &lost, &["lost element", "process 2"], &[0, 2]);
        let toggled = one_by_one(&[
            "0 add 1 [1,true]",
            "0 remove 1 [1,true]",
            "0 add 1 [1,true]",
            "5 add 1 [1,true]",
        ]);
        is_invalid(Model::Set, &toggled, &["impossible change", "process 5"], &[2, 3]);
        is_valid(
            Model::Set,
            &one_by_one(&[add, "0 read null [1]", "1 add 2 -", "0 read null [2,1]"]),
        );
        let lost = one_by_one(&[add, "1 add 2 -", "3 read null [2]"]);
        is_invalid(Model::Set, &lost, &["stale read", "process 3"], &[0, 2]);
        is_open(Model::Set, &one_by_one(&[add, remove, "1 read null []"]));
        let coupled = one_by_one(&[add, "1 add 2 -", "3 read null [2]", remove]);
        is_invalid(Model::Set, &coupled, &["lost element", "process 3"], &[0, 2]);
    }

    #[test]
    fn a_mutex_has_one_holder() {
        let (acquire, release) = ("0 acquire null -", "0 release null -");
        is_valid(Model::Mutex, &one_by_one(&[acquire, release, "1 acquire null -"]));
        let both = one_by_one(&[acquire, release, acquire, "1 acquire null -", release]);
        is_invalid(Model::Mutex, &both, &["two holders", "process 1 got ok for acquire"], &[2, 3]);
        is_valid(Model::Mutex, &one_by_one(&[acquire, "9 release null ?", "1 acquire null -"]));
    }

    #[test]
    fn a_counter_never_goes_back() {
        let add = "0 add 1 -";
        is_valid(
            Model::Counter,
            &one_by_one(&[
                "0 read null 0",
                add,
                add,
                "0 read null 2",
                "9 add 1 ?",
                "1 read null 3",
            ]),
        );
        is_invalid(
            Model::Counter,
            &one_by_one(&[add, add, "2 read null 1"]),
            &["stale read", "process 2"],
            &[0, 1, 2],
        );
        is_invalid(
            Model::Counter,
            &one_by_one(&[add, "2 read null 2"]),
            &["out of thin air", "process 2"],
            &[0, 1],
        );
        is_open(Model::Counter, &one_by_one(&[add, "0 add 2 -"]));
    }

    #[test]
    fn a_list_only_grows() {
        let (a, b) = ("0 append 1 -", "0 append 2 -");
        is_valid(Model::List, &one_by_one(&[a, "0 read null [1]", b, "0 read null [1,2]"]));
        let stale = one_by_one(&[a, b, "3 read null [1]"]);
        is_invalid(Model::List, &stale, &["stale read", "process 3"], &[1, 2]);
        let order = one_by_one(&[a, b, "3 read null [2,1]"]);
        is_invalid(Model::List, &order, &["incompatible order", "process 3"], &[0, 1, 2]);
        let twice = one_by_one(&[a, "3 read null [1,1]"]);
        is_invalid(Model::List, &twice, &["duplicate element", "process 3"], &[0, 1]);
        is_open(Model::List, &one_by_one(&[a, a]));
    }
}
