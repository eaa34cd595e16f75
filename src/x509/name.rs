//! Distinguished names: from certificates, and as people write them (RFC 4514, which replaced RFC 2253).

use std::collections::BTreeSet;
use std::fmt;

use super::der::{self, Reader};

/// Attribute types with a short name: those of RFC 4514 section 3, and what OpenSSL prints besides.
const TYPES: [(&str, &str); 17] = [
    ("CN", "2.5.4.3"),
    ("SN", "2.5.4.4"),
    ("SERIALNUMBER", "2.5.4.5"),
    ("C", "2.5.4.6"),
    ("L", "2.5.4.7"),
    ("ST", "2.5.4.8"),
    ("STREET", "2.5.4.9"),
    ("O", "2.5.4.10"),
    ("OU", "2.5.4.11"),
    ("TITLE", "2.5.4.12"),
    ("GN", "2.5.4.42"),
    ("DNQUALIFIER", "2.5.4.46"),
    ("UID", "0.9.2342.19200300.100.1.1"),
    ("DC", "0.9.2342.19200300.100.1.25"),
    ("EMAILADDRESS", "1.2.840.113549.1.9.1"),
    // Only read: the ones above are written.
    ("E", "1.2.840.113549.1.9.1"),
    ("S", "2.5.4.8"),
];

/// Why a text is no distinguished name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    #[error("a subject is written \"CN=prometheus,O=Example\", this one is empty")]
    Empty,
    #[error(
        "subject {text:?} has no '=' where an attribute is expected; it is written \"CN=prometheus,O=Example\", as `openssl x509 -noout -subject -nameopt RFC2253` prints it"
    )]
    Shape { text: String },
    #[error(
        "unknown attribute {attribute:?} in a subject; known are CN, O, OU, L, ST, C, DC, UID, ... and numbers such as 2.5.4.3"
    )]
    Attribute { attribute: String },
    #[error("{character:?} needs a backslash in a subject")]
    Unescaped { character: char },
    #[error("a backslash in a subject needs one of ,+\"\\<>;=# or two hexadecimal digits after it")]
    Escape,
    #[error("the value of {attribute:?} in a subject is empty or cannot be read")]
    Value { attribute: String },
}

/// The value of an attribute: a text, whatever its encoding, or the bytes of what is none.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Value {
    Text(String),
    Other { tag: u8, content: Vec<u8> },
}

/// An attribute: its type as a dotted object identifier, and its value.
type Attribute = (String, Value);

/// A separator and what comes after it; None at the end.
type Rest<'a> = Option<(char, &'a str)>;

/// A distinguished name. Two are equal if they have the same attributes in the same order; the case of values counts, and
/// how they are encoded does not. Prints as RFC 4514, most specific part first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name(Vec<BTreeSet<Attribute>>);

impl Name {
    /// Reads the text of RFC 4514: the reverse of the order in the certificate, parts with commas between them.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        if text.trim().is_empty() {
            return Err(NameError::Empty);
        }
        let mut rest = text;
        let mut parts = vec![BTreeSet::new()];
        loop {
            let (attribute, more) = attribute(rest)?;
            if let Some(part) = parts.last_mut() {
                part.insert(attribute);
            }
            match more {
                None => return Ok(Self(parts)),
                Some((separator, more)) => {
                    rest = more;
                    if separator == ',' {
                        parts.push(BTreeSet::new());
                    }
                }
            }
        }
    }

    /// Reads the content of an X.501 `RDNSequence`. None if it is none.
    pub(super) fn from_der(content: &[u8]) -> Option<Self> {
        let mut sequence = Reader::new(content);
        let mut parts = Vec::new();
        while !sequence.is_empty() {
            let mut set = Reader::new(sequence.take(der::SET)?);
            let mut part = BTreeSet::new();
            while !set.is_empty() {
                let mut pair = Reader::new(set.take(der::SEQUENCE)?);
                let attribute = der::dotted(pair.take(der::OBJECT_IDENTIFIER)?)?;
                part.insert((attribute, value(pair.next()?)));
            }
            parts.push(part);
        }
        parts.reverse();
        Some(Self(parts))
    }

    /// Whether it names nobody.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// The text of a value; what is no text, or a broken one, stays as it is.
fn value((tag, content): (u8, &[u8])) -> Value {
    let text = match tag {
        der::UTF8_STRING | der::NUMERIC_STRING | der::PRINTABLE_STRING | der::IA5_STRING => {
            String::from_utf8(content.to_vec()).ok()
        }
        // As everybody reads it: Latin-1.
        der::TELETEX_STRING => Some(content.iter().copied().map(char::from).collect()),
        der::BMP_STRING if content.len().is_multiple_of(2) => {
            let units = content.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]]));
            char::decode_utf16(units).collect::<Result<String, _>>().ok()
        }
        _ => None,
    };
    text.map_or_else(|| Value::Other { tag, content: content.to_vec() }, Value::Text)
}

