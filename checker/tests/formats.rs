//! Every form of a history: read, written, read again, and what is wrong with it named by line and column.

use std::io::Write;
use std::path::Path;

use checker::history::{Compression, Compressor, Error, Format, History, Tuples};
use serde_json::{Value, json};

fn read(bytes: &[u8]) -> Result<History, Error> {
    History::from_bytes(bytes, Tuples::Detect, Path::new("history"))
}

/// An operation in one line: `process f key value outcome error node`.
fn lines(history: &History) -> Vec<String> {
    let view = |operation: checker::history::View<'_>| {
        let key = operation.key().map_or_else(|| "-".into(), |key| key.to_string());
        format!(
            "{} {} {key} {} {} {} {}",
            operation.process(),
            operation.f(),
            operation.value(),
            operation.outcome().name(),
            operation.error().unwrap_or("-"),
            operation.node().unwrap_or("-"),
        )
    };
    history.views().map(view).collect()
}

fn check(text: &str, expected: &[&str]) {
    let history = read(text.as_bytes()).unwrap_or_else(|error| panic!("{error}\n{text}"));
    assert_eq!(lines(&history), expected, "{text}");
}

fn check_wrong(text: &str, expected: &str) {
    let error = read(text.as_bytes()).expect_err(text).to_string();
    assert!(error.contains(expected), "{error}\nlacks {expected}");
}

/// Expects an error once a part of the text is another.
fn check_spoilt(text: &str, from: &str, to: &str, expected: &str) {
    assert!(text.contains(from), "{text}\nlacks {from}");
    check_wrong(&text.replace(from, to), expected);
}

const JSON: &str = r#"{"index":0,"time":5,"process":0,"type":"invoke","f":"write","key":"x","value":3,"node":"n1"}
{"index":1,"time":6,"process":"nemesis","type":"info","f":"kill","value":{"kill":{"node":"n1"}},"fault":"f1","stage":"plan"}
{"index":2,"time":7,"process":1,"type":"invoke","f":"read","key":"x","value":null}
{"index":3,"time":8,"process":0,"type":"info","f":"write","key":"x","value":3,"node":"n1","error":"timed out"}
{"index":4,"time":9,"process":1,"type":"ok","f":"read","key":"x","value":3}
{"index":5,"time":9,"process":1,"type":"invoke","f":"cas","key":"y","value":[3,4]}
{"index":6,"time":11,"process":1,"type":"fail","f":"cas","key":"y","value":[3,4],"error":"mismatch"}
{"index":7,"time":12,"process":2,"type":"invoke","f":"write","key":"y","value":"a \"b\"\n\u0001"}
"#;

const OPERATIONS: [&str; 4] = [
    "0 write x 3 info timed out n1",
    "1 read x 3 ok - -",
    "1 cas y [3,4] fail mismatch -",
    r#"2 write y "a \"b\"\n\u0001" open - -"#,
];

#[test]
fn json_lines_of_our_own() {
    check(JSON, &OPERATIONS);
    check("", &[]);
    check_spoilt(
        JSON,
        "\"f\":\"cas\"",
        "\"g\":\"cas\"",
        "line 6: not a history event: missing field `f` (column 82)",
    );
    check_wrong(
        "{\"index\":0 \"time\":1}\n",
        "line 1: not a history event: expected `,` or `}` (column 12)",
    );
    check_wrong("rubbish\n", "line 1: not a history event: expected value (column 1)");
}

