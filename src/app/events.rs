//! What happens in the lanes, as metrics and log lines.

use std::sync::Arc;

use crate::deliver::DeliveryEvent;
use crate::deliver::lanes::{Observer, Printer};
use crate::domain::Reason;
use crate::telemetry::Metrics;

/// Counts and logs what the lanes do, and tells `besides`.
pub(super) fn observer(metrics: Arc<Metrics>, besides: Option<Observer>) -> Observer {
    Arc::new(move |event| {
        count(&metrics, event);
        log(event);
        if let Some(besides) = &besides {
            besides(event);
        }
    })
}

fn count(metrics: &Metrics, event: &DeliveryEvent<'_>) {
    match event {
        DeliveryEvent::Settled { receiver, reason, took, .. } => {
            metrics.delivered(receiver, reason.as_str());
            let meter = metrics.receiver(receiver);
            if *reason != Reason::Waiting {
                meter.attempts.inc();
                meter.attempt_seconds.observe(took.as_secs_f64());
            }
            if *reason == Reason::Retrying {
                meter.retries.inc();
            }
        }
        DeliveryEvent::Limited { receiver, .. } | DeliveryEvent::Paused { receiver, .. } => {
            metrics.receiver(receiver).limiter_waits.inc();
        }
        DeliveryEvent::Plain { .. } | DeliveryEvent::Failing { .. } => {}
    }
}

/// One failed attempt is debug; what people should look at is a warning.
fn log(event: &DeliveryEvent<'_>) {
    match event {
        DeliveryEvent::Settled { receiver, number, why, reason, status, error, .. } => {
            let (why, reason, error) = (why.as_str(), reason.as_str(), error.unwrap_or(""));
            if matches!(reason, "gave_up" | "refused") {
                tracing::warn!(receiver, incident = number, why, reason, status, error, "delivery");
            } else {
                tracing::debug!(
                    receiver,
                    incident = number,
                    why,
                    reason,
                    status,
                    error,
                    "delivery"
                );
            }
        }
        DeliveryEvent::Limited { receiver, wait } => {
            tracing::debug!(receiver, ?wait, "rate limit");
        }
        DeliveryEvent::Paused { receiver, wait } => {
            tracing::info!(receiver, ?wait, "receiver asked to wait");
        }
        DeliveryEvent::Plain { receiver, number, error } => {
            tracing::warn!(receiver, incident = number, error, "plain rendering took over");
        }
        DeliveryEvent::Failing { receiver, failing: true, error } => {
            tracing::warn!(receiver, error = error.unwrap_or(""), "receiver is failing");
        }
        DeliveryEvent::Failing { receiver, failing: false, .. } => {
            tracing::info!(receiver, "receiver works again");
        }
    }
}

/// Says in the log what an `inbox` receiver kept: its first line, so that a newcomer sees results without any account.
pub(super) fn printer() -> Printer {
    Arc::new(|receiver, text| {
        let line = text.lines().next().unwrap_or("");
        tracing::info!(receiver, "{line}");
    })
}
