//! `multipart/form-data` (RFC 7578) as the same tree as a form: one member for each named part.
//!
//! Texts only: a file that is not text (a chart, a screenshot) is left out, because nothing here reads it and the alert
//! beside it must not be lost. Line breaks may be bare, as hand-written senders make them.

use serde_json::{Map, Value};

use super::{push, syntax};
use crate::ingest::kinds::Error;

/// Longest boundary: RFC 2046, section 5.1.1.
const BOUNDARY_BYTES_MAX: usize = 70;
/// Most parts: senders of alerts have a few, and each is searched for once.
const PARTS_MAX: usize = 1_000;
/// Longest head of a part.
const HEAD_BYTES_MAX: usize = 4 << 10;

/// The members of a body with this content type.
pub(super) fn parse(content_type: &str, body: &[u8]) -> Result<Map<String, Value>, Error> {
    let boundary = boundary(content_type)?;
    let delimiter = format!("--{boundary}").into_bytes();
    let mut members = Map::new();
    let mut rest = begin(body, &delimiter)?;
    for _ in 0..PARTS_MAX {
        if let Some(after) = rest.strip_prefix(b"--") {
            utf8(after)?;
            return Ok(members);
        }
        let part = without_break(rest).ok_or_else(|| broken("boundary without line break"))?;
        let end = find(part, &delimiter).ok_or_else(|| broken("the last boundary is missing"))?;
        read_part(&part[..end], &mut members)?;
        rest = &part[end + delimiter.len()..];
    }
    Err(broken("too many parts"))
}

fn boundary(content_type: &str) -> Result<&str, Error> {
    let (_, parameters) = content_type.split_once(';').unwrap_or_default();
    let value = parameters.split(';').find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        name.trim().eq_ignore_ascii_case("boundary").then(|| value.trim().trim_matches('"'))
    });
    value
        .filter(|value| (1..=BOUNDARY_BYTES_MAX).contains(&value.len()))
        .ok_or_else(|| broken("the content type names no boundary"))
}

/// What follows the first delimiter; a preamble is skipped.
fn begin<'a>(body: &'a [u8], delimiter: &[u8]) -> Result<&'a [u8], Error> {
    let at = find(body, delimiter).ok_or_else(|| broken("the first boundary is missing"))?;
    utf8(&body[..at])?;
    Ok(&body[at + delimiter.len()..])
}

fn read_part(part: &[u8], members: &mut Map<String, Value>) -> Result<(), Error> {
    let (head, content) = split_head(part)?;
    let head = utf8(head)?;
    let disposition = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.trim().eq_ignore_ascii_case("content-disposition").then_some(value)
    });
    let Some(name) = disposition.and_then(|value| parameter(value, "name")) else { return Ok(()) };
    let is_file = disposition.and_then(|value| parameter(value, "filename")).is_some();
    match std::str::from_utf8(content) {
        Ok(text) => push(members, name, Value::String(text.to_owned())),
        Err(_) if is_file => {}
        Err(error) => return Err(broken(&format!("part {name:?} is not UTF-8: {error}"))),
    }
    Ok(())
}

/// The head of a part and its content without the line break before the boundary.
fn split_head(part: &[u8]) -> Result<(&[u8], &[u8]), Error> {
    let ahead = &part[..part.len().min(HEAD_BYTES_MAX)];
    let ends = [b"\r\n\r\n".as_slice(), b"\n\n"];
    let found = ends.iter().filter_map(|end| Some((find(ahead, end)?, end.len()))).min();
    let (at, length) = found.ok_or_else(|| broken("a part has no head"))?;
    let content = &part[at + length..];
    let content = content.strip_suffix(b"\n").unwrap_or(content);
    Ok((&part[..at], content.strip_suffix(b"\r").unwrap_or(content)))
}

/// The parameter `wanted` of a header value: `form-data; name="data"`.
fn parameter(value: &str, wanted: &str) -> Option<String> {
    value.split(';').skip(1).find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        let value = value.trim().trim_matches('"');
        (name.trim().eq_ignore_ascii_case(wanted) && !value.is_empty()).then(|| value.to_owned())
    })
}

fn without_break(rest: &[u8]) -> Option<&[u8]> {
    rest.strip_prefix(b"\r\n").or_else(|| rest.strip_prefix(b"\n"))
}

/// The first place of `needle`; what stands before is read once, apart from near misses as long as the needle.
fn find(hay: &[u8], needle: &[u8]) -> Option<usize> {
    hay.windows(needle.len()).position(|window| window == needle)
}

fn utf8(bytes: &[u8]) -> Result<&str, Error> {
    std::str::from_utf8(bytes).map_err(|error| broken(&error.to_string()))
}

fn broken(detail: &str) -> Error {
    syntax("multipart form", detail)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const TYPE: &str = "multipart/form-data; charset=utf-8; boundary=\"b-1\"";

    #[test]
    fn parts_become_members() {
        let chart: &[u8] = b"--b-1\r\nContent-Disposition: form-data; name=\"data\"\r\n\r\n{\"a\":1}\r\n\
            --b-1\r\nContent-Disposition: form-data; name=\"chart\"; filename=\"c.png\"\r\n\r\n\x89PNG\xff\r\n--b-1--\r\n";
        let rows: [(&[u8], Value); 4] = [
            (chart, json!({"data": "{\"a\":1}"})),
            (b"--b-1\ncontent-disposition: form-data; name=a\n\n1\n2\n--b-1--", json!({"a": "1\n2"})),
            (
                b"note\r\n--b-1\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n--b-1\r\n\
                  Content-Disposition: form-data; name=\"a\"\r\n\r\n2\r\n--b-1--\r\nbye",
                json!({"a": ["1", "2"]}),
            ),
            (b"--b-1--", json!({})),
        ];
        for (body, expected) in rows {
            let read = parse(TYPE, body).map(Value::Object);
            assert_eq!(read, Ok(expected), "{}", String::from_utf8_lossy(body));
        }
    }

    #[test]
    fn says_what_is_wrong() {
        let many = format!("{}--b-1--", "--b-1\n\n\n".repeat(PARTS_MAX + 1));
        let rows: [(&str, &[u8], &str); 8] = [
            ("multipart/form-data", b"--b-1--", "the content type names no boundary"),
            (TYPE, b"--c", "the first boundary is missing"),
            (TYPE, b"--b-1\r\nA: b\r\n\r\nc", "the last boundary is missing"),
            (TYPE, b"--b-1 \r\n", "boundary without line break"),
            (TYPE, b"--b-1\r\nno head\r\n--b-1--", "a part has no head"),
            (
                TYPE,
                b"--b-1\r\nContent-Disposition: form-data; name=a\r\n\r\n\xff\r\n--b-1--",
                "part \"a\" is not UTF-8",
            ),
            (TYPE, b"\xff--b-1--", "invalid utf-8"),
            (TYPE, many.as_bytes(), "too many parts"),
        ];
        for (content_type, body, expected) in rows {
            let error = parse(content_type, body).expect_err(expected).to_string();
            assert!(error.contains(expected), "{error} / {expected}");
        }
    }
}
