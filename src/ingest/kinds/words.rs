//! Severity words that mean the same to everybody. What a vendor means by its own words stands in its table.

use crate::domain::{Severity, Status};

/// The severity a common word stands for, without regard to case; nothing for words that say no severity, such as the
/// name of a team. P1 and SEV1 are the worst in every scheme that uses them; bare numbers have no common direction.
pub fn severity(word: &str) -> Option<Severity> {
    Some(match word.trim().to_ascii_lowercase().as_str() {
        "critical" | "crit" | "fatal" | "emergency" | "emerg" | "alert" | "disaster" | "page"
        | "blocker" | "highest" | "urgent" | "severe" | "down" | "outage" | "p0" | "p1"
        | "sev0" | "sev1" | "sev-0" | "sev-1" | "s0" | "s1" => Severity::Critical,
        "error" | "err" | "major" | "high" | "failure" | "failed" | "p2" | "sev2" | "sev-2"
        | "s2" => Severity::Error,
        "warning" | "warn" | "minor" | "medium" | "moderate" | "average" | "degraded" | "p3"
        | "sev3" | "sev-3" | "s3" => Severity::Warning,
        "info" | "information" | "informational" | "notice" | "low" | "lowest" | "none"
        | "debug" | "verbose" | "trace" | "trivial" | "ok" | "p4" | "p5" | "sev4" | "sev5"
        | "sev-4" | "sev-5" | "s4" | "s5" => Severity::Info,
        _ => return None,
    })
}

/// The severity of a priority: a common word, or 1 (worst) to 5.
pub fn priority(word: &str) -> Option<Severity> {
    Some(match word.trim() {
        "0" | "1" => Severity::Critical,
        "2" => Severity::Error,
        "3" => Severity::Warning,
        "4" | "5" => Severity::Info,
        word => return severity(word),
    })
}

/// What a word that means the same to everybody says about a problem; `closed`, `ok` and the like do not: they are also
/// words about tickets, pull requests and checks.
pub fn status(word: &str) -> Option<Status> {
    match word.trim() {
        "resolved" | "recovered" | "recovery" | "cleared" => Some(Status::Resolved),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_have_one_meaning() {
        let rows = [
            ("Critical", Some(Severity::Critical)),
            (" P1 ", Some(Severity::Critical)),
            ("major", Some(Severity::Error)),
            ("MINOR", Some(Severity::Warning)),
            ("none", Some(Severity::Info)),
            ("2", None),
            ("team-a", None),
            ("", None),
        ];
        for (word, expected) in rows {
            assert_eq!(severity(word), expected, "{word}");
        }
        assert_eq!(priority("2"), Some(Severity::Error));
    }
}
