//! Matchers: one condition on one named value of an alert, such as `team =~ "db|storage"`.

use std::fmt;

use regex::{Regex, RegexBuilder};

use super::{Alert, Field, Severity};
use crate::limits::PATTERN_BYTES_MAX;

/// What a name in matchers and `group_by` means: a normalized field, or a label of the sender.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Name {
    Field(Field),
    /// The label's own name, without the `label.` that may stand before it.
    Label(String),
}

impl Name {
    /// Reads a name; every text is one.
    pub fn parse(text: &str) -> Self {
        if let Some(field) = Field::parse(text) {
            return Self::Field(field);
        }
        Self::Label(text.strip_prefix("label.").unwrap_or(text).to_owned())
    }

    /// The value of this name in `alert`; missing is "".
    pub fn value<'a>(&self, source: &'a str, alert: &'a Alert) -> &'a str {
        match self {
            Self::Field(field) => alert.field(source, *field),
            Self::Label(label) => alert.labels.get(label).map_or("", String::as_str),
        }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Field(field) => f.write_str(field.as_str()),
            Self::Label(label) if Field::parse(label).is_some() => write!(f, "label.{label}"),
            Self::Label(label) => f.write_str(label),
        }
    }
}

/// How the value is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operator {
    /// `=`
    Equal,
    /// `!=`
    NotEqual,
    /// `=~`: the whole value matches the regular expression.
    Like,
    /// `!~`
    Unlike,
    /// `>=`, for `severity` alone.
    AtLeast,
    /// `<=`, for `severity` alone.
    AtMost,
    /// `>`, for `severity` alone.
    Above,
    /// `<`, for `severity` alone.
    Below,
}

impl Operator {
    /// Longer operators first, so that `>=` is not read as `>`.
    const ALL: [Self; 8] = [
        Self::NotEqual,
        Self::Like,
        Self::Unlike,
        Self::AtLeast,
        Self::AtMost,
        Self::Equal,
        Self::Above,
        Self::Below,
    ];

    /// The characters that stand for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Equal => "=",
            Self::NotEqual => "!=",
            Self::Like => "=~",
            Self::Unlike => "!~",
            Self::AtLeast => ">=",
            Self::AtMost => "<=",
            Self::Above => ">",
            Self::Below => "<",
        }
    }

    const fn is_ordering(self) -> bool {
        matches!(self, Self::AtLeast | Self::AtMost | Self::Above | Self::Below)
    }

    fn compare(self, actual: Severity, wanted: Severity) -> bool {
        match self {
            Self::AtLeast => actual >= wanted,
            Self::AtMost => actual <= wanted,
            Self::Above => actual > wanted,
            Self::Below => actual < wanted,
            Self::Equal | Self::Like => actual == wanted,
            Self::NotEqual | Self::Unlike => actual != wanted,
        }
    }
}

/// Why a text is no matcher. `at` is the byte offset in the text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error("a matcher begins with the name of a label or field")]
    Name { at: usize },
    #[error("expected one of = != =~ !~ >= <= > < after the name")]
    Operator { at: usize },
    #[error("the value must be in double quotes")]
    Value { at: usize },
    #[error("the value's closing quote is missing")]
    Unterminated { at: usize },
    #[error("nothing may follow the value")]
    Trailing { at: usize },
    #[error("invalid regular expression: {detail}")]
    Pattern { at: usize, detail: String },
    #[error("{word:?} is not a severity")]
    Severity { at: usize, word: String },
    #[error("only severity has an order; {name} cannot be compared with {operator}")]
    NotOrdered { at: usize, name: String, operator: &'static str },
}

impl Error {
    /// Where in the text it went wrong, in bytes.
    pub const fn at(&self) -> usize {
        match self {
            Self::Name { at }
            | Self::Operator { at }
            | Self::Value { at }
            | Self::Unterminated { at }
            | Self::Trailing { at }
            | Self::Pattern { at, .. }
            | Self::Severity { at, .. }
            | Self::NotOrdered { at, .. } => *at,
        }
    }
}

/// The prepared right side.
#[derive(Clone, Debug)]
enum Test {
    Value(String),
    /// An alternation of plain words: no regular expression is run.
    Words(Vec<String>),
    Pattern(Regex),
    Severity(Severity),
}

