//! Checks of histories: of each a recording that it accepts, those that it rejects with the culprit that it names, and those that prove nothing.

use std::path::PathBuf;

use checker::history::History;
use checker::models::Model;
use checker::properties::{self, Options};
use checker::verdict::{CheckReport, Verdict, Violation};

/// A history from events `process type f value [key]`, values as JSON without blanks, separated by `;` or line ends. One event a millisecond;
/// process 1 asks node n1, and so on. `nemesis f value [node]` is a line of the nemesis, with `fault/stage` before its `f` where it has one.
fn history(text: &str) -> History {
    let mut lines = String::new();
    let events = text.split([';', '\n']).map(str::trim).filter(|event| !event.is_empty());
    for (index, event) in events.enumerate() {
        let words: Vec<_> = event.split_whitespace().collect();
        let value = words.get(3).copied().unwrap_or("null");
        let value: serde_json::Value = serde_json::from_str(value).unwrap();
        let mut line = serde_json::json!({
            "index": index, "time": index * 1_000_000, "type": words[1], "f": words[2], "value": value,
        });
        let last = words.get(4).copied();
        match words[0].parse::<u64>() {
            Ok(process) => {
                line["process"] = process.into();
                line["node"] = format!("n{process}").into();
                if let Some(key) = last {
                    line["key"] = key.into();
                }
            }
            Err(_) => nemesis(&mut line, words[1], last),
        }
        lines += &(line.to_string() + "\n");
    }
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), lines).unwrap();
    History::read(file.path()).unwrap()
}

fn nemesis(line: &mut serde_json::Value, kind: &str, node: Option<&str>) {
    line["process"] = "nemesis".into();
    line["type"] = "info".into();
    if let Some((fault, stage)) = kind.split_once('/') {
        line["fault"] = fault.into();
        line["stage"] = stage.into();
    }
    if let Some(node) = node {
        line["node"] = node.into();
    }
}

fn judge(model: Model, text: &str) -> CheckReport {
    properties::check(&history(text), model, &Options::default())
}

fn check_valid(model: Model, text: &str) -> CheckReport {
    let report = judge(model, text);
    assert_eq!(report.verdict, Verdict::Valid, "{text}: {report:#?}");
    assert!(report.violations.is_empty());
    report
}

/// Expects that nothing was proved, for this reason.
fn check_unknown(model: Model, text: &str, words: &str) {
    let report = judge(model, text);
    assert_eq!(report.verdict, Verdict::Unknown, "{text}: {report:#?}");
    assert!(report.detail.contains(words), "{}", report.detail);
}

/// Expects one violation with these words in its summary or explanation, and these culprits: `process 1 on n1: add 7`.
fn check_invalid(model: Model, text: &str, words: &str, culprits: &[&str]) {
    is_invalid(&judge(model, text), words, culprits);
}

fn is_invalid(report: &CheckReport, words: &str, culprits: &[&str]) {
    assert_eq!(report.verdict, Verdict::Invalid, "{report:#?}");
    let [violation] = report.violations.as_slice() else { panic!("{report:#?}") };
    assert!(told(violation).contains(words), "{words}: {violation:#?}");
    let operations = violation.operations.iter().map(|operation| {
        format!("{} {} {}", operation.process, operation.operation, operation.outcome)
    });
    assert_eq!(operations.collect::<Vec<_>>(), culprits, "{violation:#?}");
    assert!(violation.operations.iter().all(|operation| operation.node.is_some()));
    let ends = violation.operations.iter().filter_map(|operation| operation.completed).max();
    assert!(violation.time <= ends || violation.operations.is_empty(), "{violation:#?}");
}

fn told(violation: &Violation) -> String {
    format!("{} {}", violation.summary, violation.explanation.join(" "))
}

fn figure(report: &CheckReport, name: &str) -> i64 {
    report.figures[name].as_i64().unwrap()
}

/// One operation that succeeds: `done("1", "add", "7", "7", "")`.
fn done(process: u64, f: &str, value: &str, result: &str, key: &str) -> String {
    format!("{process} invoke {f} {value} {key}; {process} ok {f} {result} {key};")
}

fn add(process: u64, element: u64) -> String {
    done(process, "add", &element.to_string(), &element.to_string(), "")
}

fn read(process: u64, result: &str) -> String {
    done(process, "read", "null", result, "")
}

mod set_full {
    use super::*;

    #[test]
    fn what_was_acknowledged_and_read_is_valid() {
        let report = check_valid(Model::SetFull, &(add(1, 7) + &add(2, 8) + &read(3, "[8,7]")));
        assert_eq!((figure(&report, "stable"), figure(&report, "attempted")), (2, 2));
        // One final read with nothing unacknowledged in it.
        check_valid(
            Model::SetFull,
            &(add(1, 7) + "2 invoke add 8; 2 info add 8;" + &read(3, "[7]")),
        );
        // A read that overlaps the add may lack it, before and after.
        let overlap =
            "1 invoke add 7; 2 invoke read; 2 ok read []; 3 invoke read; 1 ok add 7; 3 ok read [];";
        check_valid(Model::SetFull, &(overlap.to_string() + &read(2, "[7]")));
    }

