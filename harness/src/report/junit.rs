//! JUnit, for CI: a violation is a failure, whatever is undecided is an error, and nothing is ever skipped.

use checker::verdict::{CheckReport, Judgement, Verdict};
use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

use crate::run_directory::RunInfo;

/// The content of `junit.xml`.
pub(super) fn junit(info: &RunInfo, judgement: &Judgement) -> anyhow::Result<String> {
    let mut suite = TestSuite::new(info.workload.as_str());
    suite.add_property(("seed", info.seed.to_string().as_str()));
    suite.add_property(("command", info.command.as_str()));
    suite.add_property(("verdict", super::cause(judgement)));
    suite.add_test_cases(judgement.checks.iter().map(|check| case(info, check)));
    let mut report = Report::new("faultline");
    report.add_test_suite(suite);
    Ok(report.to_string()?)
}

fn case(info: &RunInfo, check: &CheckReport) -> TestCase {
    let status = match check.verdict {
        Verdict::Valid => TestCaseStatus::success(),
        Verdict::Invalid => non_success(NonSuccessKind::Failure, check),
        Verdict::Unknown => non_success(NonSuccessKind::Error, check),
    };
    let mut case = TestCase::new(check.name.as_str(), status);
    case.set_classname(info.workload.as_str());
    case
}

fn non_success(kind: NonSuccessKind, check: &CheckReport) -> TestCaseStatus {
    let mut status = TestCaseStatus::non_success(kind);
    let first = check.violations.first();
    status.set_message(first.map_or(check.detail.as_str(), |violation| violation.summary.as_str()));
    let steps: Vec<_> = check
        .violations
        .iter()
        .flat_map(|violation| std::iter::once(&violation.summary).chain(&violation.explanation))
        .map(String::as_str)
        .collect();
    status.set_description(if steps.is_empty() { check.detail.clone() } else { steps.join("\n") });
    status
}

#[cfg(test)]
mod tests {
    use super::super::tests::{info, judgement};
    use super::*;

    #[test]
    fn a_violation_is_a_failure_and_undecided_is_an_error() {
        let valid = junit(&info(), &judgement(Verdict::Valid)).unwrap();
        assert!(valid.contains(r#"failures="0" errors="0""#), "{valid}");
        assert!(valid.contains("leader-storm.yaml --seed 7"), "{valid}");
        assert!(valid.contains(r#"value="the system kept its promises""#), "{valid}");
        let invalid = junit(&info(), &judgement(Verdict::Invalid)).unwrap();
        assert!(invalid.contains(r#"failures="1" errors="0""#), "{invalid}");
        assert!(
            invalid.contains("&lt;script&gt;") && invalid.contains("Replaced by process 2."),
            "{invalid}"
        );
        let unknown = junit(&info(), &judgement(Verdict::Unknown)).unwrap();
        assert!(unknown.contains(r#"failures="0" errors="1""#), "{unknown}");
        assert!([valid, invalid, unknown].iter().all(|xml| !xml.contains("<skipped")));
    }
}
