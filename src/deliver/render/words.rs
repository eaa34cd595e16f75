//! The words, signs and colours that all media share.

use std::time::Duration;

use crate::domain::{Head, Severity, State, Timestamp};

/// State and severity at a glance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Glance {
    pub word: &'static str,
    pub emoji: &'static str,
    pub color: &'static str,
}

/// How an incident looks from afar. What it is now comes before how bad it is.
pub fn glance(head: &Head) -> Glance {
    let (word, emoji, color) = match &head.state {
        State::Resolved { .. } if !head.notice => ("RESOLVED", "✅", "#2eb67d"),
        State::Acknowledged { .. } => ("ACKNOWLEDGED", "👀", "#5b7083"),
        _ if head.notice && head.severity <= Severity::Info => ("NOTICE", "💬", "#5b7083"),
        _ => match head.severity {
            Severity::Critical => ("CRITICAL", "🔴", "#d72638"),
            Severity::Error => ("ERROR", "🟠", "#e8710a"),
            Severity::Warning => ("WARNING", "🟡", "#ecb22e"),
            Severity::Info => ("INFO", "🔵", "#36a2eb"),
            Severity::Unknown => ("ALERT", "⚪", "#8d99a6"),
        },
    };
    Glance { word, emoji, color }
}

/// The sign of a severity.
pub const fn emoji(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical => "🔴",
        Severity::Error => "🟠",
        Severity::Warning => "🟡",
        Severity::Info => "🔵",
        Severity::Unknown => "⚪",
    }
}

/// The two largest units: `45s`, `5m`, `2h 5m`, `3d 4h`.
pub fn duration(of: Duration) -> String {
    let secs = of.as_secs();
    let (days, hours, minutes) = (secs / 86_400, secs / 3_600 % 24, secs / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{secs}s"),
        (0, 0, minutes) => format!("{minutes}m"),
        (0, hours, 0) => format!("{hours}h"),
        (0, hours, minutes) => format!("{hours}h {minutes}m"),
        (days, 0, _) => format!("{days}d"),
        (days, hours, _) => format!("{days}d {hours}h"),
    }
}

/// `2026-03-01 14:03 UTC`.
pub fn stamp(at: Timestamp) -> String {
    let text = at.to_string();
    match (text.get(..10), text.get(11..16)) {
        (Some(day), Some(time)) => format!("{day} {time} UTC"),
        _ => text,
    }
}

/// `1 alert`, `2 alerts`.
pub fn plural(count: u32, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

/// Whether a link of this name is what to do next.
pub fn is_runbook(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    name.contains("runbook") || name.contains("playbook")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_as_words() {
        let rows = [
            (0, "0s"),
            (59, "59s"),
            (61, "1m"),
            (3600, "1h"),
            (7500, "2h 5m"),
            (86_400, "1d"),
            (100_000, "1d 3h"),
        ];
        for (secs, want) in rows {
            assert_eq!(duration(Duration::from_secs(secs)), want, "{secs}");
        }
    }

    #[test]
    fn stamps() {
        assert_eq!(stamp(Timestamp::from_secs(1_772_373_783)), "2026-03-01 14:03 UTC");
        assert_eq!(stamp(Timestamp::MAX), "never");
    }
}
