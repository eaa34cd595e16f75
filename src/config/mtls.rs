//! `auth = { mtls = { ... } }` of a source: which client certificates it takes.

use super::document::{Node, Value};
use super::problem::{Problem, Word};
use super::reader::Reader;
use crate::ingest::auth::Mtls;

/// `subject`, `san` and `fingerprint`: one text or a list each, and at least one of the three.
pub(super) fn read(reader: &mut Reader<'_>, node: &Node) -> Option<Mtls> {
    let mut section = reader.table(node, "mtls")?;
    let parts = ["subject", "san", "fingerprint"].map(|key| section.get(key));
    section.finish(reader);
    if parts.iter().all(Option::is_none) {
        let problem =
            Problem::error(Word::MissingKey, node.span.clone(), "mtls names no certificate");
        let hint = "mtls = { subject = \"CN=prometheus,O=Example\" } or { san = \"prometheus.example.com\" }; \
                    auth = \"mtls\" takes every certificate of server.tls_client_ca";
        reader.report(problem.hint(hint));
        return None;
    }
    let [subjects, names, fingerprints] =
        parts.map(|part| part.map_or(Some(Vec::new()), |node| texts(reader, node)));
    match Mtls::new(&subjects?, &names?, &fingerprints?) {
        Ok(mtls) => Some(mtls),
        Err(error) => reader.invalid(&node.span, error.to_string()),
    }
}

/// One text, or a list with at least one: an empty one would demand nothing.
fn texts(reader: &mut Reader<'_>, node: &Node) -> Option<Vec<String>> {
    if !matches!(node.value, Value::List(_)) {
        return reader.text(node).map(|text| vec![text]);
    }
    let texts = reader.texts(node)?;
    if texts.is_empty() {
        return reader.invalid(&node.span, "the list is empty");
    }
    Some(texts.into_iter().map(|(text, _)| text).collect())
}
