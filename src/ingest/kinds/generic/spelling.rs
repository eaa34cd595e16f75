//! How senders spell names and values: `monitorFriendlyName`, `{"name": "host", "value": "web-1"}`, `${UNSET}`.

use serde_json::{Map, Value};

use crate::limits::{LABEL_NAME_CHARS_MAX, TEXT_CHARS_MAX};

/// As much of a text as can matter: megabytes are not copied to keep their begin.
pub(super) fn ahead(text: &str) -> &str {
    /// The longest character.
    const BYTES_PER_CHAR: usize = 4;
    &text[..text.floor_char_boundary(TEXT_CHARS_MAX * BYTES_PER_CHAR)]
}

/// `{"name": "host", "value": "web-1"}` in its usual spellings.
pub(super) fn pair(object: &Map<String, Value>) -> Option<(&str, &Value)> {
    const MEMBERS_MAX: usize = 4;
    if object.len() > MEMBERS_MAX {
        return None;
    }
    let member = |names: &[&str]| {
        object
            .iter()
            .find(|(name, _)| names.iter().any(|it| name.eq_ignore_ascii_case(it)))
            .map(|(_, value)| value)
    };
    let name = member(&["name", "key", "title", "label", "tag"])?.as_str()?;
    let value = member(&["value", "values", "val"])?;
    // OpenTelemetry wraps the value once more: {"stringValue": "web-1"}.
    let value = match value {
        Value::Object(inner) if inner.len() == 1 => inner.values().next()?,
        other => other,
    };
    (!value.is_object() && !value.is_array()).then_some((name, value))
}

/// What senders write for a variable that nobody filled in.
pub(super) fn is_placeholder(text: &str) -> bool {
    const BYTES_MAX: usize = 80;
    if text.len() > BYTES_MAX {
        return false;
    }
    let is_variable = |inner: &str| {
        inner.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '.' | ' ' | '-'))
    };
    let between = |open: &str, close: &str| {
        text.strip_prefix(open).and_then(|rest| rest.strip_suffix(close)).is_some_and(is_variable)
    };
    between("${", "}")
        || between("{{", "}}")
        || between("{", "}")
        || between("%", "%")
        || between("<", ">")
        || between("*insert ", "*")
        || text.strip_prefix('$').is_some_and(|name| {
            name.len() > 1 && name.chars().all(|c| c.is_ascii_uppercase() || c == '_')
        })
        || matches!(
            text.to_ascii_lowercase().as_str(),
            "null" | "nil" | "n/a" | "na" | "np" | "undefined" | "-" | "(null)"
        )
}

/// A path and a member of what is there.
pub(super) fn join(parent: &str, name: &str) -> String {
    if parent.is_empty() { name.to_owned() } else { format!("{parent}.{name}") }
}

/// `monitorFriendlyName`, `MONITOR-NAME` and `monitor name` in `snake_case`; the marks of XML attributes go.
pub(super) fn snake(name: &str) -> String {
    let mut out = String::with_capacity(name.len() + 4);
    let mut before: Option<char> = None;
    let mut letters = name.chars().take(LABEL_NAME_CHARS_MAX).peekable();
    while let Some(letter) = letters.next() {
        if letter.is_alphanumeric() {
            let after_lower = before.is_some_and(|it| it.is_lowercase() || it.is_numeric());
            let ends_acronym = before.is_some_and(char::is_uppercase)
                && letters.peek().is_some_and(|it| it.is_lowercase());
            if letter.is_uppercase() && (after_lower || ends_acronym) && !out.ends_with('_') {
                out.push('_');
            }
            out.extend(letter.to_lowercase());
        } else if !out.is_empty() && !out.ends_with('_') {
            out.push('_');
        }
        before = Some(letter);
    }
    if out.ends_with('_') {
        out.pop();
    }
    out
}

/// A name without anything but letters and digits.
pub(super) fn plain(name: &str) -> String {
    name.chars().filter(|letter| letter.is_alphanumeric()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_snake_case() {
        let rows = [
            ("monitorFriendlyName", "monitor_friendly_name"),
            ("MONITOR-NAME", "monitor_name"),
            ("monitorURL", "monitor_url"),
            ("HTTPStatus", "http_status"),
            ("@state", "state"),
            ("p95Latency", "p95_latency"),
            ("Überlast", "überlast"),
            ("__x__", "x"),
            ("", ""),
        ];
        for (name, expected) in rows {
            assert_eq!(snake(name), expected, "{name}");
        }
    }
}