    #[test]
    fn an_element_that_is_gone_for_good_is_lost() {
        let text = add(1, 7) + &add(1, 8) + &read(2, "[7,8]") + &read(3, "[8]") + &read(2, "[8]");
        let culprits = ["1 add 7 ok", "2 read -> [7,8] ok", "2 read -> [8] ok"];
        check_invalid(
            Model::SetFull,
            &text,
            "element 7 is lost: known at 0.001 s, missing in a read that began at 0.008 s",
            &culprits,
        );
        // An add of unknown outcome is known as soon as somebody saw it.
        let text = "1 invoke add 7; 1 info add 7;".to_string() + &read(2, "[7]") + &read(2, "[]");
        let culprits = ["1 add 7 info", "2 read -> [7] ok", "2 read -> [] ok"];
        check_invalid(Model::SetFull, &text, "The last to see it was process 2 on n2", &culprits);
        let report = judge(Model::SetFull, &text);
        assert_eq!(report.figures["lost_latency_ns"]["count"], 1);
    }

    #[test]
    fn an_element_that_comes_back_is_stale_and_convicts_where_reads_are_linearizable() {
        let text = add(1, 7) + &read(2, "[]") + &read(3, "[7]");
        let report = check_valid(Model::SetFull, &text);
        assert_eq!(figure(&report, "stale"), 1);
        assert_eq!(report.figures["stable_latency_ns"]["max"], 1_000_000);
        let options = Options { linearizable: true, ..Options::default() };
        let report = properties::check(&history(&text), Model::SetFull, &options);
        let culprits = ["1 add 7 ok", "2 read -> [] ok", "3 read -> [7] ok"];
        is_invalid(&report, "a stale read lacks element 7", &culprits);
        // It was seen by a read that ended after the one that lacks it: it may have come back.
        let overlap = "2 invoke read; 3 invoke read; 3 ok read []; 2 ok read [7]";
        assert_eq!(figure(&check_valid(Model::SetFull, &(add(1, 7) + overlap)), "stale"), 1);
    }

    #[test]
    fn what_is_there_twice_or_from_nowhere_is_named() {
        let twice = add(1, 7) + &read(2, "[7,7]");
        check_invalid(Model::SetFull, &twice, "element 7 is twice", &["2 read -> [7,7] ok"]);
        let nowhere = add(1, 7) + &read(2, "[7,8]");
        check_invalid(Model::SetFull, &nowhere, "Nobody ever added 8", &["2 read -> [7,8] ok"]);
        let failed = add(1, 7) + "3 invoke add 8; 3 fail add 8;" + &read(2, "[7,8]");
        let culprits = ["3 add 8 fail", "2 read -> [7,8] ok"];
        check_invalid(Model::SetFull, &failed, "which ended fail", &culprits);
        let future = add(1, 7) + &read(2, "[7,8]") + &add(3, 8) + &read(2, "[7,8]");
        let culprits = ["2 read -> [7,8] ok", "3 add 8 ok"];
        check_invalid(Model::SetFull, &future, "was added only later", &culprits);
    }

    #[test]
    fn without_a_read_or_an_add_nothing_is_proved() {
        check_unknown(Model::SetFull, "", "no set was used");
        check_unknown(Model::SetFull, &add(1, 7), "no read succeeded");
        check_unknown(Model::SetFull, &read(1, "[]"), "nothing was added");
        let late = read(2, "[]") + &add(1, 7);
        check_unknown(Model::SetFull, &late, "acknowledged before the last read began");
        let odd = add(1, 7) + &read(2, "7");
        check_unknown(Model::SetFull, &odd, "line 3 is no list of elements");
    }

    #[test]
    fn keys_are_judged_apart() {
        let keyed = |key, result: &str| {
            done(1, "add", "7", "7", key) + &done(2, "read", "null", result, key)
        };
        check_valid(Model::SetFull, &(keyed("a", "[7]") + &keyed("b", "[7]")));
        let report = judge(Model::SetFull, &(keyed("a", "[7]") + &keyed("b", "[]")));
        assert_eq!(report.violations[0].key.as_deref(), Some("b"));
        assert!(report.violations[0].summary.starts_with("key b: element 7 is lost"));
        let unread = keyed("a", "[7]") + &done(1, "add", "7", "7", "b");
        check_unknown(Model::SetFull, &unread, "key b: no read succeeded");
    }

    #[test]
    fn many_are_counted_and_some_are_told() {
        let adds: String = (0..100).map(|element| add(1, element)).collect();
        let report = judge(Model::SetFull, &(adds + &read(2, "[0]")));
        assert_eq!((figure(&report, "lost"), report.violations.len()), (99, 16));
        assert!(report.detail.contains("lost: 99"), "{}", report.detail);
    }
}

mod total_queue {
    use super::*;

    fn enqueue(process: u64, element: &str) -> String {
        done(process, "enqueue", element, element, "")
    }

    fn dequeue(process: u64, element: &str) -> String {
        done(process, "dequeue", "null", element, "")
    }

    fn drain(result: &str) -> String {
        done(9, "drain", "null", result, "")
    }

    #[test]
    fn what_comes_out_once_is_valid() {
        let text = enqueue(1, "7") + &enqueue(1, "8") + &dequeue(2, "8") + &drain("[7]");
        check_valid(Model::TotalQueue, &text);
        // All came out: nobody has to look whether more is there.
        check_valid(Model::TotalQueue, &(enqueue(1, "7") + &dequeue(2, "7")));
        let recovered = "1 invoke enqueue 7; 1 info enqueue 7;".to_string() + &dequeue(2, "7");
        assert_eq!(figure(&check_valid(Model::TotalQueue, &recovered), "recovered"), 1);
    }

