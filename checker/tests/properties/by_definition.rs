//! Small random histories, judged by the definitions word for word.

use checker::history::{History, Outcome, View};
use checker::models::Model;
use checker::properties::{self, Options};
use checker::verdict::Verdict;

use super::support::{done, figure, history, judge};

/// Numbers that look random (xorshift, Marsaglia 2003).
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}

/// How many histories are judged.
fn cases() -> u64 {
    let cases = std::env::var("FAULTLINE_CASES").ok();
    cases.map_or(300, |cases| cases.parse().expect("FAULTLINE_CASES is a number"))
}

/// Operations of four clients that overlap, each of a process of its own; `begin` and `end` say what is invoked and returned.
fn random(
    random: &mut Random,
    begin: impl Fn(&mut Random) -> (&'static str, String),
    end: impl Fn(&mut Random, &str, &str) -> String,
) -> String {
    let mut open: [Option<(u64, &str, String)>; 4] = Default::default();
    let (mut text, mut next) = (String::new(), 0);
    for _ in 0..6 + random.below(14) {
        let slot = random.below(4) as usize;
        match open[slot].take() {
            None => {
                let (f, value) = begin(random);
                text += &format!("{next} invoke {f} {value};");
                open[slot] = Some((next, f, value));
                next += 1;
            }
            Some((process, f, value)) => {
                let outcome = ["ok", "ok", "ok", "fail", "info"][random.below(5) as usize];
                let result = if outcome == "ok" { end(random, f, &value) } else { value };
                text += &format!("{process} {outcome} {f} {result};");
            }
        }
    }
    text
}

fn ok(view: &View<'_>, f: &str) -> bool {
    view.f() == f && view.outcome() == Outcome::Ok
}

fn has(read: &View<'_>, element: u64) -> bool {
    read.value().as_array().is_some_and(|list| list.contains(&element.into()))
}

/// How many of three elements are lost, stale and unexpected.
fn set_by_definition(history: &History) -> [i64; 3] {
    let reads: Vec<_> = history.views().filter(|view| ok(view, "read")).collect();
    let mut counts = [0; 3];
    for element in 0..3 {
        let adds = || history.views().filter(move |add| add.f() == "add" && add.value() == element);
        let seen = || reads.iter().filter(move |read| has(read, element));
        let begun = adds().filter(|add| add.outcome() != Outcome::Fail).map(|a| a.invoked()).min();
        if seen().any(|read| begun.is_none_or(|begun| read.completed() < Some(begun))) {
            counts[2] += 1;
            continue;
        }
        let acknowledged = adds().filter(|add| ok(add, "add")).filter_map(|add| add.completed());
        let known = acknowledged.chain(seen().filter_map(|read| read.completed())).min();
        let Some(known) = known else { continue };
        let lacking = || reads.iter().filter(|r| !has(r, element) && r.invoked() > known);
        let for_good =
            |lack: &&View<'_>| !seen().any(|read| read.completed() > Some(lack.invoked()));
        let lost = lacking().any(|lack| for_good(&lack));
        counts[usize::from(!lost)] += i64::from(lacking().next().is_some());
    }
    counts
}

#[test]
fn sets_are_judged_as_they_are_defined() {
    let (mut numbers, mut seen) = (Random(0x9e37_79b9_7f4a_7c15), [0; 3]);
    for _ in 0..cases() {
        let text = random(
            &mut numbers,
            |numbers| match numbers.below(2) {
                0 => ("add", numbers.below(3).to_string()),
                _ => ("read", "null".to_string()),
            },
            |numbers, f, value| match f {
                "add" => value.to_string(),
                _ => {
                    let some: Vec<_> = (0..3).filter(|_| numbers.below(2) == 0).collect();
                    format!("{some:?}").replace(' ', "")
                }
            },
        );
        let history = history(&text);
        let report = properties::check(&history, Model::SetFull, &Options::default());
        if report.figures.is_empty() || history.operations().is_empty() {
            continue;
        }
        let counts = ["lost", "stale", "unexpected"].map(|name| figure(&report, name));
        assert_eq!(counts, set_by_definition(&history), "{text}\n{report:#?}");
        (0..3).for_each(|kind| seen[kind] += counts[kind]);
    }
    assert!(seen.iter().all(|count| *count > 0), "the histories show each kind: {seen:?}");
}

#[test]
fn counters_are_judged_as_they_are_defined() {
    let (mut numbers, mut outside) = (Random(0x2545_f491_4f6c_dd1d), 0);
    for _ in 0..cases() {
        let amount = |numbers: &mut Random| (numbers.below(7) as i64 - 3).to_string();
        let text = random(
            &mut numbers,
            |numbers| match numbers.below(2) {
                0 => ("add", amount(numbers)),
                _ => ("read", "null".to_string()),
            },
            |numbers, f, value| if f == "add" { value.to_string() } else { amount(numbers) },
        );
        let history = history(&text);
        let report = properties::check(&history, Model::CounterBounds, &Options::default());
        let wrong = history.views().filter(|view| ok(view, "read")).filter(|read| {
            let adds = history.views().filter(|a| a.f() == "add" && a.outcome() != Outcome::Fail);
            let (mut lower, mut upper) = (0, 0);
            for add in adds.filter(|add| Some(add.invoked()) < read.completed()) {
                let amount = add.value().as_i64().unwrap();
                let certain = add.completed().is_some_and(|end| end < read.invoked());
                lower += if certain { amount } else { amount.min(0) };
                upper += if certain { amount } else { amount.max(0) };
            }
            !(lower..=upper).contains(&read.value().as_i64().unwrap())
        });
        assert_eq!(figure(&report, "outside"), wrong.count() as i64, "{text}\n{report:#?}");
        outside += figure(&report, "outside");
    }
    assert!(outside > 0, "some reads are wrong");
}

#[test]
fn forks_are_found_as_they_are_defined() {
    let (mut numbers, mut forks) = (Random(0x5851_f42d_4c95_7f2d), 0);
    for _ in 0..cases() {
        let count = 2 + numbers.below(4);
        let reads: Vec<[bool; 3]> =
            (0..count).map(|_| [0; 3].map(|_| numbers.below(2) == 0)).collect();
        let read = |(process, seen): (usize, &[bool; 3])| {
            let value = |key: usize| if seen[key] { "1" } else { "null" };
            let steps: Vec<_> =
                (0..3).map(|key| format!(r#"["r",{key},{}]"#, value(key))).collect();
            let steps = format!("[{}]", steps.join(","));
            done(process as u64, "txn", &steps, &steps, "")
        };
        let text: String = reads.iter().enumerate().map(read).collect();
        let opposite = |a: &[bool; 3], b: &[bool; 3]| {
            let ahead = |a: &[bool; 3], b: &[bool; 3]| (0..3).any(|key| a[key] && !b[key]);
            ahead(a, b) && ahead(b, a)
        };
        let expected = reads.iter().any(|a| reads.iter().any(|b| opposite(a, b)));
        let report = judge(Model::LongFork, &text);
        assert_eq!(report.verdict == Verdict::Invalid, expected, "{text}\n{report:#?}");
        forks += usize::from(expected);
    }
    assert!(forks > 0 && (forks as u64) < cases(), "some fork and some do not");
}
