//! The few bytes of DER that reading a certificate takes (X.690 section 8 and 10).

pub(super) const INTEGER: u8 = 0x02;
pub(super) const OBJECT_IDENTIFIER: u8 = 0x06;
pub(super) const UTF8_STRING: u8 = 0x0c;
pub(super) const NUMERIC_STRING: u8 = 0x12;
pub(super) const PRINTABLE_STRING: u8 = 0x13;
pub(super) const TELETEX_STRING: u8 = 0x14;
pub(super) const IA5_STRING: u8 = 0x16;
pub(super) const UTC_TIME: u8 = 0x17;
pub(super) const GENERALIZED_TIME: u8 = 0x18;
pub(super) const BMP_STRING: u8 = 0x1e;
pub(super) const SEQUENCE: u8 = 0x30;
pub(super) const SET: u8 = 0x31;
/// `[0]`, explicit: the version of a certificate.
pub(super) const VERSION: u8 = 0xa0;

/// Reads one value after the other.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(super) const fn is_empty(self) -> bool {
        self.0.is_empty()
    }

    /// Tag and content of the next value. None at the end and for what is no DER: tags of several bytes, lengths that
    /// are open, longer than needed or longer than what is there.
    pub(super) fn next(&mut self) -> Option<(u8, &'a [u8])> {
        let (&[tag, first], rest) = self.0.split_first_chunk()?;
        if tag & 0x1f == 0x1f {
            return None;
        }
        let (length, rest) = match first {
            0..=0x7f => (usize::from(first), rest),
            // Four bytes of length are more than any certificate has.
            0x81..=0x84 => {
                let (bytes, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
                let length = bytes.iter().fold(0, |sum, &byte| (sum << 8) | usize::from(byte));
                let shorter = bytes.first() == Some(&0) || length < 0x80;
                if shorter {
                    return None;
                }
                (length, rest)
            }
            _ => return None,
        };
        let (content, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        Some((tag, content))
    }

    /// The content of the next value if it has this tag.
    pub(super) fn take(&mut self, tag: u8) -> Option<&'a [u8]> {
        self.next().filter(|(found, _)| *found == tag).map(|(_, content)| content)
    }
}

/// An object identifier as people write it: `2.5.4.3`.
pub(super) fn dotted(content: &[u8]) -> Option<String> {
    let mut numbers: Vec<u64> = Vec::new();
    let mut number: u64 = 0;
    for &byte in content {
        if number >> 57 != 0 || (number == 0 && byte == 0x80) {
            return None;
        }
        number = (number << 7) | u64::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            numbers.push(number);
            number = 0;
        }
    }
    if content.last()? & 0x80 != 0 {
        return None;
    }
    let first = *numbers.first()?;
    let root = (first / 40).min(2);
    numbers.splice(..1, [root, first - root * 40]);
    let texts: Vec<String> = numbers.iter().map(u64::to_string).collect();
    Some(texts.join("."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values() {
        let long = [&[0x04, 0x81, 0x80][..], &[7; 0x80]].concat();
        for (bytes, expected) in [
            (&[0x02, 0x01, 0x05, 0xff][..], Some((INTEGER, &[5][..]))),
            (&[0x05, 0x00], Some((5, &[]))),
            (&long, Some((4, &[7; 0x80]))),
            (&[], None),
            (&[0x02], None),
            (&[0x02, 0x02, 0x05], None),
            (&[0x30, 0x80, 0x00, 0x00], None),
            (&[0x04, 0x81, 0x01, 0x05], None),
            (&[0x04, 0x82, 0x00, 0x81], None),
            (&[0x04, 0x85, 1, 0, 0, 0, 0], None),
            (&[0x1f, 0x81, 0x01, 0x00], None),
        ] {
            assert_eq!(Reader::new(bytes).next(), expected, "{bytes:02x?}");
        }
    }

    #[test]
    fn object_identifiers() {
        for (bytes, expected) in [
            (&[0x55, 0x04, 0x03][..], Some("2.5.4.3")),
            (&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 1], Some("1.2.840.113549.1.9.1")),
            (&[0x88, 0x37], Some("2.999")),
            (&[], None),
            (&[0x55, 0x84], None),
            (&[0x55, 0x80, 0x01], None),
            (&[0xff; 12], None),
        ] {
            assert_eq!(dotted(bytes).as_deref(), expected, "{bytes:02x?}");
        }
    }
}
