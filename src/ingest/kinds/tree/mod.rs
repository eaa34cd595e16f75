//! Any body as one tree: JSON, forms of both encodings, query, XML and plain text become a `serde_json::Value`.
//!
//! The content type is a hint only: SNS sends JSON as `text/plain`, `curl -d` sends JSON as a form. What the bytes look
//! like decides. A form or query becomes an object of strings, plain text becomes a string. Everything is linear in the
//! size of the body; depth and number of values are counted before anything is allocated.

mod multipart;
mod xml;

pub use xml::parse as xml;

use serde_json::{Map, Value};

use super::{Error, Payload};
use crate::limits::{PAYLOAD_DEPTH_MAX, PAYLOAD_VALUES_MAX};

/// Query parameters that carry our own credentials and never become part of a payload.
const CREDENTIAL_PARAMETERS: [&str; 2] = ["auth", "access_token"];

/// Longest text of what is wrong with a payload.
const DETAIL_CHARS_MAX: usize = 200;

/// The tree of `payload`: its body, or its query where it has none (GET).
pub fn parse(payload: &Payload<'_>) -> Result<Value, Error> {
    let media_type = payload.media_type();
    if media_type == "multipart/form-data" && payload.body.trim_ascii_start().starts_with(b"--") {
        let content_type = payload.header("content-type").unwrap_or("");
        return multipart::parse(content_type, payload.body).and_then(held);
    }
    let body = text(payload.body)?;
    if body.trim_start().is_empty() {
        return query(payload.query);
    }
    match sniff(body, &media_type) {
        Format::Json => json(body),
        Format::JsonOrText => match json(body) {
            Err(Error::Syntax { .. }) => Ok(Value::String(body.trim().to_owned())),
            tree => tree,
        },
        Format::Xml => xml::parse(body),
        Format::Form => form(body),
        Format::Text => Ok(Value::String(body.trim().to_owned())),
    }
}

/// The bytes as text, without a byte-order mark.
pub fn text(body: &[u8]) -> Result<&str, Error> {
    let body = body.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(body);
    std::str::from_utf8(body)
        .map_err(|error| syntax("UTF-8", &format!("bad byte at offset {}", error.valid_up_to())))
}

/// JSON text as a tree. Of duplicate keys the last wins, as in every sender's own parser.
pub fn json(body: &str) -> Result<Value, Error> {
    measure(body)?;
    serde_json::from_str(body).map_err(|error| syntax("JSON", &error))
}

/// A raw query string as an object of strings, without our own credentials.
pub fn query(raw: &str) -> Result<Value, Error> {
    match pairs(raw)? {
        Value::Object(map) if map.is_empty() => Err(syntax("JSON", "body is empty")),
        tree => Ok(tree),
    }
}

enum Format {
    Json,
    /// Starts like an array, but so does `[FIRING] disk full`.
    JsonOrText,
    Xml,
    Form,
    Text,
}

fn sniff(body: &str, media_type: &str) -> Format {
    let declared_json = media_type == "application/json" || media_type.ends_with("+json");
    let body = body.trim_start();
    let mut bytes = body.bytes().filter(|byte| !byte.is_ascii_whitespace());
    match bytes.next() {
        Some(b'{') => Format::Json,
        Some(b'[') => match bytes.next() {
            None | Some(b'{' | b'[' | b'"' | b']') => Format::Json,
            Some(_) if declared_json => Format::Json,
            Some(_) => Format::JsonOrText,
        },
        _ if declared_json => Format::Json,
        Some(b'<') => Format::Xml,
        _ if media_type == "text/plain" => Format::Text,
        _ if looks_like_form(body) => Format::Form,
        _ => Format::Text,
    }
}