/// One condition on one named value of an alert. Equal matchers have the same name, operator and value.
#[derive(Clone, Debug)]
pub struct Matcher {
    name: Name,
    operator: Operator,
    value: String,
    test: Test,
}

impl PartialEq for Matcher {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name && self.operator == other.operator && self.value == other.value
    }
}

impl Eq for Matcher {}

impl Matcher {
    /// Reads `name OPERATOR "value"`.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let (name, after_name) = split_name(text)?;
        let rest = &text[after_name..];
        let operator_at = text.len() - rest.trim_start().len();
        let rest = rest.trim_start();
        let Some(operator) = Operator::ALL.into_iter().find(|op| rest.starts_with(op.as_str()))
        else {
            return Err(Error::Operator { at: operator_at });
        };
        let rest = &rest[operator.as_str().len()..];
        let value_at = text.len() - rest.trim_start().len();
        let value = unquote(text, value_at)?;
        let name = Name::parse(&name);
        let test = prepare(&name, operator, &value, operator_at, value_at)?;
        Ok(Self { name, operator, value, test })
    }

    /// The name it looks at.
    pub const fn name(&self) -> &Name {
        &self.name
    }

    /// Whether `alert` from `source` meets the condition.
    pub fn matches(&self, source: &str, alert: &Alert) -> bool {
        self.accepts(self.name.value(source, alert))
    }

    /// Whether a value meets the condition.
    pub fn accepts(&self, value: &str) -> bool {
        let positive = match &self.test {
            Test::Value(wanted) => value == wanted,
            Test::Words(words) => words.iter().any(|word| word == value),
            Test::Pattern(pattern) => pattern.is_match(value),
            Test::Severity(wanted) => {
                let actual = Severity::from_word(value).unwrap_or_default();
                return self.operator.compare(actual, *wanted);
            }
        };
        positive != matches!(self.operator, Operator::NotEqual | Operator::Unlike)
    }

    /// All values that it accepts, where they can be listed and a missing value is not among them.
    pub(super) fn listed(&self) -> Option<&[String]> {
        let values = match (&self.test, self.operator) {
            (Test::Value(value), Operator::Equal) => std::slice::from_ref(value),
            (Test::Words(words), Operator::Like) => words,
            _ => return None,
        };
        if values.iter().any(String::is_empty) { None } else { Some(values) }
    }

    /// Whether every value that meets `other` meets this too. `false` may mean that nobody can tell.
    pub fn follows_from(&self, other: &Self) -> bool {
        if self == other {
            return true;
        }
        self.name == other.name
            && other.all_values().is_some_and(|values| values.iter().all(|v| self.accepts(v)))
    }

    /// Whether no value meets both. `false` may mean that nobody can tell.
    pub fn excludes(&self, other: &Self) -> bool {
        if self.name != other.name {
            return false;
        }
        let none = |values: Vec<&str>, of: &Self| !values.iter().any(|value| of.accepts(value));
        self.all_values().is_some_and(|values| none(values, other))
            || other.all_values().is_some_and(|values| none(values, self))
    }

    /// All values that it accepts, where they can be listed.
    fn all_values(&self) -> Option<Vec<&str>> {
        if self.name == Name::Field(Field::Severity) {
            let words = Severity::ALL.into_iter().map(Severity::as_str);
            return Some(words.filter(|word| self.accepts(word)).collect());
        }
        match (&self.test, self.operator) {
            (Test::Value(value), Operator::Equal) => Some(vec![value.as_str()]),
            (Test::Words(words), Operator::Like) => {
                Some(words.iter().map(String::as_str).collect())
            }
            _ => None,
        }
    }
}

impl fmt::Display for Matcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = escape(&self.value);
        let name = self.name.to_string();
        let bare = !name.contains(ends_name);
        let name = if bare { name } else { format!("\"{}\"", name.replace('"', "\\\"")) };
        write!(f, "{name} {} \"{value}\"", self.operator.as_str())
    }
}

