//! Certificates as files: what `faultline check --certificate` writes and `faultline verify` reads.

use std::path::Path;

use checker::certificate::{Certificate, Claim, Fingerprint, ProofDocument, Refusal, verify};
use checker::history::History;
use checker::judge::{Judged, Question, judge};
use checker::models::Model;
use checker::verdict::Verdict;

use super::support::{events, history, order, sequential, whole};

/// What `faultline check --certificate` and `faultline verify` do with a file.
#[test]
fn a_certificate_is_tied_to_the_file_of_its_history() {
    let folder = tempfile::tempdir().unwrap();
    let (path, file) = (folder.path().join("history.jsonl"), folder.path().join("certificate"));
    let write = |text: &str| {
        let lines = events(text).into_iter().map(|event| serde_json::to_string(&event).unwrap());
        std::fs::write(&path, lines.map(|line| line + "\n").collect::<String>()).unwrap();
    };
    let verified = || {
        let history = History::read(&path).unwrap();
        Certificate::read(&file).unwrap().verify(&history, &Fingerprint::of(&path).unwrap())
    };
    let valid = "0 invoke write 1\n1 invoke read null\n1 ok read 1\n0 ok write 1";
    for (text, verdict) in
        [(valid, Verdict::Valid), ("0 invoke read null\n0 ok read 7", Verdict::Invalid)]
    {
        write(text);
        let Judged { model, judgement, certificate, .. } = certified(&path);
        assert_eq!((model, judgement.verdict), (Model::Register, verdict));
        let certificate = certificate.unwrap();
        certificate.write(&file).unwrap();
        assert_eq!(Certificate::read(&file).unwrap(), certificate);
        assert!(verified().is_ok(), "{:?}", verified());
        assert_eq!(certificate.objects[0].sentence.is_some(), verdict == Verdict::Invalid);
        // The file is another one, although the history is the same.
        let bytes = std::fs::read(&path).unwrap();
        std::fs::write(&path, [&bytes[..], b"\n"].concat()).unwrap();
        assert!(verified().unwrap_err().to_string().contains("another history"));
        std::fs::write(&path, bytes).unwrap();
        // It says what it does not show.
        let mut wrong = certificate.clone();
        wrong.objects[0].proof = ProofDocument::None;
        wrong.write(&file).unwrap();
        assert!(matches!(verified(), Err(Refusal::Unproved(_))), "{:?}", verified());
        wrong = Certificate { consistency: "serializable".into(), ..certificate.clone() };
        wrong.write(&file).unwrap();
        assert!(verified().unwrap_err().to_string().contains("it cannot be said"));
        wrong = certificate;
        wrong.objects[0].key = "other".into();
        wrong.write(&file).unwrap();
        assert!(verified().unwrap_err().to_string().contains("no key \"other\""));
    }
}

#[test]
fn a_malformed_certificate_is_no_certificate() {
    let folder = tempfile::tempdir().unwrap();
    let (path, file) = (folder.path().join("history.jsonl"), folder.path().join("certificate"));
    let line = serde_json::to_string(&events("0 invoke read null\n0 ok read null")[0]).unwrap();
    std::fs::write(&path, line + "\n").unwrap();
    let Judged { judgement, certificate, .. } = certified(&path);
    assert_eq!(judgement.verdict, Verdict::Unknown);
    let text = serde_json::to_string(&certificate.unwrap()).unwrap();
    let check = |from: &str, to: &str, words: &str| {
        assert!(text.contains(from), "{text}");
        std::fs::write(&file, text.replace(from, to)).unwrap();
        let error = Certificate::read(&file).unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
    };
    check("{", "[", "not a certificate");
    check("\"format\":1", "\"format\":2", "format 2 is not known");
    check("\"model\":\"register\"", "\"model\":\"rgister\"", "unknown model `rgister`");
    check("\"proof\":\"none\"", "\"proof\":\"trust me\"", "trust me");
    check("\"proof\":\"none\"", "\"proof\":{\"order\":[\"a\"]}", "invalid type");
    check("\"verdict\":\"unknown\"", "\"verdict\":\"fine\"", "fine");
    check("\"detail\"", "\"details\"", "details");
    assert!(Certificate::read(&path.join("missing")).is_err());
}

fn certified(path: &Path) -> Judged {
    judge(path, &Question { certify: true, ..Question::default() }).unwrap()
}

#[test]
fn a_verdict_rests_on_what_happened_and_is_told_once() {
    let claim = |verdict| Claim { model: Model::Register, consistency: "linearizable", verdict };
    let open = history("0 invoke write 1");
    let nothing = verify(&open, claim(Verdict::Valid), &whole(order(&[])));
    assert!(matches!(nothing, Err(Refusal::Unproved(_))), "{nothing:?}");
    // No history has both.
    let right = sequential("write 1\nread 1");
    let twice = [whole(order(&[0, 1])), whole(order(&[0, 1]))].concat();
    let refused = verify(&right, claim(Verdict::Valid), &twice);
    assert!(matches!(refused, Err(Refusal::Unproved(_))), "{refused:?}");
}