    #[test]
    fn what_never_comes_out_is_lost() {
        let text = enqueue(1, "7") + &enqueue(1, "8") + &dequeue(2, "8");
        let culprits = ["1 enqueue 7 ok", "9 drain -> [] ok"];
        check_invalid(
            Model::TotalQueue,
            &(text.clone() + &drain("[]")),
            "element 7 is lost",
            &culprits,
        );
        let culprits = ["1 enqueue 7 ok", "3 dequeue -> empty ok"];
        check_invalid(
            Model::TotalQueue,
            &(text.clone() + &dequeue(3, "null")),
            "The queue was found empty after that by process 3 on n3",
            &culprits,
        );
        // Put in twice, out once.
        let twice = enqueue(1, "7") + &enqueue(1, "7") + &dequeue(2, "7") + &drain("[]");
        check_invalid(
            Model::TotalQueue,
            &twice,
            "done 2 times in all, and it came out 1 times",
            &["1 enqueue 7 ok", "9 drain -> [] ok"],
        );
    }

    #[test]
    fn what_comes_from_nowhere_convicts_and_what_comes_twice_is_told() {
        let text = enqueue(1, "7") + &dequeue(2, "7") + &dequeue(2, "8");
        check_invalid(Model::TotalQueue, &text, "Nobody ever put 8 in", &["2 dequeue -> 8 ok"]);
        let failed = "1 invoke enqueue 7; 1 fail enqueue 7;".to_string() + &dequeue(2, "7");
        let culprits = ["1 enqueue 7 fail", "2 dequeue -> 7 ok"];
        check_invalid(Model::TotalQueue, &failed, "which ended fail", &culprits);
        let future = dequeue(2, "7") + &enqueue(1, "7");
        let culprits = ["2 dequeue -> 7 ok", "1 enqueue 7 ok"];
        check_invalid(Model::TotalQueue, &future, "put in only later", &culprits);
        let twice = enqueue(1, "7") + &dequeue(2, "7") + &dequeue(3, "7");
        let report = check_valid(Model::TotalQueue, &twice);
        assert_eq!(figure(&report, "duplicated"), 1);
        let words = "7 came out of process 2 on n2 and again of process 3 on n3";
        assert!(report.detail.contains(words), "{}", report.detail);
    }

    #[test]
    fn what_may_be_somewhere_is_undecided() {
        check_unknown(Model::TotalQueue, "", "no queue was used");
        check_unknown(Model::TotalQueue, &enqueue(1, "7"), "nothing was ever dequeued");
        check_unknown(Model::TotalQueue, &drain("[]"), "nothing was ever dequeued");
        let text = enqueue(1, "7") + &enqueue(1, "8") + &dequeue(2, "8");
        check_unknown(Model::TotalQueue, &text, "the queue was not drained after that");
        let taken = text.clone() + "3 invoke dequeue; 3 info dequeue;" + &drain("[]");
        check_unknown(Model::TotalQueue, &taken, "may have taken them");
        let crashed = text.clone() + "3 invoke drain; 3 info drain;" + &drain("[]");
        check_unknown(Model::TotalQueue, &crashed, "the outcome of a drain is unknown");
        // It was acknowledged only after the queue was found empty.
        let late = enqueue(1, "8") + &dequeue(2, "8") + &drain("[]") + &enqueue(1, "7");
        check_unknown(Model::TotalQueue, &late, "the queue was not drained after that");
    }
}

mod counter_bounds {
    use super::*;

    fn add(process: u64, amount: i64) -> String {
        done(process, "add", &amount.to_string(), &amount.to_string(), "")
    }

    #[test]
    fn reads_within_the_bounds_are_valid() {
        check_valid(Model::CounterBounds, &(add(1, 3) + &add(2, 4) + &read(3, "7")));
        // An open add may count or not, up or down.
        for (amount, value) in [(5, 3), (5, 8), (-5, 3), (-5, -2)] {
            let text = add(1, 3) + &format!("2 invoke add {amount}; 2 info add {amount};");
            check_valid(Model::CounterBounds, &(text + &read(3, &value.to_string())));
        }
        // Nor is it certain that one that began during the read counts.
        let overlap = add(1, 3) + "2 invoke read; 1 invoke add 1; 1 ok add 1; 2 ok read 4;";
        check_valid(Model::CounterBounds, &overlap);
        check_valid(Model::CounterBounds, &(read(2, "null") + &add(1, 3)));
    }

    #[test]
    fn reads_outside_the_bounds_are_named_with_them() {
        let text = add(1, 3) + &add(2, -1) + &read(3, "1");
        let culprits = ["1 add 3 ok", "2 add -1 ok", "3 read -> 1 ok"];
        check_invalid(
            Model::CounterBounds,
            &text,
            "process 3 on n3 read 1, less than was certainly added: possible was exactly 2",
            &culprits,
        );
        let text = add(1, 3) + "2 invoke add 4; 2 info add 4; 4 invoke add 9; 4 fail add 9;";
        let culprits = ["1 add 3 ok", "2 add 4 info", "3 read -> 8 ok"];
        check_invalid(
            Model::CounterBounds,
            &(text + &read(3, "8")),
            "more than can have been added: possible was 3 to 7",
            &culprits,
        );
    }

