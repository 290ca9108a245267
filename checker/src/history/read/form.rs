//! What a file holds, told from its first bytes.

/// The forms in which a history may be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// Our own: one JSON object a line.
    JsonLines,
    /// One JSON array of events, as elle-cli takes it.
    JsonArray,
    /// Clojure's notation, as Jepsen stores its histories, and Porcupine's logs of a key-value store.
    Edn,
    /// The text that Jepsen logs while it runs.
    JepsenLog,
}

/// How many bytes tell the form.
pub(super) const PREFIX_BYTES: usize = 4096;

impl Form {
    /// The form of a file that begins so. What looks like none of the others is read as our own, whose reader then says what is wrong with it.
    pub(super) fn of(prefix: &[u8]) -> Self {
        let text = significant(prefix);
        match text.first() {
            Some(b';' | b'(' | b'#') => Self::Edn,
            Some(b'{') => match significant(&text[1..]).first() {
                Some(b':' | b';' | b'#' | b',') => Self::Edn,
                _ => Self::JsonLines,
            },
            Some(b'[') => Self::of_list(&text[1..]),
            Some(first) if first.is_ascii_alphanumeric() && is_log(text) => Self::JepsenLog,
            _ => Self::JsonLines,
        }
    }

    /// A list of events: JSON's fields begin with a quote, Clojure's with a colon.
    fn of_list(inside: &[u8]) -> Self {
        let inside = significant(inside);
        match inside.first() {
            Some(b']') | None => Self::JsonArray,
            Some(b'{') => match significant(&inside[1..]).first() {
                Some(b'"' | b'}') | None => Self::JsonArray,
                _ => Self::Edn,
            },
            _ => Self::Edn,
        }
    }
}

/// What follows blanks and a byte order mark.
fn significant(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(bytes).trim_ascii_start()
}

/// Editors of some systems put it in front of a text.
pub(super) const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Whether one of the first lines was logged by Jepsen.
fn is_log(text: &[u8]) -> bool {
    memchr::memmem::find(text, b"jepsen.").is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_form_is_told_from_its_first_bytes() {
        let cases: [(&str, Form); 15] = [
            ("", Form::JsonLines),
            ("{\"index\":0", Form::JsonLines),
            ("  \n { \"index\"", Form::JsonLines),
            ("rubbish", Form::JsonLines),
            ("[{\"type\"", Form::JsonArray),
            ("[ ]", Form::JsonArray),
            ("[\n{:type :ok", Form::Edn),
            ("[#jepsen.history.Op{", Form::Edn),
            ("({:type", Form::Edn),
            ("{:process 0", Form::Edn),
            ("{ :process 0", Form::Edn),
            ("\u{feff}{:process 0", Form::Edn),
            ("; a comment", Form::Edn),
            ("#knossos.op.Op{", Form::Edn),
            ("INFO  jepsen.util - 3\t:invoke", Form::JepsenLog),
        ];
        for (text, form) in cases {
            assert_eq!(Form::of(text.as_bytes()), form, "{text}");
        }
    }
}
