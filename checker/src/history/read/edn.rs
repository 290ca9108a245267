//! Values in Clojure's notation, as JSON values.
//!
//! Keywords, symbols and characters become texts, vectors and lists become lists, sets sorted lists, and maps have texts for keys. The
//! notation is that of <https://github.com/edn-format/edn> and what Clojure's printer adds to it (ratios, `##NaN`, metadata).

use std::cmp::Ordering;

use serde_json::{Map, Number, Value};

/// Values within values are followed this deep, as serde_json does.
const DEPTH_MAX: u32 = 128;

/// What is wrong, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wrong {
    /// Bytes before it.
    pub(super) at: usize,
    pub(super) reason: String,
    /// It may be no more than the end of a torn line.
    pub(super) is_end: bool,
}

/// A place in a text.
pub(super) struct Cursor<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) at: usize,
}

type Read<T> = Result<T, Wrong>;

impl<'a> Cursor<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    pub(super) fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    pub(super) fn wrong<T>(&self, reason: impl Into<String>) -> Read<T> {
        Err(Wrong { at: self.at, reason: reason.into(), is_end: false })
    }

    fn ended<T>(&self, what: &str) -> Read<T> {
        let reason = format!("the text ends within {what}");
        Err(Wrong { at: self.bytes.len(), reason, is_end: true })
    }

    /// Passes over blanks, commas, comments, and forms that `#_` discards.
    pub(super) fn skip_blanks(&mut self) -> Read<()> {
        self.skip_blanks_at(0)
    }

    fn skip_blanks_at(&mut self, depth: u32) -> Read<()> {
        loop {
            match (self.peek(), self.bytes.get(self.at + 1)) {
                (Some(b';'), _) => {
                    let rest = &self.bytes[self.at..];
                    self.at += memchr::memchr(b'\n', rest).unwrap_or(rest.len());
                }
                (Some(b'#'), Some(b'_')) => {
                    self.at += 2;
                    self.value(depth + 1)?;
                }
                (Some(byte), _) if is_blank(byte) => self.at += 1,
                _ => return Ok(()),
            }
        }
    }

    /// The byte, and blanks after it; nothing is read if another byte is there.
    pub(super) fn take(&mut self, byte: u8) -> Read<bool> {
        if self.peek() != Some(byte) {
            return Ok(false);
        }
        self.at += 1;
        self.skip_blanks()?;
        Ok(true)
    }

    /// A value, and blanks before it.
    pub(super) fn value(&mut self, depth: u32) -> Read<Value> {
        if depth > DEPTH_MAX {
            return self.wrong(format!("values are nested more than {DEPTH_MAX} deep"));
        }
        self.skip_blanks_at(depth)?;
        let Some(first) = self.peek() else { return self.ended("a value") };
        match first {
            b'"' => self.text().map(Value::String),
            b':' => self.keyword().map(Value::String),
            b'\\' => self.character().map(Value::String),
            b'[' => self.elements(b']', depth).map(Value::Array),
            b'(' => self.elements(b')', depth).map(Value::Array),
            b'{' => self.map(depth).map(Value::Object),
            b'#' => self.dispatch(depth),
            b'^' => {
                self.at += 1;
                self.value(depth + 1)?;
                self.value(depth + 1)
            }
            _ => self.atom(),
        }
    }

    /// Elements up to the closing bracket; the cursor stands at the opening one.
    fn elements(&mut self, close: u8, depth: u32) -> Read<Vec<Value>> {
        self.at += 1;
        let mut elements = Vec::new();
        loop {
            self.skip_blanks_at(depth)?;
            match self.peek() {
                None => return self.ended("a list"),
                Some(byte) if byte == close => break,
                Some(_) => elements.push(self.value(depth + 1)?),
            }
        }
        self.at += 1;
        Ok(elements)
    }

    fn map(&mut self, depth: u32) -> Read<Map<String, Value>> {
        self.at += 1;
        let mut entries = Map::new();
        loop {
            self.skip_blanks_at(depth)?;
            match self.peek() {
                None => return self.ended("a map"),
                Some(b'}') => break,
                Some(_) => {}
            }
            let at = self.at;
            let key = words(self.value(depth + 1)?);
            let value = self.value(depth + 1)?;
            if let Some(twice) = duplicate(&mut entries, key, value) {
                return Err(Wrong { at, reason: twice, is_end: false });
            }
        }
        self.at += 1;
        Ok(entries)
    }

    /// What begins with `#`: a set, a special number, or a value with a tag, which is passed over.
    fn dispatch(&mut self, depth: u32) -> Read<Value> {
        match self.bytes.get(self.at + 1) {
            None => self.ended("a tag"),
            Some(b'{') => {
                self.at += 1;
                let mut elements = self.elements(b'}', depth)?;
                elements.sort_by(order);
                Ok(Value::Array(elements))
            }
            Some(b'#') => {
                self.at += 2;
                self.symbol().map(|name| Value::String(name.into()))
            }
            Some(b'"') => {
                self.at += 1;
                self.text().map(Value::String)
            }
            Some(b'\'') => {
                self.at += 2;
                self.value(depth + 1)
            }
            Some(_) => {
                self.tag()?;
                self.value(depth + 1)
            }
        }
    }

    /// A tag; the cursor stands at its `#`.
    pub(super) fn tag(&mut self) -> Read<&'a str> {
        self.at += 1;
        if self.peek().is_none() {
            return self.ended("a tag");
        }
        if !self.peek().is_some_and(|byte| byte.is_ascii_alphabetic()) {
            return self.wrong("not a tag");
        }
        self.symbol()
    }

    fn keyword(&mut self) -> Read<String> {
        self.at += 1;
        if self.peek() == Some(b':') {
            self.at += 1;
        }
        self.symbol().map(str::to_string)
    }

    /// The longest run of bytes that belong to a name or a number.
    fn symbol(&mut self) -> Read<&'a str> {
        let rest = &self.bytes[self.at..];
        let length = rest.iter().position(|byte| ends_symbol(*byte)).unwrap_or(rest.len());
        let Ok(symbol) = std::str::from_utf8(&rest[..length]) else {
            return self.wrong("not UTF-8");
        };
        if length == 0 {
            return match self.peek() {
                None => self.ended("a name"),
                Some(byte) => self.wrong(format!("unexpected `{}`", byte.escape_ascii())),
            };
        }
        self.at += length;
        Ok(symbol)
    }

    /// `nil`, a truth value, a number, or a symbol.
    fn atom(&mut self) -> Read<Value> {
        let at = self.at;
        let symbol = self.symbol()?;
        let value = match symbol {
            "nil" => Value::Null,
            "true" => Value::Bool(true),
            "false" => Value::Bool(false),
            _ if is_numeric(symbol) => match number(symbol) {
                Some(number) => number,
                None => {
                    let reason = format!("`{symbol}` is not a number");
                    return Err(Wrong { at, reason, is_end: false });
                }
            },
            _ => Value::String(symbol.into()),
        };
        Ok(value)
    }

    /// A character: `\a`, `\newline`, `\u03bb`.
    fn character(&mut self) -> Read<String> {
        self.at += 1;
        let rest = &self.bytes[self.at..];
        let Some(first) = rest.first() else { return self.ended("a character") };
        if ends_symbol(*first) {
            self.at += 1;
            return Ok(char::from(*first).to_string());
        }
        let at = self.at;
        let name = self.symbol()?;
        let named = match name {
            "newline" => Some('\n'),
            "return" => Some('\r'),
            "space" => Some(' '),
            "tab" => Some('\t'),
            "backspace" => Some('\u{8}'),
            "formfeed" => Some('\u{c}'),
            _ => single(name),
        };
        let reason = || format!("`\\{name}` is not a character");
        named.map(String::from).ok_or_else(|| Wrong { at, reason: reason(), is_end: false })
    }

    /// A text in quotes.
    fn text(&mut self) -> Read<String> {
        let begin = self.at;
        self.at += 1;
        let mut text = Vec::new();
        loop {
            let rest = &self.bytes[self.at..];
            let Some(length) = memchr::memchr2(b'"', b'\\', rest) else {
                return self.ended("a text");
            };
            text.extend_from_slice(&rest[..length]);
            self.at += length;
            if rest[length] == b'"' {
                break;
            }
            let escaped = self.escape()?;
            text.extend_from_slice(escaped.encode_utf8(&mut [0; 4]).as_bytes());
        }
        self.at += 1;
        String::from_utf8(text).map_err(|_| Wrong {
            at: begin,
            reason: "not UTF-8".into(),
            is_end: false,
        })
    }

    /// An escape within a text; the cursor stands at its backslash.
    fn escape(&mut self) -> Read<char> {
        let Some(escaped) = self.bytes.get(self.at + 1) else { return self.ended("a text") };
        let escaped = match escaped {
            b'n' => '\n',
            b't' => '\t',
            b'r' => '\r',
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'"' | b'\\' | b'/' => char::from(*escaped),
            b'u' => return self.unicode(),
            other => return self.wrong(format!("unknown escape `\\{}`", other.escape_ascii())),
        };
        self.at += 2;
        Ok(escaped)
    }

    /// `\u` and four digits, or two of them for what lies beyond 16 bits.
    fn unicode(&mut self) -> Read<char> {
        if self.at + 6 > self.bytes.len() {
            return self.ended("a text");
        }
        let Some(high) = self.unit(self.at) else {
            return self.wrong("four hexadecimal digits must follow `\\u`");
        };
        if let Some(whole) = char::from_u32(high.into()) {
            self.at += 6;
            return Ok(whole);
        }
        if self.at + 12 > self.bytes.len() {
            return self.ended("a text");
        }
        let low = self.unit(self.at + 6);
        let pair = low.and_then(|low| char::decode_utf16([high, low]).next()?.ok());
        let Some(whole) = pair else { return self.wrong("half a character") };
        self.at += 12;
        Ok(whole)
    }

    fn unit(&self, at: usize) -> Option<u16> {
        let digits = self.bytes.get(at..at + 6)?.strip_prefix(b"\\u")?;
        hexadecimal(std::str::from_utf8(digits).ok()?)
    }
}

