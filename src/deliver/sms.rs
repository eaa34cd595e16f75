//! SMS texts: which alphabet they need, how many segments they cost, and how they are made to fit.
//!
//! GSM 03.38 / 3GPP TS 23.038: 160 septets in one segment, 153 in each of several; one character outside the alphabet
//! makes the whole message UCS-2 with 70 and 67 units.

use super::clean;

const BASIC: &str = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZ\
                     ÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà";
const EXTENDED: &str = "^{}\\[~]|€\u{c}";

/// What a text costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cost {
    /// Whether one character makes it UCS-2.
    pub ucs2: bool,
    pub segments: usize,
}

/// Septets of a character in GSM-7; nothing if it is not in the alphabet.
fn septets(c: char) -> Option<usize> {
    if BASIC.contains(c) { Some(1) } else { EXTENDED.contains(c).then_some(2) }
}

/// What `text` costs. A character of two units is never split across segments.
pub fn cost(text: &str) -> Cost {
    let ucs2 = !text.chars().all(|c| septets(c).is_some());
    let units = |c: char| if ucs2 { c.len_utf16() } else { septets(c).unwrap_or(1) };
    let (one, many) = if ucs2 { (70, 67) } else { (160, 153) };
    if text.chars().map(units).sum::<usize>() <= one {
        return Cost { ucs2, segments: 1 };
    }
    let (mut segments, mut used) = (1, 0);
    for c in text.chars() {
        if used + units(c) > many {
            (segments, used) = (segments + 1, 0);
        }
        used += units(c);
    }
    Cost { ucs2, segments }
}

/// `text` with characters replaced that would make it UCS-2 without saying more: typographic signs, symbols, accents.
/// Letters of other scripts stay, so that a Greek or Chinese message is readable.
pub fn to_gsm(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match (septets(c), plain_form(c)) {
            (Some(_), _) => out.push(c),
            (None, Some(plain)) => out.push_str(plain),
            (None, None) if c.is_alphanumeric() => out.push(c),
            (None, None) => {}
        }
    }
    out
}

/// The obvious stand-in for a character.
const fn plain_form(c: char) -> Option<&'static str> {
    Some(match c {
        '\u{2018}' | '\u{2019}' | '\u{201a}' | '\u{2032}' | '`' | '´' => "'",
        '\u{201c}' | '\u{201d}' | '\u{201e}' | '\u{2033}' | '«' | '»' => "\"",
        '\u{2010}'..='\u{2015}' | '−' | '•' | '·' => "-",
        '…' => "...",
        '\u{a0}' | '\u{2000}'..='\u{200a}' | '\u{202f}' | '\t' => " ",
        '→' | '⇒' => "->",
        '←' => "<-",
        '≥' => ">=",
        '≤' => "<=",
        '≠' => "!=",
        '×' => "x",
        '°' => " deg",
        '²' => "2",
        '³' => "3",
        'á' | 'â' | 'ã' | 'ā' | 'ă' | 'ą' => "a",
        'Á' | 'À' | 'Â' | 'Ã' => "A",
        'ç' | 'ć' | 'č' => "c",
        'Ć' | 'Č' => "C",
        'ď' | 'đ' => "d",
        'ê' | 'ë' | 'ē' | 'ę' | 'ě' => "e",
        'È' | 'Ê' | 'Ë' => "E",
        'ğ' => "g",
        'í' | 'î' | 'ï' | 'ī' | 'ı' => "i",
        'Í' | 'Ì' | 'Î' | 'Ï' | 'İ' => "I",
        'ł' => "l",
        'Ł' => "L",
        'ń' | 'ň' => "n",
        'ó' | 'ô' | 'õ' | 'ō' | 'ő' => "o",
        'Ó' | 'Ò' | 'Ô' | 'Õ' => "O",
        'ř' => "r",
        'ś' | 'š' | 'ş' => "s",
        'Ś' | 'Š' | 'Ş' => "S",
        'ť' | 'ţ' => "t",
        'µ' | 'μ' | 'ú' | 'û' | 'ū' | 'ů' | 'ű' => "u",
        'Ú' | 'Ù' | 'Û' => "U",
        'ý' | 'ÿ' => "y",
        'ź' | 'ż' | 'ž' => "z",
        'Ź' | 'Ż' | 'Ž' => "Z",
        _ => return None,
    })
}

/// The longest beginning of `text` that fits into `segments`, ending in `...` where something was cut.
pub fn cut(text: &str, segments: usize) -> String {
    let fits = |text: &str| cost(text).segments <= segments;
    if fits(text) {
        return text.to_owned();
    }
    // More characters never cost fewer segments, so the longest that fits is found by halving.
    let (mut low, mut high) = (0, text.chars().count());
    while low + 1 < high {
        let middle = usize::midpoint(low, high);
        if fits(&clean::cut_with(text, middle, "...")) {
            low = middle;
        } else {
            high = middle;
        }
    }
    clean::cut_with(text, low, "...").into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_segments() {
        let rows = [
            ("a".repeat(160), false, 1),
            ("a".repeat(161), false, 2),
            ("a".repeat(306), false, 2),
            ("a".repeat(307), false, 3),
            ("€".repeat(80), false, 1),
            ("€".repeat(81), false, 2),
            ("ж".repeat(70), true, 1),
            ("ж".repeat(71), true, 2),
            ("🚨".repeat(35), true, 1),
            ("🚨".repeat(36), true, 2),
            (format!("{}€{}", "a".repeat(152), "a".repeat(152)), false, 3),
        ];
        for (text, ucs2, segments) in rows {
            assert_eq!(cost(&text), Cost { ucs2, segments }, "{text}");
        }
    }

    #[test]
    fn replaces_what_costs_without_saying() {
        assert_eq!(
            to_gsm("“CPU” – 95 °C… → café `x` 🚨 ž"),
            "\"CPU\" - 95  degC... -> café 'x'  z"
        );
        assert!(cost(&to_gsm("“CPU” – 95 °C… → café `x` 🚨 ž")).segments == 1);
        assert_eq!(to_gsm("Сервер"), "Сервер");
    }

    #[test]
    fn cuts_to_segments() {
        for (text, segments) in [("a".repeat(500), 1), ("ж🚨".repeat(90), 1), ("€^".repeat(400), 3)]
        {
            let cut = cut(&text, segments);
            assert!(cost(&cut).segments <= segments && cut.ends_with("..."), "{cut}");
        }
        assert_eq!(cut("short", 1), "short");
    }
}
