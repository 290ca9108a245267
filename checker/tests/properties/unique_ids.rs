//! Identifiers: none is given twice.

use checker::models::Model;

use super::support::{check_invalid, check_unknown, check_valid, done, figure};

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