fn hexadecimal(digits: &str) -> Option<u16> {
    let all = digits.len() == 4 && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    all.then(|| u16::from_str_radix(digits, 16).ok())?
}

fn single(name: &str) -> Option<char> {
    let mut characters = name.chars();
    match (characters.next(), characters.next()) {
        (first, None) => first,
        (Some('u'), Some(_)) => char::from_u32(hexadecimal(&name[1..])?.into()),
        _ => None,
    }
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | b',' | b'\x0c')
}

fn ends_symbol(byte: u8) -> bool {
    is_blank(byte)
        || matches!(
            byte,
            b'(' | b')'
                | b'['
                | b']'
                | b'{'
                | b'}'
                | b'"'
                | b';'
                | b'\\'
                | b'^'
                | b'@'
                | b'`'
                | b'~'
        )
}

fn is_numeric(symbol: &str) -> bool {
    let unsigned = symbol.strip_prefix(['+', '-']).unwrap_or(symbol);
    // An address within `#object[…]` is a name.
    unsigned.starts_with(|first: char| first.is_ascii_digit()) && !unsigned.starts_with("0x")
}

/// Integers and floats are numbers. Ratios, and what a number of JSON cannot hold without loss, are texts.
fn number(symbol: &str) -> Option<Value> {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let plain = symbol.strip_prefix('+').unwrap_or(symbol);
    let unsigned = plain.strip_prefix('-').unwrap_or(plain);
    if let Some((above, below)) = unsigned.split_once('/') {
        return (digits(above) && digits(below)).then(|| Value::String(plain.into()));
    }
    let whole = plain.strip_suffix('N').unwrap_or(plain);
    if digits(unsigned.strip_suffix('N').unwrap_or(unsigned)) {
        let number = whole
            .parse::<u64>()
            .map(Number::from)
            .or_else(|_| whole.parse::<i64>().map(Number::from));
        return Some(number.map_or_else(|_| Value::String(whole.into()), Value::Number));
    }
    let float = plain.strip_suffix('M').unwrap_or(plain);
    let known =
        |byte: u8| byte.is_ascii_digit() || matches!(byte, b'.' | b'e' | b'E' | b'+' | b'-');
    let parsed = float.bytes().all(known).then(|| float.parse::<f64>().ok())??;
    Some(Number::from_f64(parsed).map_or_else(|| Value::String(float.into()), Value::Number))
}