    #[test]
    fn without_reads_or_adds_nothing_is_proved() {
        check_unknown(Model::CounterBounds, "", "no counter was used");
        check_unknown(Model::CounterBounds, &add(1, 3), "no read succeeded");
        check_unknown(Model::CounterBounds, &read(1, "0"), "nothing was added");
        let text = add(1, 3) + &read(2, "\"x\"");
        check_unknown(Model::CounterBounds, &text, "line 3 is no whole number");
    }
}

mod bank {
    use super::*;

    #[test]
    fn a_constant_total_is_valid() {
        let text = read(1, r#"{"a":5,"b":5}"#)
            + &done(2, "transfer", r#"{"from":"a","to":"b","amount":2}"#, "null", "")
            + &read(1, r#"{"a":3,"b":7}"#);
        check_valid(Model::Bank, &text);
        check_valid(Model::Bank, &(read(1, "[5,5]") + &read(1, "[0,10]")));
        let report = check_valid(Model::Bank, &read(1, r#"{"a":5,"b":5}"#));
        assert!(report.detail.contains("is that of the only read"), "{}", report.detail);
    }

    #[test]
    fn each_kind_of_error_is_named_with_its_read() {
        let first = read(1, r#"{"a":5,"b":5}"#);
        let with = |result: &str| first.clone() + &read(2, result);
        check_invalid(
            Model::Bank,
            &with(r#"{"a":4,"b":5}"#),
            "process 2 on n2 read a total of 9, not 10",
            &[r#"1 read -> {"a":5,"b":5} ok"#, r#"2 read -> {"a":4,"b":5} ok"#],
        );
        check_invalid(
            Model::Bank,
            &with(r#"{"a":11,"b":-1}"#),
            "read a balance of -1 in account b",
            &[r#"2 read -> {"a":11,"b":-1} ok"#],
        );
        check_invalid(
            Model::Bank,
            &with(r#"{"a":10,"b":null}"#),
            "read account b with the balance null",
            &[r#"2 read -> {"a":10,"b":null} ok"#],
        );
        check_invalid(
            Model::Bank,
            &with(r#"{"a":5,"b":4,"c":1}"#),
            "account c, which the first read does not have",
            &[r#"2 read -> {"a":5,"b":4,"c":1} ok"#],
        );
    }

    #[test]
    fn what_is_expected_is_compared() {
        let history = history(&read(1, r#"{"a":11,"b":-1}"#));
        let options = Options { negative_balances: true, total: Some(10), ..Options::default() };
        let judge = |options| properties::check(&history, Model::Bank, &options);
        assert_eq!(judge(options.clone()).verdict, Verdict::Valid);
        let culprits = [r#"1 read -> {"a":11,"b":-1} ok"#];
        let report = judge(Options { total: Some(12), ..options });
        is_invalid(&report, "read a total of 10, not 12", &culprits);
    }

    #[test]
    fn without_a_read_nothing_is_proved() {
        let transfer = done(2, "transfer", r#"{"from":"a"}"#, "null", "");
        check_unknown(Model::Bank, &transfer, "no read of the accounts succeeded");
        check_unknown(Model::Bank, "1 invoke read; 1 fail read", "no read of the accounts");
        check_unknown(Model::Bank, &read(1, "7"), "no map of balances");
    }
}

mod unique_ids {
    use super::*;

    fn generate(process: u64, id: &str) -> String {
        done(process, "generate", "null", id, "")
    }

    #[test]
    fn an_identifier_that_is_given_twice_is_named() {
        let text = generate(1, "7") + &generate(2, "\"7\"") + &generate(1, "[7]");
        assert_eq!(figure(&check_valid(Model::UniqueIds, &text), "acknowledged"), 3);
        let culprits = ["1 generate -> [7] ok", "2 generate -> [7] ok"];
        check_invalid(
            Model::UniqueIds,
            &(text + &generate(2, "[7]")),
            "identifier [7] was given twice",
            &culprits,
        );
    }

    #[test]
    fn without_an_identifier_nothing_is_proved() {
        let none = "1 invoke generate; 1 info generate";
        check_unknown(Model::UniqueIds, none, "no identifier was given");
        let silent = generate(1, "7") + &generate(1, "null");
        check_unknown(Model::UniqueIds, &silent, "line 3 got ok without an identifier");
    }
}

mod long_fork {
    use super::*;

    fn txn(process: u64, steps: &str) -> String {
        done(process, "txn", steps, steps, "")
    }

    fn group(process: u64, x: &str, y: &str) -> String {
        txn(process, &format!(r#"[["r","x",{x}],["r","y",{y}]]"#))
    }

    fn writes() -> String {
        txn(1, r#"[["w","x",1]]"#) + &txn(2, r#"[["w","y",1]]"#)
    }

    #[test]
    fn writes_that_are_seen_in_one_order_are_valid() {
        let text = writes()
            + &group(3, "null", "null")
            + &group(4, "1", "null")
            + &group(3, "1", "null")
            + &group(4, "1", "1");
        let report = check_valid(Model::LongFork, &text);
        let counts =
            ["early_reads", "partial_reads", "late_reads"].map(|name| figure(&report, name));
        assert_eq!(counts, [1, 2, 1]);
    }

    #[test]
    fn opposite_orders_are_a_fork() {
        let text = writes() + &group(3, "1", "null") + &group(4, "null", "1");
        let culprits = [
            r#"1 txn [["w","x",1]] ok"#,
            r#"2 txn [["w","y",1]] ok"#,
            r#"3 txn [["r","x",1],["r","y",null]] ok"#,
            r#"4 txn [["r","x",null],["r","y",1]] ok"#,
        ];
        check_invalid(Model::LongFork, &text, "were seen in opposite orders", &culprits);
        // Plain writes of a key, groups that overlap in two keys.
        let plain = done(1, "write", "1", "1", "x")
            + &done(3, "read", r#"[["r","x",1],["r","z",1],["r","y",[]]]"#, "null", "")
            + &done(4, "read", r#"[["r","y",1],["r","x",null]]"#, "null", "");
        let report = judge(Model::LongFork, &plain);
        assert_eq!(report.verdict, Verdict::Invalid, "{report:#?}");
    }

    #[test]
    fn what_cannot_be_compared_is_undecided() {
        check_unknown(Model::LongFork, &writes(), "fewer than two transactions");
        let early = writes() + &group(3, "null", "null") + &group(4, "1", "1");
        check_unknown(Model::LongFork, &early, "no read fell between two writes");
        let again = writes() + &txn(5, r#"[["w","y",2]]"#);
        let fork = again + &group(3, "1", "null") + &group(4, "null", "1");
        check_unknown(Model::LongFork, &fork, "1 key written several times");
        // What a transaction wrote itself tells nothing.
        let own = txn(1, r#"[["w","x",1],["r","x",1],["r","y",null]]"#)
            + &txn(2, r#"[["w","y",1],["r","y",1],["r","x",null]]"#);
        check_unknown(Model::LongFork, &own, "fewer than two transactions");
    }
}

mod sessions {
    use super::*;

    fn write(process: u64, value: u64) -> String {
        done(process, "write", &value.to_string(), &value.to_string(), "")
    }

    fn append(process: u64, value: u64) -> String {
        done(process, "append", &value.to_string(), &value.to_string(), "")
    }

    fn cas(process: u64, both: &str) -> String {
        done(process, "cas", both, both, "")
    }

    #[test]
    fn a_process_that_sees_things_in_order_is_valid() {
        for model in [Model::MonotonicReads, Model::SessionGuarantees] {
            // Stale reads are no matter, as long as each process only goes forward.
            let text = read(2, "null") + &write(1, 1) + &write(1, 2);
            let text = text + &read(2, "1") + &read(3, "2") + &read(2, "1") + &read(2, "2");
            check_valid(model, &text);
            check_valid(
                model,
                &(append(1, 1) + &read(2, "[]") + &append(1, 2) + &read(2, "[1,2]")),
            );
            check_valid(
                model,
                &(cas(1, "[null,1]") + &read(2, "1") + &cas(1, "[1,4]") + &read(2, "4")),
            );
            // Writes that overlap may have taken effect in either order.
            let overlap = "1 invoke write 1; 2 invoke write 2; 1 ok write 1; 2 ok write 2;";
            check_valid(model, &(overlap.to_string() + &read(3, "1") + &read(3, "2")));
            check_valid(model, &(overlap.to_string() + &read(3, "2") + &read(3, "1")));
        }
    }

    #[test]
    fn a_read_that_goes_back_is_named() {
        for model in [Model::MonotonicReads, Model::SessionGuarantees] {
            let text = write(1, 1) + &write(1, 2) + &read(3, "2") + &read(3, "1");
            let culprits = ["1 write 1 ok", "1 write 2 ok", "3 read -> 2 ok", "3 read -> 1 ok"];
            check_invalid(model, &text, "monotonic reads broken at 0.007 s", &culprits);
            // An info write had taken effect once somebody saw it.
            let text =
                "1 invoke write 1; 1 info write 1;".to_string() + &read(4, "1") + &write(2, 2);
            let culprits = [
                "1 write 1 info",
                "4 read -> 1 ok",
                "2 write 2 ok",
                "3 read -> 2 ok",
                "3 read -> 1 ok",
            ];
            check_invalid(
                model,
                &(text + &read(3, "2") + &read(3, "1")),
                "had taken effect by",
                &culprits,
            );
            let text = append(1, 1) + &append(2, 2) + &read(3, "[1,2]") + &read(3, "[1]");
            let culprits = ["3 read -> [1,2] ok", "3 read -> [1] ok"];
            check_invalid(model, &text, "reaches to place 1", &culprits);
            let text = read(3, "8") + &read(3, "7");
            let culprits = ["3 read -> 8 ok", "3 read -> 7 ok"];
            check_invalid(model, &text, "only grow", &culprits);
            let text = write(1, 1) + &read(3, "1") + &read(3, "null");
            let culprits = ["1 write 1 ok", "3 read -> 1 ok", "3 read -> null ok"];
            check_invalid(model, &text, "from before the first write", &culprits);
        }
    }

    #[test]
    fn the_other_guarantees_are_called_by_their_names() {
        let check = |text: &str, words: &str, culprits: &[&str]| {
            check_invalid(Model::SessionGuarantees, text, words, culprits);
        };
        check(
            &(write(1, 1) + &write(2, 2) + &read(2, "1")),
            "read your writes broken at 0.005 s: process 2 on n2 did not read its own write",
            &["1 write 1 ok", "2 write 2 ok", "2 read -> 1 ok"],
        );
        check(
            &(append(1, 1) + &read(1, "[]")),
            "read your writes broken",
            &["1 append 1 ok", "1 read -> [] ok"],
        );
        check(
            &(append(1, 1) + &append(1, 2) + &read(3, "[2,1]")),
            "monotonic writes broken",
            &["1 append 1 ok", "1 append 2 ok"],
        );
        check(
            &(append(1, 1) + &read(2, "[1,2]") + &append(2, 2)),
            "writes follow reads broken at 0.005 s: process 2 on n2 wrote behind what it had read",
            &["2 read -> [1,2] ok", "2 append 2 ok"],
        );
    }

    #[test]
    fn without_known_versions_nothing_is_proved() {
        for model in [Model::MonotonicReads, Model::SessionGuarantees] {
            check_unknown(model, &write(1, 1), "nothing was compared");
            check_unknown(model, &(write(1, 1) + &read(2, "1")), "nothing was compared");
            let twice = write(1, 1) + &write(1, 1) + &read(2, "1") + &read(2, "1");
            check_unknown(model, &twice, "its value was written several times");
            let nobody = write(1, 1) + &read(2, "7") + &read(2, "1");
            check_unknown(model, &nobody, "written by nobody");
            let forked = append(1, 1) + &append(2, 2) + &read(3, "[1]") + &read(3, "[2,1]");
            check_unknown(model, &forked, "do not agree on an order");
        }
    }

    #[test]
    fn transactions_are_sessions_too() {
        let txn = |process, steps: &str| done(process, "txn", steps, steps, "");
        let text = txn(1, r#"[["append","x",1],["append","y",1]]"#)
            + &txn(2, r#"[["r","x",[1]],["r","y",[1]]]"#)
            + &txn(2, r#"[["r","x",[1]],["append","y",2]]"#)
            + &txn(3, r#"[["r","y",[1,2]]]"#);
        check_valid(Model::SessionGuarantees, &text);
        let back = text + &txn(2, r#"[["r","y",[1]]]"#);
        let report = judge(Model::SessionGuarantees, &back);
        assert_eq!(report.verdict, Verdict::Invalid);
        let summaries: Vec<_> = report.violations.iter().map(|v| v.summary.as_str()).collect();
        assert!(summaries[0].starts_with("key y: read your writes broken"), "{summaries:?}");
    }
}

mod availability {
    use super::*;

    const MILLISECOND: u64 = 1_000_000;

    /// A read that succeeds at once, a fault, reads that fail or hang, and one that succeeds.
    fn outage() -> String {
        r#"nemesis f1/plan kill {"kill":{"node":"n1"}};
           nemesis f1/done kill {"action":"kill\u0020n1"};"#
            .to_string()
            + &read(1, "1")
            + "1 invoke read; 1 fail read; 2 invoke read; 2 info read;"
            + r#"nemesis f1/end restart {"effective":true,"healed":true};"#
            + &done(3, "write", "2", "2", "")
            + &read(1, "2")
    }

    fn check(gap: Option<u64>, recovery: Option<u64>) -> CheckReport {
        let options = Options { gap_max: gap, recovery_max: recovery, ..Options::default() };
        properties::check(&history(&outage()), Model::Availability, &options)
    }

    #[test]
    fn the_longest_wait_is_measured_over_all_by_operation_and_by_node() {
        let report = check_valid(Model::Availability, &outage());
        // From the failing read's beginning at 4 ms to the write's success at 10 ms.
        assert_eq!(figure(&report, "longest_gap_ns"), 6_000_000);
        assert_eq!(figure(&report, "longest_gap_from_ns"), 4_000_000);
        assert_eq!(report.figures["longest_gap_by_operation_ns"]["write"], MILLISECOND);
        assert_eq!(report.figures["longest_gap_by_operation_ns"]["read"], 8 * MILLISECOND);
        assert_eq!(report.figures["longest_gap_by_node_ns"]["n2"], 6 * MILLISECOND);
        assert_eq!(report.figures["recovery_ns"]["f1"], 2 * MILLISECOND);
        assert!(report.detail.ends_with("no limit was given"), "{}", report.detail);
    }

    #[test]
    fn limits_convict_where_they_are_exceeded() {
        let just = check(Some(6 * MILLISECOND), Some(2 * MILLISECOND));
        assert_eq!(just.verdict, Verdict::Valid, "{just:#?}");
        let culprits = ["1 read -> 1 ok", "1 read fail", "3 write 2 ok"];
        let words = "nothing succeeded for 6.00 ms, from 0.004 s to 0.010 s; 5.00 ms were allowed";
        is_invalid(&check(Some(5 * MILLISECOND), None), words, &culprits);
        let words = "after f1 (kill n1) the first success came 2.00 ms later; 1.00 ms were allowed";
        is_invalid(&check(None, Some(MILLISECOND)), words, &[]);
    }

    #[test]
    fn an_operation_that_hangs_keeps_somebody_waiting() {
        let text = "2 invoke read;".to_string()
            + &read(1, "1")
            + "nemesis x problem {}; nemesis x problem {}; 2 info read";
        let report = check_valid(Model::Availability, &text);
        assert_eq!(figure(&report, "longest_gap_from_ns"), 2_000_000);
        assert_eq!(figure(&report, "longest_gap_ns"), 3_000_000);
        // Nobody waits while nobody asks.
        let idle = read(1, "1") + "nemesis x problem {}; nemesis x problem {};" + &read(1, "1");
        assert_eq!(figure(&check_valid(Model::Availability, &idle), "longest_gap_ns"), 1_000_000);
    }

    #[test]
    fn without_a_success_nothing_is_proved() {
        check_unknown(Model::Availability, "", "no operation succeeded");
        check_unknown(Model::Availability, "1 invoke read; 1 fail read", "no operation succeeded");
        let cut = outage().split("3 invoke").next().unwrap().to_string();
        let options = Options { recovery_max: Some(MILLISECOND), ..Options::default() };
        let judge = |text: &str| properties::check(&history(text), Model::Availability, &options);
        let report = judge(&cut);
        assert_eq!(report.verdict, Verdict::Unknown);
        assert!(report.detail.contains("nothing was asked after f1"), "{}", report.detail);
        let asked = cut.clone() + "3 invoke read; 3 fail read";
        assert_eq!(judge(&asked).verdict, Verdict::Invalid);
        let report = judge(&(cut + "3 invoke read"));
        assert!(report.detail.contains("the recording ends 1.00 ms after f1"), "{}", report.detail);
    }
}

mod latency {
    use super::*;

    fn check(text: &str, limit: u64) -> CheckReport {
        let limits = [("max".to_string(), limit)].into();
        let latency_max = [("read".to_string(), limits)].into();
        let options = Options { latency_max, ..Options::default() };
        properties::check(&history(text), Model::Latency, &options)
    }

    #[test]
    fn quantiles_are_measured_and_limits_convict() {
        let text =
            read(1, "1") + "2 invoke read;" + &done(1, "write", "2", "2", "") + "2 ok read 2;";
        let report = check_valid(Model::Latency, &text);
        assert_eq!(report.figures["read_latency_ns"]["p50"], 1_000_000);
        assert_eq!(report.figures["read_latency_ns"]["max"], 3_000_000);
        assert_eq!(report.figures["write_latency_ns"]["count"], 1);
        assert_eq!(check(&text, 3_000_000).verdict, Verdict::Valid);
        let words = "max of read is 3.00 ms; 2.00 ms were allowed";
        is_invalid(&check(&text, 2_000_000), words, &["2 read -> 2 ok"]);
    }

    #[test]
    fn without_a_success_nothing_is_proved() {
        check_unknown(Model::Latency, "1 invoke read; 1 info read", "no operation succeeded");
        let report = check(&done(1, "write", "2", "2", ""), 1);
        assert_eq!(report.verdict, Verdict::Unknown);
        assert!(report.detail.contains("no read succeeded"), "{}", report.detail);
        let limits = [("p42".to_string(), 1)].into();
        let latency_max = [("read".to_string(), limits)].into();
        let options = Options { latency_max, ..Options::default() };
        let report = properties::check(&history(&read(1, "1")), Model::Latency, &options);
        assert_eq!(report.verdict, Verdict::Unknown);
        assert!(report.detail.contains("there is no quantile `p42`"), "{}", report.detail);
    }
}

mod state_digests {
    use super::*;

    fn digest(node: &str, applied: &str, digest: &str) -> String {
        format!(r#"nemesis x state-digest {{"applied":{applied},"digest":"{digest}"}} {node};"#)
    }

    #[test]
    fn equal_states_are_valid() {
        let text = digest("n1", "7", "aa") + &digest("n2", "7", "aa") + &digest("n1", "9", "cc");
        check_valid(Model::StateDigests, &text);
        // Without an index only the last of each node counts.
        let text =
            digest("n1", "null", "aa") + &digest("n1", "null", "bb") + &digest("n2", "null", "bb");
        check_valid(Model::StateDigests, &text);
    }

    #[test]
    fn unequal_states_are_named_with_their_nodes() {
        let text = digest("n1", "7", "aa") + &digest("n2", "7", "bb");
        let words = "n1 and n2 have different states after applying 7 n1 reported aa at 0.000 s.";
        check_invalid(Model::StateDigests, &text, words, &[]);
        let text = digest("n1", "7", "aa") + &digest("n1", "7", "bb");
        check_invalid(Model::StateDigests, &text, "n1 has two states after applying 7", &[]);
        let text = digest("n1", "null", "aa") + &digest("n2", "null", "bb");
        check_invalid(Model::StateDigests, &text, "when they were last asked", &[]);
    }

    #[test]
    fn what_was_not_compared_is_undecided() {
        check_unknown(Model::StateDigests, "", "no node reported");
        check_unknown(Model::StateDigests, &digest("n1", "7", "aa"), "only n1 reported");
        let text = digest("n1", "7", "aa") + &digest("n2", "7", "aa") + &digest("n3", "8", "bb");
        let words = "no other node reported the same applied index as n3";
        check_unknown(Model::StateDigests, &text, words);
        let text =
            digest("n1", "7", "aa") + &digest("n2", "7", "aa") + r#"nemesis x state-digest {} n2"#;
        check_unknown(Model::StateDigests, &text, "has no node or no digest");
    }
}

/// Properties are reached by their names, on the command line's way and on a run's.
mod judged {
    use checker::judge::{Limits, judge_history, judge_run};

    use super::*;

    const BANK: &str = r#"{"index":0,"time":0,"process":1,"type":"invoke","f":"read","value":null}
{"index":1,"time":1,"process":1,"type":"ok","f":"read","value":{"a":11,"b":-1}}
"#;

    #[test]
    fn a_history_is_judged_by_its_model() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), BANK).unwrap();
        let judge = |model| judge_history(file.path(), Some(model), &Limits::default());
        let (_, judgement) = judge(Model::Bank).unwrap();
        assert_eq!(
            (judgement.verdict, judgement.checks[0].name.as_str()),
            (Verdict::Invalid, "bank")
        );
        // Any operation has a latency; a queue has no read.
        assert_eq!(judge(Model::Latency).unwrap().1.checks[0].verdict, Verdict::Valid);
        assert!(judge(Model::TotalQueue).unwrap_err().to_string().contains("no operation `read`"));
    }

    #[test]
    fn a_run_names_its_checks_and_what_they_expect() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("history.jsonl"), BANK).unwrap();
        for (options, expected) in
            [("{}", Verdict::Invalid), (r#"{"negative_balances":true}"#, Verdict::Valid)]
        {
            let plan = format!(
                r#"{{"judge":{{"model":"bank","checks":["bank","no-such"],"options":{options}}}}}"#
            );
            std::fs::write(dir.path().join("run.json"), plan).unwrap();
            let judgement = judge_run(dir.path(), &Limits::default()).unwrap();
            assert_eq!(judgement.checks[0].verdict, expected, "{options}");
            assert_eq!(judgement.checks[1].verdict, Verdict::Unknown);
        }
    }

    #[test]
    fn a_recording_is_asked_for_all_that_makes_it_prove_something() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("history.jsonl");
        std::fs::write(&path, BANK).unwrap();
        let plan = r#"{"judge":{"model":"bank","checks":["linearizable","latency"],"keys":["k"],
            "expect":{"ok":{"read":5},"recovers_within":1,"split_votes":1}}}"#;
        std::fs::write(dir.path().join("run.json"), plan).unwrap();
        let names = |checks: &[CheckReport]| -> Vec<String> {
            checks.iter().map(|check| check.name.clone()).collect()
        };
        let judgement = judge_run(dir.path(), &Limits::default()).unwrap();
        assert_eq!(
            names(&judgement.checks),
            [
                "bank",
                "latency",
                "nodes-alive",
                "recovery",
                "faults-effective",
                "operations",
                "final-reads",
                "split-votes",
                "run-complete"
            ]
        );
        let bare = || judge_history(&path, Some(Model::Bank), &Limits::default()).unwrap().1;
        assert_eq!(names(&bare().checks), ["bank", "operations"]);
        let drive = r#"{"index":2,"time":2,"process":"nemesis","type":"info","f":"phase","value":{"phase":"drive"}}"#;
        std::fs::write(&path, format!("{BANK}{drive}\n")).unwrap();
        assert_eq!(names(&bare().checks), ["bank", "operations", "run-complete"]);
        assert_eq!(bare().checks[2].verdict, Verdict::Unknown);
    }

    #[test]
    fn what_cannot_be_judged_or_proved_is_refused() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let cas = r#"{"index":0,"time":0,"process":1,"type":"invoke","f":"cas","value":3}"#;
        std::fs::write(file.path(), format!("{cas}\n")).unwrap();
        let model = Some(Model::CasRegister);
        let wrong = judge_history(file.path(), model, &Limits::default()).unwrap_err().to_string();
        assert!(wrong.ends_with("line 1: a cas carries its value as [old, new]"), "{wrong}");
        std::fs::write(file.path(), BANK).unwrap();
        let question = checker::judge::Question {
            model: Some(Model::Bank),
            certify: true,
            ..Default::default()
        };
        let wrong = checker::judge::judge(file.path(), &question).unwrap_err().to_string();
        assert!(wrong.contains("a check of bank gives no proofs"), "{wrong}");
    }
}

/// Redis with Sentinel, its primary cut off, recorded elsewhere: acknowledged adds are lost unless the client waits for a replica. Not part of a
/// public clone.
#[test]
fn recordings_of_redis_get_their_known_verdicts() {
    let default = || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/data"));
    let data = std::env::var_os("FAULTLINE_DATA").map_or_else(default, PathBuf::from);
    let folder = data.join("systems");
    if !folder.is_dir() {
        println!("skipped: the recordings of other projects are not here");
        return;
    }
    for (name, verdict, lost) in
        [("default.invalid", Verdict::Invalid, 544), ("wait.valid", Verdict::Valid, 0)]
    {
        let history = History::read(&folder.join(format!("redis-set-{name}.jsonl"))).unwrap();
        let report = properties::check(&history, Model::SetFull, &Options::default());
        assert_eq!((report.verdict, figure(&report, "lost")), (verdict, lost), "{name}");
    }
}

/// Small random histories, judged by the definitions word for word.
mod by_definition {
    use checker::history::{Outcome, View};

    use super::*;

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
            let adds =
                || history.views().filter(move |add| add.f() == "add" && add.value() == element);
            let seen = || reads.iter().filter(move |read| has(read, element));
            let begun =
                adds().filter(|add| add.outcome() != Outcome::Fail).map(|a| a.invoked()).min();
            if seen().any(|read| begun.is_none_or(|begun| read.completed() < Some(begun))) {
                counts[2] += 1;
                continue;
            }
            let acknowledged =
                adds().filter(|add| ok(add, "add")).filter_map(|add| add.completed());
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
                let adds =
                    history.views().filter(|a| a.f() == "add" && a.outcome() != Outcome::Fail);
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
}