/// `name=value` without blanks, the name made of what form encoders leave alone.
fn looks_like_form(body: &str) -> bool {
    let body = body.trim_end();
    let name = body.bytes().take_while(|&byte| byte != b'=' && byte != b'&');
    let mut length = 0;
    for byte in name {
        if !(byte.is_ascii_alphanumeric() || b"._-%+[]*~".contains(&byte)) {
            return false;
        }
        length += 1;
    }
    length > 0
        && body.as_bytes().get(length) == Some(&b'=')
        && !body.bytes().any(|byte| byte.is_ascii_whitespace())
}

/// A form body.
fn form(body: &str) -> Result<Value, Error> {
    match pairs(body.trim_end())? {
        Value::Object(members) => held(members),
        tree => Ok(tree),
    }
}

/// What a form holds. A lone or accompanied `payload` field of JSON is the payload (Slack, Travis and others).
fn held(members: Map<String, Value>) -> Result<Value, Error> {
    match members.get("payload").and_then(Value::as_str) {
        Some(inner) if inner.trim_start().starts_with(['{', '[']) => json(inner),
        _ => Ok(Value::Object(members)),
    }
}

fn pairs(raw: &str) -> Result<Value, Error> {
    let count = raw.bytes().filter(|&byte| byte == b'&').count() + 1;
    if count > PAYLOAD_VALUES_MAX {
        return Err(too_many_values());
    }
    let mut map = Map::new();
    for (name, value) in url::form_urlencoded::parse(raw.as_bytes()) {
        if !name.is_empty() && !CREDENTIAL_PARAMETERS.contains(&&*name) {
            push(&mut map, name.into_owned(), Value::String(value.into_owned()));
        }
    }
    Ok(Value::Object(map))
}

/// Adds `value`; values of the same name become an array.
fn push(map: &mut Map<String, Value>, name: String, value: Value) {
    match map.get_mut(&name) {
        None => {
            map.insert(name, value);
        }
        Some(Value::Array(values)) => values.push(value),
        Some(first) => {
            let before = std::mem::take(first);
            *first = Value::Array(vec![before, value]);
        }
    }
}

/// Counts depth and values of JSON text before it is parsed. What is not JSON is left to the parser to say.
fn measure(body: &str) -> Result<(), Error> {
    let (mut depth, mut values, mut in_string, mut escaped) = (0_usize, 1_usize, false, false);
    for byte in body.bytes() {
        if in_string {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => in_string = false,
                _ => {}
            }
            continue;
        }
        match byte {
            b'"' => in_string = true,
            b'[' | b'{' => {
                depth += 1;
                values += 1;
                if depth > PAYLOAD_DEPTH_MAX {
                    return Err(too_deep());
                }
            }
            b']' | b'}' => depth = depth.saturating_sub(1),
            b',' => values += 1,
            _ => {}
        }
    }
    if values > PAYLOAD_VALUES_MAX { Err(too_many_values()) } else { Ok(()) }
}

fn too_deep() -> Error {
    let detail = format!("nested deeper than {PAYLOAD_DEPTH_MAX} levels");
    Error::TooLarge { limit: "PAYLOAD_DEPTH_MAX", detail }
}

fn too_many_values() -> Error {
    let detail = format!("more than {PAYLOAD_VALUES_MAX} values");
    Error::TooLarge { limit: "PAYLOAD_VALUES_MAX", detail }
}

