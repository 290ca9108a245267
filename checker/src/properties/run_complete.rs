//! The run went to its end. What was cut off may still convict, but it acquits nobody.

use super::counted;
use crate::history::{History, Outcome};
use crate::verdict::{CheckReport, Verdict};

/// Name of the check.
pub const NAME: &str = "run-complete";

/// Judges a history.
pub fn check(history: &History) -> CheckReport {
    let Some(end) = history.phase("end") else {
        return CheckReport::new(
            NAME,
            Verdict::Unknown,
            "the recording was cut off: the harness did not end it",
        );
    };
    if end.value["interrupted"] == true {
        return CheckReport::new(NAME, Verdict::Unknown, "the run was interrupted");
    }
    // Clients finish what they began, so each had its answer: the recorder lost it.
    let open = history.views().filter(|operation| operation.outcome() == Outcome::Open).count();
    let lost = (open > 0).then(|| format!("{} without completion", counted(open, "operation")));
    let noted = history.nemesis().iter().filter(|event| event.f == "problem");
    let noted = noted.filter_map(|event| event.value["what"].as_str()).map(str::to_string);
    let mut problems: Vec<_> = noted.chain(lost).collect();
    if history.phase("drive").is_none() && problems.is_empty() {
        problems.push("no leader was seen: the clients never began".to_string());
    }
    if problems.is_empty() {
        CheckReport::new(NAME, Verdict::Valid, "every phase was gone through")
    } else {
        CheckReport::new(NAME, Verdict::Unknown, problems.join("; "))
    }
}

#[cfg(test)]
mod tests {
    use super::super::faults_effective::tests::nemesis;
    use super::*;
    use crate::history::tests::{history as recorded, of_nemesis};

    #[test]
    fn only_a_run_that_went_to_its_end_is_complete() {
        let phase = |value: &str| nemesis("phase", value);
        let check = |nemesis| check(&of_nemesis(nemesis)).verdict;
        let drive = phase(r#"{"phase":"drive"}"#);
        let end = phase(r#"{"phase":"end","interrupted":false}"#);
        assert_eq!(check(vec![drive.clone(), end.clone()]), Verdict::Valid);
        assert_eq!(check(vec![drive.clone()]), Verdict::Unknown);
        assert_eq!(check(vec![end.clone()]), Verdict::Unknown);
        let interrupted = phase(r#"{"phase":"end","interrupted":true}"#);
        assert_eq!(check(vec![drive.clone(), interrupted]), Verdict::Unknown);
        let problem = nemesis("problem", r#"{"what":"the link n1->n2 stayed silent"}"#);
        assert_eq!(check(vec![drive, problem, end]), Verdict::Unknown);
    }

    #[test]
    fn an_operation_whose_completion_was_lost_is_no_part_of_a_complete_run() {
        let judged = |completion: &str| {
            check(&recorded(&[
                (0, r#"nemesis info phase {"phase":"drive"}"#),
                (1, "0 invoke read null"),
                (2, completion),
                (3, r#"nemesis info phase {"phase":"end","interrupted":false}"#),
            ]))
        };
        assert_eq!(judged("0 info read null").verdict, Verdict::Valid);
        let lost = judged("1 invoke read null");
        assert_eq!(lost.verdict, Verdict::Unknown);
        assert!(lost.detail.contains("2 operations without completion"), "{}", lost.detail);
    }
}
