//! A queue: what went in comes out, and nothing else does.

use checker::models::Model;

use super::support::{check_invalid, check_unknown, check_valid, done, figure};

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