/// The name and where it ends. Names with spaces or operator characters stand in double quotes.
fn split_name(text: &str) -> Result<(String, usize), Error> {
    let start = text.len() - text.trim_start().len();
    if text[start..].starts_with('"') {
        let end = closing_quote(text, start)?;
        return Ok((unescape(&text[start + 1..end]), end + 1));
    }
    let end = text[start..].find(ends_name).map_or(text.len(), |at| start + at);
    if end == start {
        return Err(Error::Name { at: start });
    }
    Ok((text[start..end].to_owned(), end))
}

fn ends_name(c: char) -> bool {
    c.is_whitespace() || "=!~<>\"',(){}[]".contains(c)
}

fn unquote(text: &str, at: usize) -> Result<String, Error> {
    if !text[at..].starts_with('"') {
        return Err(Error::Value { at });
    }
    let end = closing_quote(text, at)?;
    let rest = &text[end + 1..];
    if !rest.trim().is_empty() {
        return Err(Error::Trailing { at: text.len() - rest.trim_start().len() });
    }
    Ok(unescape(&text[at + 1..end]))
}

fn closing_quote(text: &str, open: usize) -> Result<usize, Error> {
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate().skip(open + 1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return Ok(at),
            _ => {}
        }
    }
    Err(Error::Unterminated { at: open })
}

/// Knows `\"`, `\\` and `\n`; other backslashes stay, so that `\d` in a pattern needs no doubling.
fn unescape(raw: &str) -> String {
    let mut out = String::with_capacity(raw.len());
    let mut chars = raw.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        match chars.next() {
            Some('"') => out.push('"'),
            Some('n') => out.push('\n'),
            Some('\\') | None => out.push('\\'),
            Some(other) => out.extend(['\\', other]),
        }
    }
    out
}

/// The opposite of [`unescape`], with as few backslashes as it takes.
fn escape(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    let mut chars = value.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' => out.push_str("\\\""),
            '\n' => out.push_str("\\n"),
            '\\' if matches!(chars.peek(), None | Some('"' | '\\' | 'n' | '\n')) => {
                out.push_str("\\\\");
            }
            c => out.push(c),
        }
    }
    out
}

fn prepare(
    name: &Name,
    operator: Operator,
    value: &str,
    operator_at: usize,
    at: usize,
) -> Result<Test, Error> {
    if matches!(operator, Operator::Like | Operator::Unlike) {
        return pattern(value, at);
    }
    if *name == Name::Field(Field::Severity) {
        let severity = Severity::from_word(value)
            .ok_or_else(|| Error::Severity { at, word: value.to_owned() })?;
        let ordering = operator.is_ordering();
        return Ok(if ordering { Test::Severity(severity) } else { Test::Value(value.to_owned()) });
    }
    if operator.is_ordering() {
        let (name, operator) = (name.to_string(), operator.as_str());
        return Err(Error::NotOrdered { at: operator_at, name, operator });
    }
    Ok(Test::Value(value.to_owned()))
}

fn pattern(value: &str, at: usize) -> Result<Test, Error> {
    let plain = |c: char| c == '|' || !regex_syntax_character(c);
    if value.chars().all(plain) {
        return Ok(Test::Words(value.split('|').map(str::to_owned).collect()));
    }
    // Built alone first, so that a message about it does not show our anchors.
    let build = |text: &str| RegexBuilder::new(text).size_limit(PATTERN_BYTES_MAX).build();
    let built = build(value).and_then(|_| build(&format!("^(?:{value})$")));
    built.map(Test::Pattern).map_err(|error| {
        let detail = match error {
            regex::Error::CompiledTooBig(_) => "it is too large when compiled".to_owned(),
            // The message spans lines and repeats the pattern; its last line says what is wrong.
            other => {
                let text = other.to_string();
                let last = text.lines().last().unwrap_or("").trim();
                last.strip_prefix("error: ").unwrap_or(last).to_owned()
            }
        };
        Error::Pattern { at, detail }
    })
}