/// Puts an entry into a map; says so if its key is there already.
pub(super) fn duplicate(
    entries: &mut Map<String, Value>,
    key: String,
    value: Value,
) -> Option<String> {
    if entries.contains_key(&key) {
        return Some(format!("the key `{key}` stands twice in a map"));
    }
    entries.insert(key, value);
    None
}

/// A value as a text: texts as they are, all others as JSON.
pub(super) fn words(value: Value) -> String {
    match value {
        Value::String(text) => text,
        other => other.to_string(),
    }
}

/// The order of the elements of a set: numbers by their size, then everything by its text.
fn order(a: &Value, b: &Value) -> Ordering {
    match (a, b) {
        (Value::Number(x), Value::Number(y)) => match (x.as_i64(), y.as_i64()) {
            (Some(x), Some(y)) => x.cmp(&y),
            _ => x.as_f64().unwrap_or(0.0).total_cmp(&y.as_f64().unwrap_or(0.0)),
        },
        (Value::Number(_), _) => Ordering::Less,
        (_, Value::Number(_)) => Ordering::Greater,
        _ => a.to_string().cmp(&b.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(text: &str, expected: &Value) {
        let mut cursor = Cursor::new(text.as_bytes());
        assert_eq!(&cursor.value(0).unwrap(), expected, "{text}");
        cursor.skip_blanks().unwrap();
        assert_eq!(cursor.at, text.len(), "{text}");
    }

    fn check_wrong(text: &str, at: usize, words: &str) {
        let wrong = Cursor::new(text.as_bytes()).value(0).expect_err(text);
        assert!(wrong.reason.contains(words), "{wrong:?}");
        assert_eq!(wrong.at, at, "{wrong:?}");
    }

    #[test]
    fn every_kind_of_value_has_its_meaning() {
        check("nil", &json!(null));
        check("[true, false ; both\n]", &json!([true, false]));
        check("(1 -2 +3 4N 1.5 2e3 1.25M)", &json!([1, -2, 3, 4, 1.5, 2000.0, 1.25]));
        check(
            "[1/3 -1/2 99999999999999999999 18446744073709551615]",
            &json!(["1/3", "-1/2", "99999999999999999999", u64::MAX]),
        );
        check("[:a :a/b ::c d - + ->x]", &json!(["a", "a/b", "c", "d", "-", "+", "->x"]));
        check(r#""a\"\\\n\u03bb\ud83d\ude00""#, &json!("a\"\\\nλ😀"));
        check(r"[\a \newline \u03bb \( \λ]", &json!(["a", "\n", "λ", "(", "λ"]));
        check("#{3 :b 1 20 :a}", &json!([1, 3, 20, "a", "b"]));
        check(
            "{0 10, :from 3 \"to\" 4 [1 2] nil}",
            &json!({"0": 10, "from": 3, "to": 4, "[1,2]": null}),
        );
        check("#inst \"2026\" ", &json!("2026"));
        check("#object[a.b 0x1f \"t\"]", &json!(["a.b", "0x1f", "t"]));
        check(
            "[##NaN #\"re\" #'clojure.core/inc ^{:a 1} [2] #_ (3) 4]",
            &json!(["NaN", "re", "clojure.core/inc", [2], 4]),
        );
    }

    #[test]
    fn what_is_wrong_is_said_with_its_place() {
        check_wrong("[1 2", 4, "ends within a list");
        check_wrong("{:a 1", 5, "ends within a map");
        check_wrong("{:a}", 3, "unexpected `}`");
        check_wrong("{:a 1 \"a\" 2}", 6, "`a` stands twice");
        check_wrong("[1 2)", 4, "unexpected `)`");
        check_wrong("[12x]", 1, "`12x` is not a number");
        check_wrong(r#""\q""#, 1, "unknown escape");
        check_wrong(r#""\ud83d\u0041""#, 1, "half a character");
        check_wrong(r"\wrong", 1, "not a character");
        check_wrong("#<Object>", 1, "not a tag");
        check_wrong(&"[".repeat(100_000), 129, "more than 128 deep");
        check_wrong(&"#_".repeat(100_000), 258, "more than 128 deep");
    }
}
