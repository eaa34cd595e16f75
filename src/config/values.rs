//! Values that TOML has no type for: durations and secrets.

use std::path::Path;
use std::time::Duration;

use jiff::{SignedDuration, Span, SpanRelativeTo};

use super::environment::Environment;

/// Longest duration anywhere in the configuration.
const DURATION_MAX: SignedDuration = SignedDuration::from_hours(24 * 366);

/// Reads "90s", "5m", "1h30m", "1d", "2w". Days have 24 hours.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let example = "a duration has units: \"90s\", \"5m\", \"1h30m\", \"1d\"";
    let span: Span = text.trim().parse().map_err(|_| example.to_owned())?;
    let duration = span
        .to_duration(SpanRelativeTo::days_are_24_hours())
        .map_err(|_| "months and years have no fixed length: give days".to_owned())?;
    if duration.is_negative() {
        return Err("a duration cannot be negative".into());
    }
    if duration > DURATION_MAX {
        return Err("a duration is at most 366 days".into());
    }
    Ok(duration.unsigned_abs())
}

/// What became of a text in which `${VAR}`, `$$` and `file:PATH` are expanded.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Expanded {
    pub(super) text: String,
    /// Neither a variable nor a file took part: the secret stands in the file.
    pub(super) literal: bool,
    /// What is not there, as people would name it; `text` then has placeholders.
    pub(super) missing: Vec<String>,
}

/// Expands `raw`; relative files are looked for in `directory`.
pub(super) fn expand(
    raw: &str,
    directory: &Path,
    environment: &Environment<'_>,
) -> Result<Expanded, String> {
    let mut out = Expanded { literal: true, ..Expanded::default() };
    let mut rest = raw.strip_prefix("file:").unwrap_or(raw);
    while let Some(at) = rest.find('$') {
        out.text.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix('$') {
            out.text.push('$');
            rest = after;
            continue;
        }
        let variable = rest.strip_prefix('{').and_then(|rest| rest.split_once('}'));
        let Some((name, after)) = variable else {
            return Err("a dollar sign begins ${VARIABLE}; write $$ for the sign itself".into());
        };
        if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
            return Err("a variable's name has letters, digits and underscores".into());
        }
        rest = after;
        out.literal = false;
        if let Some(value) = (environment.variable)(name) {
            out.text.push_str(&value);
        } else {
            out.text.push_str("unset");
            out.missing.push(format!("variable {name} is not set"));
        }
    }
    out.text.push_str(rest);
    if raw.starts_with("file:") {
        out.literal = false;
        let path = directory.join(&out.text);
        match (environment.file)(&path) {
            Ok(text) => text.trim_end_matches(['\n', '\r']).clone_into(&mut out.text),
            Err(error) => {
                out.missing.push(format!("cannot read {}: {}", path.display(), error.kind()));
                out.text = "unset".into();
            }
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        for (text, seconds) in [
            ("90s", 90),
            ("5m", 300),
            ("1h30m", 5_400),
            ("1h 30m", 5_400),
            ("1d", 86_400),
            ("2w", 1_209_600),
            ("0s", 0),
            ("PT5M", 300),
        ] {
            assert_eq!(duration(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for (text, words) in [
            ("5", "units"),
            ("", "units"),
            ("five minutes", "units"),
            ("-5m", "negative"),
            ("1mo", "months"),
            ("400d", "366 days"),
        ] {
            let error = duration(text).expect_err(text);
            assert!(error.contains(words), "{text}: {error}");
        }
    }

    fn check(raw: &str, expected: Result<(&str, bool, usize), &str>) {
        let environment = Environment {
            variable: &|name| (name == "A").then(|| "a$x".into()),
            file: &|path| match path.to_str() {
                Some("/etc/x/pd") => Ok("s3cret\n".into()),
                _ => Err(std::io::ErrorKind::NotFound.into()),
            },
        };
        let actual = expand(raw, Path::new("/etc/x"), &environment);
        match (actual, expected) {
            (Ok(actual), Ok((text, literal, missing))) => {
                let found = (actual.text.as_str(), actual.literal, actual.missing.len());
                assert_eq!(found, (text, literal, missing), "{raw}");
            }
            (Err(actual), Err(words)) => assert!(actual.contains(words), "{raw}: {actual}"),
            (actual, _) => panic!("{raw}: {actual:?}"),
        }
    }

    #[test]
    fn expands() {
        check("plain", Ok(("plain", true, 0)));
        check("${A}", Ok(("a$x", false, 0)));
        check("x-${A}-${A}", Ok(("x-a$x-a$x", false, 0)));
        check("$$5", Ok(("$5", true, 0)));
        check("${B}", Ok(("unset", false, 1)));
        check("file:/etc/x/pd", Ok(("s3cret", false, 0)));
        check("file:pd", Ok(("s3cret", false, 0)));
        check("file:nothing", Ok(("unset", false, 1)));
        check("$A", Err("$$"));
        check("${A", Err("$$"));
        check("${}", Err("letters"));
        check("${A B}", Err("letters"));
    }
}