#[test]
fn json_arrays_of_events() {
    let text = r#"[{"process":3,"type":"invoke","f":"read","value":null,"extra":[1]},
 {"process":3,"type":"ok","f":"read","value":{"0":10,"1":10},"index":7}, {"process":"nemesis","type":"info","f":null}
]
"#;
    check(text, &[r#"3 read - {"0":10,"1":10} ok - -"#]);
    check("[]", &[]);
    check(
        r#"[{"type":"invoke","value":[["r",1,null]]},{"type":"ok","value":[["r",1,2]]}]"#,
        &[r#"0 txn - [["r",1,2]] ok - -"#],
    );
    check_spoilt(
        text,
        "\"ok\"",
        "\"yes\"",
        "line 2: not a history event: `type` is invoke, ok, fail or info, not \"yes\" (column 2)",
    );
    check_spoilt(
        text,
        ",\"f\":null",
        " \"f\":null",
        "line 2: not a history event: expected `,` or `}` (column 109)",
    );
    check_spoilt(
        text,
        "}\n]",
        "}\n",
        "line 4: not a history event: the text ends within the list of events (column 1)",
    );
    check_wrong(
        "[{\"type\":\"ok\"} {\"type\":\"ok\"}]",
        "line 1: not a history event: expected `,` or `]` (column 16)",
    );
    check_wrong("[{\"type\":\"ok\"},3]", "line 1: not a history event: invalid type");
    check_wrong(
        "[{\"type\":\"invoke\",\"process\":1,\"f\":\"read\"}] x",
        "nothing may follow the list of events (column 44)",
    );
    check_wrong(
        r#"[{"process":1,"type":"invoke","f":"read"}, {"process":1,"type":"invoke","f":"read"}]"#,
        "line 1: process 1 begins an operation while another is open (column 44)",
    );
}

#[test]
fn jepsens_edn_in_all_its_dresses() {
    let first = "{:type :invoke, :f :write, :value 1, :process 0, :time 10, :index 0}";
    let second = "{:type :ok, :f :write, :value 1, :process 0, :time 12, :index 1, :extra #{3 1}}";
    let expected = ["0 write - 1 ok - -"];
    check(&format!("{first}\n{second}\n"), &expected);
    check(&format!("[{first}\n {second}]\n"), &expected);
    check(&format!("; a comment\n({first} #_{{:type :x}}\n{second})"), &expected);
    check(&format!("#jepsen.history.Op{first}\n#jepsen.history.Op{second}\n"), &expected);
    check(&format!("[#knossos.op.Op {first}, #knossos.op.Op {second}]"), &expected);
    check(&format!("\u{feff}{first}\n{second}"), &expected);
    // A torn last line is left out; the operation is open then.
    check(&format!("{first}\n{}", &second[..30]), &["0 write - 1 open - -"]);
    check(&format!("{first}\n#jepsen.his"), &["0 write - 1 open - -"]);
}

#[test]
fn values_of_edn_are_those_of_json() {
    check(
        "{:process 0 :type :invoke :f :read :value nil}\n{:process 0 :type :ok :f :read :value {0 10, 1 10}}\n",
        &[r#"0 read - {"0":10,"1":10} ok - -"#],
    );
    check(
        "{:process 0 :type :invoke :f :txn :value [[:r :x nil]]}\n{:process 0 :type :ok :f :txn :value [[:r :x #{2 \"b\" 1}]]}\n",
        &[r#"0 txn - [["r","x",[1,2,"b"]]] ok - -"#],
    );
    check(
        "{:process 0 :type :invoke :f :write :value 1/3}\n{:process 0 :type :fail :f :write :value 1/3 :error [:aborted nil]}\n",
        &[r#"0 write - "1/3" fail ["aborted",null] -"#],
    );
}

#[test]
fn faults_of_jepsen_may_hold_anything() {
    let text = "{:process :nemesis, :type :info, :f :start, :value \"cut off {n1 #{n2}}\"}
{:process :nemesis, :type :info, :f nil, :value #object[a.b 0x1f \"t\"], :exception {:via [{:at [x \"y\" 1]}]}}
{:process 4, :type :invoke, :f :read, :value nil}\n";
    let history = read(text.as_bytes()).unwrap();
    assert_eq!(history.nemesis().len(), 2);
    assert_eq!(history.nemesis()[1].f, "nil");
    assert_eq!(history.nemesis()[0].value, "cut off {n1 #{n2}}");
    assert_eq!(history.view(0).line(), 3);
}

/// A second line after a good one, and what is wrong with it.
const WRONG_LINES: [(&str, &str); 13] = [
    (
        "{:process 1, :type :okay, :f :read}",
        "line 2: not a history event: `type` is invoke, ok, fail or info, not \"okay\" (column 14)",
    ),
    (
        "{:process x, :type :ok}",
        "line 2: not a history event: `process` is a number or the nemesis, not \"x\" (column 2)",
    ),
    (
        "{:type :invoke, :f :read}",
        "line 2: not a history event: missing field `process` (column 1)",
    ),
    ("{:process 1, :f :read}", "line 2: not a history event: missing field `type` (column 1)"),
    (
        "{:process 1, :process 2}",
        "line 2: not a history event: the key `process` stands twice in a map (column 14)",
    ),
    (
        "{:process 1, :type :invoke, :f :read, :value 1x}",
        "line 2: not a history event: `1x` is not a number (column 46)",
    ),
    ("  7", "line 2: not a history event: an event is a map (column 3)"),
    ("{:process 1, :value [1}", "line 2: not a history event: unexpected `}` (column 23)"),
    ("{:process 1, :key [1], :type :invoke, :f :read}", "line 2: a key is a text or a number"),
    (
        "{:process 0, :type :invoke, :f :read}",
        "line 2: process 0 begins an operation while another is open (column 1)",
    ),
    (
        "{:process 1, :type :ok, :f :read}",
        "line 2: process 1 completes an operation that it never began (column 1)",
    ),
    (
        "{:process 0, :type :ok, :f :write}",
        "line 2: process 0 completes another operation than it began",
    ),
    (
        "{:process 0, :type :info, :f :read}",
        "line 3: process 0 is used again after an operation that ended info",
    ),
];

#[test]
fn wrong_edn_is_named_by_line_and_column() {
    let good = "{:process 0, :type :invoke, :f :read, :value nil}\n";
    for (second, expected) in WRONG_LINES {
        check_wrong(&format!("{good}{second}\n{good}"), expected);
    }
    check_wrong(
        &format!("[{good}"),
        "line 2: not a history event: the text ends within the list of events (column 1)",
    );
    check_wrong(
        &format!("[{good}] 3"),
        "line 2: not a history event: nothing may follow the list of events (column 3)",
    );
    check_wrong(
        &format!("{good}{{:process 1, :type\n"),
        "line 3: not a history event: the text ends within a value (column 1)",
    );
    let numbered = "{:index 4 :process 0 :type :invoke :f :read}\n";
    check_wrong(
        &format!("{numbered}{}", numbered.replace(":invoke", ":ok")),
        "line 2: index 4 follows index 4",
    );
}

#[test]
fn jepsens_order_is_that_of_its_lines() {
    let text = "{:process 0 :type :invoke :f :read :time 10}\n{:process 1 :type :invoke :f :read :time 8}\n{:process 0 :type :ok :f :read :time 12}\n";
    let history = read(text.as_bytes()).unwrap();
    let times: Vec<_> = (0..3).map(|event| history.time(event)).collect();
    assert_eq!(times, [10, 10, 12]);
    // Our own recorder has one clock.
    let ours = JSON.replace("\"time\":9", "\"time\":4");
    check_wrong(&ours, "line 5: time runs backwards, from 8 to 4");
}

#[test]
fn independent_keys_are_recognised_and_nothing_else_is() {
    let tuples = "{:process 0 :type :invoke :f :write :value [:x 1]}
{:process 1 :type :invoke :f :read :value [7 nil]}
{:process :nemesis :type :info :f :start :value nil}
{:process 0 :type :ok :f :write :value [:x 1]}
{:process 1 :type :ok :f :read :value [7 2]}
";
    check(tuples, &["0 write x 1 ok - -", "1 read 7 2 ok - -"]);
    let tagged = "{:process 0 :type :invoke :f :cas :value #jepsen.independent/tuple [1 [2 3]]}
{:process 0 :type :ok :f :cas :value #jepsen.independent/tuple [1 [2 3]]}\n";
    check(tagged, &["0 cas 1 [2,3] ok - -"]);
    // A cas alone, or one value that is no tuple: they are values.
    check(&tagged.replace("#jepsen.independent/tuple ", ""), &["0 cas - [1,[2,3]] ok - -"]);
    check(&tuples.replace("[:x 1]", "1"), &["0 write - 1 ok - -", "1 read - [7,2] ok - -"]);
    let read = |tuples_are| {
        lines(&History::from_bytes(tuples.as_bytes(), tuples_are, Path::new("history")).unwrap())
    };
    assert_eq!(read(Tuples::Values), [r#"0 write - ["x",1] ok - -"#, "1 read - [7,2] ok - -"]);
    assert_eq!(read(Tuples::Keys), ["0 write x 1 ok - -", "1 read 7 2 ok - -"]);
}

#[test]
fn porcupines_logs_of_a_store() {
    let text = r#"{:process 9, :type :invoke, :f :append, :key "0", :value "x 9 0 y"}
{:process 2, :type :invoke, :f :get, :key "0", :value nil}
{:process 9, :type :ok, :f :append, :key "0", :value "x 9 0 y"}
{:process 2, :type :ok, :f :get, :key "0", :value "x 9 0 y"}
"#;
    check(text, &[r#"9 append 0 "x 9 0 y" ok - -"#, r#"2 get 0 "x 9 0 y" ok - -"#]);
    check_spoilt(
        text,
        "\"0\", :value nil",
        "\"0\" :value",
        "line 2: not a history event: unexpected `}` (column 53)",
    );
}

#[test]
fn jepsens_text_log() {
    let text = "INFO  jepsen.core - Worker 3 starting
INFO  jepsen.util - 3\t:invoke\t:cas\t[0 1]
INFO  jepsen.util - 4   :invoke :write   2

INFO  jepsen.util - 3\t:fail\t:cas\t[0 1]
INFO  jepsen.util - 4\t:info\t:write\t:timed-out
INFO  jepsen.util - 5\t:invoke\t:read\tnil
INFO  jepsen.util - 5\t:fail\t:read\t:timed-out
INFO  jepsen.util - :nemesis\t:info\t:start\tnil
2026-11-24 20:11:12,131 INFO [jepsen worker 1] jepsen.util: 6\t:invoke\t:read\tnil
2026-11-24 20:11:12,132 INFO [jepsen worker 1] jepsen.util: 6\t:info\t:read\tnil\tno leader: gone
";
    let expected = [
        "3 cas - [0,1] fail - -",
        "4 write - 2 info timed-out -",
        "5 read - null fail timed-out -",
        "6 read - null info no leader: gone -",
    ];
    check(text, &expected);
    // What follows the last newline may be torn anywhere.
    check(&format!("{text}INFO  jepsen.util - 9\t:invoke\t:write\t1"), &expected);
    check_spoilt(
        text,
        ":fail\t:cas",
        ":lost\t:cas",
        "line 5: not a history event: `type` is invoke, ok, fail or info, not \"lost\" (column 23)",
    );
    check_spoilt(
        text,
        "\t[0 1]\nINFO  jepsen.util - 4 ",
        "\t[0 1\nINFO  jepsen.util - 4 ",
        "line 2: not a history event: the text ends within a list (column 40)",
    );
    check_wrong(
        &format!("{text}and so on\n"),
        "line 12: not a history event: neither an operation nor another line of Jepsen's log (column 1)",
    );
    check_wrong(
        "INFO  jepsen.util - 3\t:ok\t:read\t1\n",
        "line 1: process 3 completes an operation that it never began (column 1)",
    );
}

fn written(history: &History, format: Format, compression: Compression) -> Vec<u8> {
    let mut out = Compressor::new(Vec::new(), compression);
    history.write(format, &mut out).unwrap();
    out.finish().unwrap()
}

fn check_again(history: &History, format: Format, compression: Compression) -> History {
    let again = read(&written(history, format, compression)).unwrap();
    assert_eq!(again.operations().len(), history.operations().len());
    assert_eq!(lines(&again), lines(history), "{format}");
    let order = |history: &History| -> Vec<_> {
        history
            .operations()
            .iter()
            .map(|operation| (operation.invoked, operation.completed))
            .collect()
    };
    assert_eq!(order(&again), order(history), "{format}");
    assert_eq!(again.ends(), history.ends(), "{format}");
    again
}

#[test]
fn what_is_written_reads_as_it_was() {
    let history = read(JSON.as_bytes()).unwrap();
    for compression in [Compression::None, Compression::Gzip, Compression::Zstd] {
        for format in [Format::Json, Format::Edn] {
            let again = check_again(&history, format, compression);
            assert_eq!(again.nemesis(), history.nemesis());
            let times = |history: &History| {
                (0..history.events()).map(|event| history.time(event)).collect::<Vec<_>>()
            };
            assert_eq!(times(&again), times(&history));
        }
    }
    assert_eq!(
        String::from_utf8(written(&history, Format::Json, Compression::None)).unwrap(),
        JSON
    );
    let edn = String::from_utf8(written(&history, Format::Edn, Compression::None)).unwrap();
    let expected = "{:index 4, :time 9, :type :ok, :process 1, :f :read, :value [\"x\" 3]}\n";
    assert!(edn.contains(expected), "{edn}");
}

#[test]
fn transactions_and_accounts_are_written_as_jepsens_checkers_take_them() {
    let text = r#"[{"process":0,"type":"invoke","f":"txn","value":[["append",1,2],["r",1,null]]},
{"process":0,"type":"ok","f":"txn","value":[["append",1,2],["r",1,[2]]]},
{"process":0,"type":"invoke","f":"transfer","value":{"from":0,"to":1,"amount":2}},
{"process":0,"type":"ok","f":"transfer","value":{"from":0,"to":1,"amount":2}},
{"process":0,"type":"invoke","f":"read","value":null},
{"process":0,"type":"ok","f":"read","value":{"0":-2,"1":2,"two words":0.5}}]"#;
    let history = read(text.as_bytes()).unwrap();
    check_again(&history, Format::Json, Compression::None);
    check_again(&history, Format::Edn, Compression::None);
    let edn = String::from_utf8(written(&history, Format::Edn, Compression::None)).unwrap();
    for expected in [
        ":value [[:append 1 2] [:r 1 nil]]}",
        ":value [[:append 1 2] [:r 1 [2]]]}",
        ":value {:amount 2, :from 0, :to 1}}",
        ":f :read, :value nil}",
        ":value {0 -2, 1 2, \"two words\" 0.5}}",
    ] {
        assert!(edn.contains(expected), "{edn}");
    }
}

#[test]
fn keys_that_cannot_be_recognised_are_tagged() {
    let text = r#"[{"process":0,"type":"invoke","f":"write","key":7,"value":[1,2]},{"process":0,"type":"ok","f":"write","key":7,"value":[1,2]},
{"process":0,"type":"invoke","f":"write","value":[1,2]}]"#;
    let history = read(text.as_bytes()).unwrap();
    check_again(&history, Format::Edn, Compression::None);
}

#[test]
fn logs_are_written_where_the_operations_fit() {
    let register = read(b"INFO  jepsen.util - 3\t:invoke\t:cas\t[0 1]\nINFO  jepsen.util - 4\t:invoke\t:read\tnil\nINFO  jepsen.util - 3\t:info\t:cas\t:timed-out\nINFO  jepsen.util - 4\t:ok\t:read\t1\n").unwrap();
    check_again(&register, Format::JepsenLog, Compression::None);
    let store = read(b"{:process 9, :type :invoke, :f :append, :key \"0\", :value \"x\"}\n{:process 9, :type :ok, :f :append, :key \"0\", :value \"x\"}\n{:process 9, :type :invoke, :f :get, :key \"0\", :value nil}\n{:process 9, :type :ok, :f :get, :key \"0\", :value \"x\"}\n").unwrap();
    let again = check_again(&store, Format::Porcupine, Compression::Gzip);
    check_again(&again, Format::Edn, Compression::Zstd);
    let check_unfit = |history: &History, format: Format, expected: &str| {
        let error = history.write(format, &mut std::io::sink()).unwrap_err().to_string();
        assert!(error.starts_with(expected), "{error}");
    };
    check_unfit(
        &store,
        Format::JepsenLog,
        "line 1: an operation on the key \"0\"; the form `jepsen-log`",
    );
    check_unfit(&register, Format::Porcupine, "line 1: an operation without a key that is a text");
    let failed = read(b"INFO  jepsen.util - 3\t:invoke\t:cas\t[0 1]\nINFO  jepsen.util - 3\t:fail\t:cas\t[0 1]\t:mismatch\n").unwrap();
    assert_eq!(failed.view(0).error(), Some("mismatch"));
    check_again(&failed, Format::JepsenLog, Compression::None);
    let lost = read(br#"[{"process":9,"type":"invoke","f":"put","key":"0","value":"x"},{"process":9,"type":"info","f":"put","key":"0","value":"x"}]"#).unwrap();
    check_unfit(&lost, Format::Porcupine, "line 1: an operation that ended :info");
    let mixed = read(JSON.as_bytes()).unwrap();
    check_unfit(&mixed, Format::Porcupine, "line 1: the operation write 3; the form `porcupine`");
}

#[test]
fn packed_histories_are_read_from_frames_one_after_another_and_torn_ones_are_errors() {
    let (first, second) = JSON.split_at(JSON.find("{\"index\":4").unwrap());
    for compression in [Compression::Gzip, Compression::Zstd] {
        let pack = |text: &str| {
            let mut out = Compressor::new(Vec::new(), compression);
            out.write_all(text.as_bytes()).unwrap();
            out.finish().unwrap()
        };
        let packed = [pack(first), pack(""), pack(second)].concat();
        assert_eq!(lines(&read(&packed).unwrap()), OPERATIONS);
        let torn = read(&packed[..packed.len() - 9]).unwrap_err().to_string();
        assert!(torn.starts_with("cannot read history"), "{torn}");
        let mut changed = pack(JSON);
        let place = changed.len() - 6;
        changed[place] ^= 1;
        assert!(read(&changed).is_err(), "the checksum of {compression:?}");
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), &packed).unwrap();
        assert_eq!(lines(&History::read(file.path()).unwrap()), OPERATIONS);
    }
}

#[test]
fn a_long_packed_history_reads_like_the_plain_one() {
    let mut text = String::new();
    for number in 0..120_000_u64 {
        let (process, begins) = (number / 2 % 7, number % 2 == 0);
        let event_type = if begins { "invoke" } else { "ok" };
        let event = json!({"index": number, "time": number * 10, "process": process, "type": event_type, "f": "write", "value": format!("value {}", number / 2)});
        text += &format!("{event}\n");
    }
    assert!(text.len() > 8 << 20);
    let history = read(text.as_bytes()).unwrap();
    assert_eq!(history.operations().len(), 60_000);
    assert_eq!(history.view(59_999).value(), Value::from("value 59999"));
    assert_eq!(history.line(119_999), 120_000);
    let packed = written(&history, Format::Json, Compression::Zstd);
    assert!(packed.len() < text.len() / 5);
    assert_eq!(lines(&read(&packed).unwrap()), lines(&history));
    check_spoilt(
        &text,
        "\"value 59999\"}\n",
        "\"value 59999\"]\n",
        "line 119999: not a history event",
    );
}