/// The attribute that `text` begins with, and what comes after it with the separator between.
fn attribute(text: &str) -> Result<(Attribute, Rest<'_>), NameError> {
    let shape = || NameError::Shape { text: text.trim().to_owned() };
    let (word, rest) = text.split_once('=').ok_or_else(shape)?;
    let word = word.trim();
    let number = word.contains('.')
        && word.split('.').all(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()));
    let known = TYPES.iter().find(|(name, _)| word.eq_ignore_ascii_case(name));
    let attribute = match known {
        Some((_, dotted)) => (*dotted).to_owned(),
        None if number => word.to_owned(),
        None if word.contains([',', '/', ';']) || word.is_empty() => return Err(shape()),
        None => return Err(NameError::Attribute { attribute: word.to_owned() }),
    };
    let rest = rest.trim_start_matches(' ');
    let unreadable = || NameError::Value { attribute: word.to_owned() };
    if let Some(hex) = rest.strip_prefix('#') {
        let end = hex.find([',', '+']).unwrap_or(hex.len());
        let bytes = bytes(hex[..end].trim_end()).ok_or_else(unreadable)?;
        let value = Reader::new(&bytes).next().map(value).ok_or_else(unreadable)?;
        return Ok(((attribute, value), after(&hex[end..])));
    }
    let (text, rest) = escaped(rest)?;
    let text = String::from_utf8(text).map_err(|_| unreadable())?;
    if text.is_empty() {
        return Err(unreadable());
    }
    Ok(((attribute, Value::Text(text)), after(rest)))
}

fn after(rest: &str) -> Rest<'_> {
    let mut chars = rest.chars();
    chars.next().map(|separator| (separator, chars.as_str()))
}

/// The value up to the next separator, without escapes and without the spaces before the separator.
fn escaped(text: &str) -> Result<(Vec<u8>, &str), NameError> {
    let mut value = Vec::new();
    // Spaces up to here belong to the value: they are escaped, or something follows them.
    let mut kept = 0;
    let mut chars = text.chars();
    let mut rest = text;
    while let Some(character) = chars.next() {
        match character {
            ',' | '+' => break,
            ';' | '"' | '<' | '>' => return Err(NameError::Unescaped { character }),
            '\\' => {
                let next = chars.next().ok_or(NameError::Escape)?;
                if ",+\"\\<>;=# ".contains(next) {
                    value.push(u8::try_from(next).map_err(|_| NameError::Escape)?);
                } else {
                    let low = chars.next().ok_or(NameError::Escape)?;
                    let pair = bytes(&String::from_iter([next, low])).ok_or(NameError::Escape)?;
                    value.extend(pair);
                }
                kept = value.len();
            }
            _ => {
                value.extend(character.encode_utf8(&mut [0; 4]).as_bytes());
                kept = if character == ' ' { kept } else { value.len() };
            }
        }
        rest = chars.as_str();
    }
    value.truncate(kept);
    Ok((value, rest))
}

/// Hexadecimal digits as bytes; None for what is none of them, nothing, or half a byte.
pub fn bytes(hex: &str) -> Option<Vec<u8>> {
    if hex.is_empty() || !hex.len().is_multiple_of(2) || !hex.is_ascii() {
        return None;
    }
    let digits: Option<Vec<u32>> = hex.chars().map(|digit| digit.to_digit(16)).collect();
    let pair = |pair: &[u32]| u8::try_from(pair[0] * 16 + pair[1]).ok();
    digits?.chunks_exact(2).map(pair).collect()
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, part) in self.0.iter().enumerate() {
            f.write_str(if at == 0 { "" } else { "," })?;
            for (at, (attribute, value)) in part.iter().enumerate() {
                f.write_str(if at == 0 { "" } else { "+" })?;
                let known = TYPES.iter().find(|(_, dotted)| dotted == attribute);
                write!(f, "{}=", known.map_or(attribute.as_str(), |(name, _)| name))?;
                show(f, value)?;
            }
        }
        Ok(())
    }
}

