//! The run went to its end. What was cut off may still convict, but it acquits nobody.

use crate::history::History;
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
    if history.phase("drive").is_none() {
        return CheckReport::new(
            NAME,
            Verdict::Unknown,
            "no leader was seen: the clients never began",
        );
    }
    let problems: Vec<_> = history
        .nemesis()
        .iter()
        .filter(|event| event.f == "problem")
        .filter_map(|event| event.value["what"].as_str())
        .collect();
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
    use crate::history::tests::of_nemesis;

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
}
