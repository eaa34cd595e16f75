//! XML as a tree: an element with only text is a string, any other an object of its attributes (`@name`), its text
//! (`#text`) and its children by local name; repeated children become an array. Entities beyond the five of XML itself
//! are refused, so nothing expands; document types are skipped.

use quick_xml::errors::{IllFormedError, SyntaxError};
use quick_xml::events::{BytesStart, Event};
use quick_xml::{Reader, escape};
use serde_json::{Map, Value};

use super::{push, syntax, too_deep, too_many_values};
use crate::ingest::kinds::Error;
use crate::limits::{PAYLOAD_DEPTH_MAX, PAYLOAD_VALUES_MAX};

const BAD_REFERENCE: &str = "bad or unknown reference";
const BAD_ATTRIBUTE: &str = "bad attribute";

/// One open element.
#[derive(Default)]
struct Element {
    name: String,
    text: String,
    members: Map<String, Value>,
}

impl Element {
    fn into_value(mut self) -> Value {
        let text = self.text.trim();
        if self.members.is_empty() {
            return Value::String(text.to_owned());
        }
        if !text.is_empty() {
            self.members.insert("#text".to_owned(), Value::String(text.to_owned()));
        }
        Value::Object(self.members)
    }
}

/// The tree of an XML document: an object with the root element.
pub fn parse(body: &str) -> Result<Value, Error> {
    let mut reader = Reader::from_str(body);
    let mut values = 0_usize;
    // The first element stands for the document itself.
    let mut open = vec![Element::default()];
    loop {
        let event = reader.read_event().map_err(|error| at(&reader, wrong(&error)))?;
        values += 1;
        if values > PAYLOAD_VALUES_MAX {
            return Err(too_many_values());
        }
        match event {
            Event::Start(start) => {
                if open.len() > PAYLOAD_DEPTH_MAX {
                    return Err(too_deep());
                }
                open.push(element(&reader, &start, &mut values)?);
            }
            Event::Empty(start) => {
                let element = element(&reader, &start, &mut values)?;
                close(&mut open, element);
            }
            Event::End(_) => {
                if let Some(element) = open.pop() {
                    close(&mut open, element);
                }
            }
            Event::Text(text) => add(&mut open, &text.xml10_content()),
            Event::CData(data) => add(&mut open, &data.xml10_content()),
            Event::GeneralRef(reference) => {
                let known = format!("&{};", &*reference);
                let text = escape::unescape(&known).map_err(|_| at(&reader, BAD_REFERENCE))?;
                add(&mut open, &text);
            }
            Event::Comment(_) | Event::Decl(_) | Event::PI(_) | Event::DocType(_) => {}
            Event::Eof => break,
        }
    }
    match open.pop() {
        Some(document) if open.is_empty() && !document.members.is_empty() => {
            Ok(Value::Object(document.members))
        }
        Some(_) if !open.is_empty() => Err(at(&reader, "an element is not closed")),
        _ => Err(syntax("XML", "no element")),
    }
}

fn element(
    reader: &Reader<&[u8]>,
    start: &BytesStart<'_>,
    values: &mut usize,
) -> Result<Element, Error> {
    let mut members = Map::new();
    let mut attributes = start.attributes();
    // The check for duplicates compares each attribute with each other.
    for attribute in attributes.with_checks(false) {
        let attribute = attribute.map_err(|_| at(reader, BAD_ATTRIBUTE))?;
        *values += 1;
        if *values > PAYLOAD_VALUES_MAX {
            return Err(too_many_values());
        }
        if attribute.key.into_inner().starts_with("xmlns") {
            continue;
        }
        let value = escape::unescape(&attribute.value);
        let value = value.map_err(|_| at(reader, BAD_REFERENCE))?;
        let name = format!("@{}", attribute.key.local_name().into_inner());
        members.insert(name, Value::String(value.into_owned()));
    }
    let name = start.local_name().into_inner().to_owned();
    Ok(Element { name, text: String::new(), members })
}

fn close(open: &mut [Element], mut element: Element) {
    if let Some(parent) = open.last_mut() {
        let name = std::mem::take(&mut element.name);
        push(&mut parent.members, name, element.into_value());
    }
}

fn add(open: &mut [Element], text: &str) {
    // Text outside the root element is blank or an error that the reader reports.
    if open.len() > 1
        && let Some(element) = open.last_mut()
    {
        element.text.push_str(text);
    }
}

/// The kind of error without the names of the payload, which the parser quotes whole.
fn wrong(error: &quick_xml::Error) -> &'static str {
    use quick_xml::Error as Wrong;
    match error {
        Wrong::Syntax(SyntaxError::InvalidBangMarkup) => "unknown markup",
        Wrong::Syntax(_) => "markup is not closed",
        Wrong::IllFormed(IllFormedError::MissingEndTag(_)) => "an element is not closed",
        Wrong::IllFormed(IllFormedError::UnmatchedEndTag(_)) => {
            "end of an element that is not open"
        }
        Wrong::IllFormed(IllFormedError::MismatchedEndTag { .. }) => "end of another element",
        Wrong::IllFormed(IllFormedError::UnclosedReference) | Wrong::Escape(_) => BAD_REFERENCE,
        Wrong::IllFormed(_) => "bad declaration",
        Wrong::InvalidAttr(_) => BAD_ATTRIBUTE,
        Wrong::Namespace(_) => "bad namespace",
        Wrong::Encoding(_) | Wrong::Io(_) => "cannot be decoded",
    }
}

fn at(reader: &Reader<&[u8]>, wrong: &str) -> Error {
    let position = reader.error_position().max(reader.buffer_position());
    syntax("XML", &format!("{wrong} at byte {position}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn elements_become_values() {
        let body = r#"<?xml version="1.0"?><!DOCTYPE x><!-- c -->
            <r xmlns:n="urn:x" kind="a &amp; b"><n:h>web&#45;1</n:h><h>web-2</h><e/>
            <s state="2"> text <![CDATA[<raw>]]> </s></r>"#;
        let expected = json!({"r": {
            "@kind": "a & b", "h": ["web-1", "web-2"], "e": "",
            "s": {"@state": "2", "#text": "text <raw>"},
        }});
        assert_eq!(parse(body), Ok(expected));
    }

    #[test]
    fn refuses_what_is_not_closed_or_would_expand() {
        let bomb = r#"<!DOCTYPE x [<!ENTITY a "aaaa">]><x>&a;</x>"#;
        let deep = "<a>".repeat(PAYLOAD_DEPTH_MAX + 2);
        let rows = [
            ("<a><b></a>", "body is not valid XML: end of another element at byte "),
            ("<a>", "body is not valid XML: an element is not closed at byte 3"),
            ("<a b=1></a>", "body is not valid XML: bad attribute at byte "),
            ("<a b='&secret;'/>", "body is not valid XML: bad or unknown reference at byte "),
            ("</secret>", "body is not valid XML: end of an element that is not open at byte "),
            ("<a", "body is not valid XML: markup is not closed at byte "),
            ("<!-- only -->", "body is not valid XML: no element"),
            (bomb, "body is not valid XML: bad or unknown reference at byte "),
            (&deep, "payload exceeds PAYLOAD_DEPTH_MAX"),
        ];
        for (body, expected) in rows {
            let error = parse(body).expect_err(expected).to_string();
            assert!(error.starts_with(expected), "{error} / {expected}");
            assert!(!error.contains("secret"), "{error}");
        }
    }
}
