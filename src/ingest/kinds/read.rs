//! Small readers over payload trees, shared by the kinds.

use serde_json::{Map, Value};

use crate::domain::{Labels, Link};

/// A scalar as text, trimmed; nothing for null, empty text, arrays and objects. Whole floats lose their fraction,
/// because relays turn the id 93 into 93.0.
pub fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => {
            let text = text.trim();
            (!text.is_empty()).then(|| text.to_owned())
        }
        Value::Number(number) => Some(self::number(number)),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// A number as people write it.
pub fn number(number: &serde_json::Number) -> String {
    /// Up to here every whole number has an exact float.
    const EXACT_MAX: f64 = 9_007_199_254_740_992.0;
    match number.as_f64() {
        Some(float) if number.is_f64() && float.fract() == 0.0 && float.abs() <= EXACT_MAX => {
            format!("{float:.0}")
        }
        _ => number.to_string(),
    }
}

/// Any value as text: scalars as they are, arrays of scalars joined with commas, anything else as JSON; null is "".
pub fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(items) if items.iter().all(|item| !item.is_object() && !item.is_array()) => {
            items.iter().filter_map(scalar).collect::<Vec<_>>().join(", ")
        }
        Value::Object(_) | Value::Array(_) => value.to_string(),
        Value::Number(number) => self::number(number),
        Value::Bool(flag) => flag.to_string(),
    }
}

/// The scalar member `name` of `map`.
pub fn get(map: &Map<String, Value>, name: &str) -> Option<String> {
    map.get(name).and_then(scalar)
}

/// The first of `names` that `map` has as a scalar with text.
pub fn first(map: &Map<String, Value>, names: &[&str]) -> Option<String> {
    names.iter().find_map(|name| get(map, name))
}

/// The first of `names` that `labels` has with text.
pub fn first_label<'a>(labels: &'a Labels, names: &[&str]) -> Option<&'a str> {
    names
        .iter()
        .filter_map(|name| labels.get(*name))
        .map(|value| value.trim())
        .find(|value| !value.is_empty())
}

/// An object as labels, untouched: values become text.
pub fn labels(value: Option<&Value>) -> Labels {
    let Some(Value::Object(map)) = value else { return Labels::new() };
    map.iter().map(|(name, value)| (name.clone(), text(value))).collect()
}

/// The first line of a text that has anything in it.
pub fn first_line(text: &str) -> &str {
    text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or("")
}

/// Adds a link if `url` is an absolute one that is not there yet.
pub fn add_link(links: &mut Vec<Link>, name: &str, url: Option<&str>) {
    if let Some(url) = url.map(str::trim)
        && super::bound::is_link(url)
        && !links.iter().any(|link| link.url == url)
    {
        links.push(Link { name: name.to_owned(), url: url.to_owned() });
    }
}

/// The host of an absolute URL.
pub fn host(url: &str) -> Option<String> {
    url::Url::parse(url.trim()).ok().and_then(|url| url.host_str().map(str::to_owned))
}

/// What a JSON value is, for messages.
pub fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn values_become_text() {
        let rows = [
            (json!(" a "), Some("a"), " a "),
            (json!(""), None, ""),
            (json!(93.0), Some("93"), "93"),
            (json!(0.5), Some("0.5"), "0.5"),
            (json!(285_731_000_000_025_120_u64), Some("285731000000025120"), "285731000000025120"),
            (json!(1e300), Some("1e+300"), "1e+300"),
            (json!(true), Some("true"), "true"),
            (json!(null), None, ""),
            (json!(["a", 1]), None, "a, 1"),
            (json!({"a": [1]}), None, r#"{"a":[1]}"#),
        ];
        for (value, as_scalar, as_text) in rows {
            assert_eq!(scalar(&value).as_deref(), as_scalar, "{value}");
            assert_eq!(text(&value), as_text, "{value}");
        }
    }

    #[test]
    fn finds_the_first_line_with_text() {
        assert_eq!(first_line("\r\n  \n one \n two"), "one");
        assert_eq!(first_line(""), "");
    }
}
