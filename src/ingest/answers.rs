//! What each kind of sender expects to be answered: by these it knows whether to send again.

/// The four answers of a source kind. `accepted` is 200 everywhere: no sender we know wants another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answers {
    /// Some alerts of the payload were taken, some refused (listed in the body).
    pub partly: u16,
    /// Nothing of the payload can ever be taken: must not make the sender try again.
    pub rejected: u16,
    /// We cannot take it now, or the source sends too much: must make the sender try again.
    pub busy: u16,
    /// Whether the kind sends alerts in the query of a GET.
    pub queries: bool,
}

/// Senders whose retry rules we do not know: 429 is the honest word, and clients that retry honour it.
const UNKNOWN: Answers = Answers { partly: 200, rejected: 400, busy: 429, queries: false };

/// Senders that retry server errors only.
const SERVER_ERRORS_ONLY: Answers = Answers { busy: 503, ..UNKNOWN };

/// The answers of the kind called `kind`.
///
/// - `alertmanager`: its webhook notifier retries 5xx and gives up on every other status (notify/util.go, `Retrier.Check`).
/// - `grafana`: the embedded notifier retries failed webhooks; a 5xx is safe for the unified and the legacy webhook.
/// - `aws-sns` and what it carries: 5xx is retried by the delivery policy, other client errors are permanent
///   (Amazon SNS developer guide, "Message delivery retries").
/// - `azure-monitor`: action groups retry 408, 429, 503 and 504 (Azure Monitor, "Action groups", webhook).
pub fn of(kind: &str) -> Answers {
    match kind {
        "alertmanager" | "grafana" | "aws-sns" | "aws-cloudwatch" | "aws-eventbridge" => {
            SERVER_ERRORS_ONLY
        }
        "generic" => Answers { queries: true, ..UNKNOWN },
        _ => UNKNOWN,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn senders_are_told_in_a_word_they_retry() {
        for (kind, busy) in [
            ("alertmanager", 503),
            ("grafana", 503),
            ("aws-sns", 503),
            ("aws-cloudwatch", 503),
            ("aws-eventbridge", 503),
            ("azure-monitor", 429),
            ("generic", 429),
            ("somebody-else", 429),
        ] {
            assert_eq!(of(kind).busy, busy, "{kind}");
        }
    }

    #[test]
    fn only_generic_reads_queries() {
        assert!(of("generic").queries);
        assert!(!of("alertmanager").queries);
    }
}
