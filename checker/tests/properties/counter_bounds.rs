//! A counter: every read lies between what was certainly added and what may have been.

use checker::models::Model;

use super::support::{check_invalid, check_unknown, check_valid, done, read};

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