fn show(f: &mut fmt::Formatter<'_>, value: &Value) -> fmt::Result {
    let text = match value {
        Value::Text(text) => text,
        Value::Other { tag, content } => {
            // Lengths above 127 are cut: this is for people, and no such value is written in a configuration.
            let shown = &content[..content.len().min(127)];
            write!(f, "#{tag:02x}{:02x}", shown.len())?;
            return shown.iter().try_for_each(|byte| write!(f, "{byte:02x}"));
        }
    };
    let last = text.chars().count().saturating_sub(1);
    for (at, character) in text.chars().enumerate() {
        match character {
            ',' | '+' | '"' | '\\' | '<' | '>' | ';' => write!(f, "\\{character}")?,
            '#' if at == 0 => f.write_str("\\#")?,
            ' ' if at == 0 || at == last => f.write_str("\\ ")?,
            // Goes into logs: nothing in it may end a line.
            character if character.is_control() => {
                for byte in character.encode_utf8(&mut [0; 4]).bytes() {
                    write!(f, "\\{byte:02x}")?;
                }
            }
            character => write!(f, "{character}")?,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Object identifier, tag and content of an attribute.
    type Raw<'a> = (&'a [u8], u8, &'a [u8]);

    fn der(parts: &[&[Raw<'_>]]) -> Vec<u8> {
        let value = |tag: u8, content: &[u8]| {
            let length = u8::try_from(content.len()).expect("short");
            [&[tag, length], content].concat()
        };
        let part = |part: &&[Raw<'_>]| {
            let pair = |(oid, tag, text): &Raw<'_>| {
                let pair = [value(der::OBJECT_IDENTIFIER, oid), value(*tag, text)].concat();
                value(der::SEQUENCE, &pair)
            };
            value(der::SET, &part.iter().flat_map(pair).collect::<Vec<u8>>())
        };
        parts.iter().flat_map(part).collect()
    }

    const CN: &[u8] = &[0x55, 4, 3];
    const O: &[u8] = &[0x55, 4, 10];

    fn check(text: &str, certificate: &[u8], same: bool) {
        let written = Name::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        let read = Name::from_der(certificate).expect("a name");
        assert_eq!(written == read, same, "{text} and {read}");
    }

    #[test]
    fn names_are_compared_part_by_part() {
        let plain = der(&[&[(O, 0x13, b"Example")], &[(CN, 0x0c, b"prometheus")]]);
        check("CN=prometheus,O=Example", &plain, true);
        check("cn = prometheus , 2.5.4.10=Example", &plain, true);
        check("CN=prometheus,O=#0c074578616d706c65", &plain, true);
        check("CN=pro\\6detheus,O=Example", &plain, true);
        for other in [
            "O=Example,CN=prometheus",
            "CN=prometheus",
            "CN=prometheus,O=Example,C=DE",
            "CN=prometheus,O=Example\\ ",
            "CN=Prometheus,O=Example",
            "CN=prometheus+O=Example",
            "CN=prometheus\\,O\\=Example",
            "CN=prometheus,OU=Example",
        ] {
            check(other, &plain, false);
        }
        let odd = der(&[&[(O, 0x0c, b"A+B, \"C\" ")], &[(CN, 0x0c, "z\u{fc}rich".as_bytes())]]);
        check("CN=z\\c3\\bcrich,O=A\\+B\\, \\\"C\\\"\\ ", &odd, true);
        check("CN=z\u{fc}rich,O=A\\+B\\, \\\"C\\\"\\20", &odd, true);
        check("CN=z\u{fc}rich,O=A\\+B\\, \\\"C\\\" ", &odd, false);
        check("CN=z\u{fc}", &der(&[&[(CN, 0x14, b"z\xfc")]]), true);
        check("CN=z\u{fc}", &der(&[&[(CN, 0x1e, b"\0z\0\xfc")]]), true);
        check("CN=1", &der(&[&[(CN, 0x02, b"\x31")]]), false);
        check("CN=#020131", &der(&[&[(CN, 0x02, b"\x31")]]), true);
        let both = der(&[&[(CN, 0x0c, b"a"), (O, 0x0c, b"b")]]);
        check("O=b+CN=a", &both, true);
        check("CN=a,O=b", &both, false);
    }

    #[test]
    fn what_is_no_name_says_why() {
        for (text, expected) in [
            ("", "empty"),
            ("prometheus", "no '='"),
            ("/O=Example/CN=prometheus", "nameopt RFC2253"),
            ("CN=a,", "no '='"),
            ("CN=a,b", "no '='"),
            ("CN=a;O=b", "';' needs a backslash"),
            ("CN=\"a\"", "needs a backslash"),
            ("COMMON=a", "unknown attribute \"COMMON\""),
            ("CN=,O=b", "\"CN\""),
            ("CN=#zz", "\"CN\""),
            ("CN=#0c05aa", "\"CN\""),
            ("CN=a\\", "backslash"),
            ("CN=a\\zz", "backslash"),
            ("CN=\\ff", "\"CN\""),
        ] {
            let error = Name::parse(text).expect_err(text).to_string();
            assert!(error.contains(expected), "{text}: {error}");
        }
        for broken in [&[0x31, 0x05][..], &[0x30, 0x00], &[0x31, 0x02, 0x30, 0x00]] {
            assert_eq!(Name::from_der(broken), None, "{broken:02x?}");
        }
        assert!(Name::from_der(&[]).is_some_and(|name| name.is_empty()));
    }

    proptest! {
        #[test]
        fn what_is_printed_reads_back(common in "\\PC{1,12}", other in "[ -~]{1,12}", raw in any::<Vec<u8>>()) {
            let name = der(&[&[(O, 0x0c, other.as_bytes()), (CN, 0x0c, common.as_bytes())]]);
            let name = Name::from_der(&name).expect("a name");
            prop_assert_eq!(Name::parse(&name.to_string()), Ok(name));
            // Never panics, whatever the bytes.
            let _read = Name::from_der(&raw);
            let _parsed = Name::parse(&String::from_utf8_lossy(&raw));
        }
    }
}