/// `detail` may quote the payload: it is cut, because it goes into logs and answers.
fn syntax(format: &'static str, detail: &(impl ToString + ?Sized)) -> Error {
    let detail = detail.to_string().chars().take(DETAIL_CHARS_MAX).collect();
    Error::Syntax { format, detail }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Timestamp;
    use serde_json::json;

    fn parse_as(content_type: &str, body: &[u8], query: &str) -> Result<Value, Error> {
        let headers = [("content-type".to_owned(), content_type.to_owned())];
        let received_at = Timestamp::default();
        parse(&Payload { method: "POST", path: "/", query, headers: &headers, body, received_at })
    }

    fn check(content_type: &str, body: &str, expected: Value) {
        assert_eq!(parse_as(content_type, body.as_bytes(), ""), Ok(expected), "{body}");
    }

    #[test]
    fn bodies_become_trees_whatever_the_content_type() {
        const FORM: &str = "application/x-www-form-urlencoded";
        check("text/plain; charset=UTF-8", r#" {"a":1}"#, json!({"a": 1}));
        check(FORM, r#"{"a":1,"a":2}"#, json!({"a": 2}));
        check("", "\u{feff}[]", json!([]));
        check("application/json", "\"word\"", json!("word"));
        check(FORM, "a=1&b=x+y%21&a=2", json!({"a": ["1", "2"], "b": "x y!"}));
        check("", "a=1\n", json!({"a": "1"}));
        check(FORM, "payload=%7B%22a%22%3A1%7D", json!({"a": 1}));
        check(FORM, "payload=later&x=1", json!({"payload": "later", "x": "1"}));
        check(FORM, "disk full", json!("disk full"));
        check("", "[FIRING] disk = full", json!("[FIRING] disk = full"));
        check("text/plain", "level=error", json!("level=error"));
        check("", "<a>1</a>", json!({"a": "1"}));
        let part =
            "--x\r\nContent-Disposition: form-data; name=\"payload\"\r\n\r\n{\"a\":1}\r\n--x--";
        check("multipart/form-data; boundary=x", part, json!({"a": 1}));
        check("multipart/form-data; boundary=x", "{\"a\":1}", json!({"a": 1}));
    }

    #[test]
    fn a_get_is_its_query_without_our_credential() {
        let tree = parse_as("", b"", "auth=secret&alertType=1&x=%41");
        assert_eq!(tree, Ok(json!({"alertType": "1", "x": "A"})));
        assert!(matches!(parse_as("", b" \n", "auth=secret"), Err(Error::Syntax { .. })));
    }

    #[test]
    fn what_is_wrong_is_said_in_few_words() {
        let name = "ü".repeat(2_000);
        let part = [
            format!("--x\r\nContent-Disposition: form-data; name={name}\r\n\r\n").as_bytes(),
            b"\xff\r\n--x--",
        ]
        .concat();
        let xml = format!("<{name}></a>");
        for (content_type, body) in [
            ("multipart/form-data; boundary=x", part.as_slice()),
            ("application/xml", xml.as_bytes()),
        ] {
            match parse_as(content_type, body, "") {
                Err(Error::Syntax { detail, .. }) => {
                    assert!(detail.chars().count() <= DETAIL_CHARS_MAX, "{detail}");
                }
                other => panic!("{content_type}: {other:?}"),
            }
        }
    }

    #[test]
    fn says_what_is_wrong() {
        let deep = "[".repeat(PAYLOAD_DEPTH_MAX + 1);
        let many = format!("[{}1]", "1,".repeat(PAYLOAD_VALUES_MAX));
        let rows: [(&str, &[u8], &str); 8] = [
            ("", b"{\"a\":", "body is not valid JSON: EOF while parsing"),
            ("", b"{\"a\":1} x", "body is not valid JSON: trailing characters"),
            ("application/json", b"a=1", "body is not valid JSON: expected value"),
            ("", b"{\"a\":\"\xff\"}", "body is not valid UTF-8: bad byte at offset 6"),
            ("", deep.as_bytes(), "payload exceeds PAYLOAD_DEPTH_MAX"),
            ("", many.as_bytes(), "payload exceeds PAYLOAD_VALUES_MAX"),
            ("", b"", "body is not valid JSON: body is empty"),
            ("multipart/form-data; boundary=x", b"--x", "body is not valid multipart form: "),
        ];
        for (content_type, body, expected) in rows {
            let error =
                parse_as(content_type, body, "").map(|_| ()).expect_err(expected).to_string();
            assert!(error.starts_with(expected), "{error} / {expected}");
        }
    }
}