fn regex_syntax_character(c: char) -> bool {
    r"\.+*?()|[]{}^$".contains(c)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: bool) {
        let mut alert = Alert::new("k", "t");
        alert.severity = Severity::Error;
        alert.service = Some("shop".into());
        for (name, value) in
            [("team", "db"), ("severity", "page"), ("path", r"C:\x"), ("weird name", "a\"b")]
        {
            alert.labels.insert(name.into(), value.into());
        }
        let matcher = Matcher::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(matcher.matches("prom", &alert), expected, "{text}");
        let again = Matcher::parse(&matcher.to_string()).expect("prints what it reads");
        assert_eq!(again, matcher, "{text}");
    }

    #[test]
    fn matches() {
        for (text, expected) in [
            (r#"team = "db""#, true),
            (r#"team="db""#, true),
            (r#" team  =  "db" "#, true),
            (r#"team = "d""#, false),
            (r#"team != "db""#, false),
            (r#"team != "web""#, true),
            (r#"team =~ "db|storage""#, true),
            (r#"team =~ "d""#, false),
            (r#"team =~ "d.""#, true),
            (r#"team =~ "d|x.*""#, false),
            (r#"team !~ "d.""#, false),
            (r#"team !~ "web|""#, true),
            (r#"missing = """#, true),
            (r#"missing != """#, false),
            (r#"missing =~ """#, true),
            (r#"missing =~ ".+""#, false),
            (r#"missing !~ ".+""#, true),
            (r#"severity = "error""#, true),
            (r#"severity >= "error""#, true),
            (r#"severity > "error""#, false),
            (r#"severity <= "error""#, true),
            (r#"severity < "critical""#, true),
            (r#"severity =~ "error|critical""#, true),
            (r#"severity =~ "err.*""#, true),
            (r#"label.severity = "page""#, true),
            (r#"label.team = "db""#, true),
            (r#"service = "shop""#, true),
            (r#"source = "prom""#, true),
            (r#"path = "C:\\x""#, true),
            (r#"path =~ "C:\\\\x""#, true),
            (r#"path =~ "\w:.x""#, true),
            (r#""weird name" = "a\"b""#, true),
        ] {
            check(text, expected);
        }
    }

    #[test]
    fn errors_say_where() {
        for (text, at, words) in [
            ("", 0, "begins with the name"),
            (r#"= "x""#, 0, "begins with the name"),
            ("team", 4, "expected one of"),
            (r#"team == "x""#, 6, "double quotes"),
            ("team = db", 7, "double quotes"),
            (r#"team = "db"#, 7, "closing quote"),
            (r#"team = "db" x"#, 12, "nothing may follow"),
            (r#"team =~ "(""#, 8, "unclosed group"),
            (r#"team =~ "(a{1000}){1000}""#, 8, "too large"),
            (r#"team >= "db""#, 5, "only severity"),
            (r#"severity >= "sev1""#, 12, "not a severity"),
            (r#"severity = "sev1""#, 11, "not a severity"),
            (r#"label.severity > "a""#, 15, "only severity"),
        ] {
            let error = Matcher::parse(text).expect_err(text);
            assert_eq!(error.at(), at, "{text}: {error}");
            assert!(error.to_string().contains(words), "{text}: {error}");
        }
    }

    #[test]
    fn implications() {
        let matcher = |text: &str| Matcher::parse(text).expect("valid");
        for (this, other, follows, excludes) in [
            (r#"a = "x""#, r#"a = "x""#, true, false),
            (r#"a =~ "x|y""#, r#"a = "x""#, true, false),
            (r#"a = "x""#, r#"a =~ "x|y""#, false, false),
            (r#"a != "y""#, r#"a = "x""#, true, false),
            (r#"a = "y""#, r#"a = "x""#, false, true),
            (r#"a = "y""#, r#"b = "x""#, false, false),
            (r#"a =~ "y.*""#, r#"a = "x""#, false, true),
            (r#"severity >= "warning""#, r#"severity = "error""#, true, false),
            (r#"severity >= "warning""#, r#"severity > "warning""#, true, false),
            (r#"severity >= "error""#, r#"severity < "error""#, false, true),
        ] {
            let case = format!("{this} after {other}");
            assert_eq!(matcher(this).follows_from(&matcher(other)), follows, "{case}");
            assert_eq!(matcher(this).excludes(&matcher(other)), excludes, "{case}");
        }
    }
}
