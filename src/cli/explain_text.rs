//! The output of `explain` for people.

use std::fmt::Write as _;

use super::explain::Explained;
use super::explain_render::Notification;
use crate::domain::{Alert, Explanation, Status};

/// Everything about a payload, alert by alert.
pub(super) fn render(explained: &Explained<'_>) -> String {
    let mut out = String::new();
    let normalized = explained.normalized;
    if normalized.taken.is_some() {
        line(&mut out, 0, &format!("read as {}", explained.kind));
    }
    let mut notifications = explained.notifications.iter().flatten();
    for (alert, why) in normalized.alerts.iter().zip(&explained.explanations) {
        describe(&mut out, alert);
        decision(&mut out, explained, alert, why);
        reasons(&mut out, why);
        for notification in notifications.next().into_iter().flatten() {
            rendered(&mut out, notification);
        }
        out.push('\n');
    }
    for rejected in &normalized.rejected {
        line(&mut out, 0, &format!("rejected alert {}: {}", rejected.index, rejected.reason));
    }
    if let Some(ignored) = &normalized.ignored {
        line(&mut out, 0, &format!("ignored: {ignored}"));
    }
    if normalized.handshake.is_some() {
        line(&mut out, 0, "the sender asks for a handshake");
    }
    out
}

/// One line of output; nothing of an alert moves the cursor of the terminal.
fn line(out: &mut String, indent: usize, text: &str) {
    let plain = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    out.extend(std::iter::repeat_n(' ', indent));
    out.extend(plain);
    out.push('\n');
}

fn describe(out: &mut String, alert: &Alert) {
    let (status, severity) = (alert.status, alert.severity);
    line(out, 0, &format!("alert {}: {} [{status}, {severity}]", alert.index, alert.title));
    line(out, 2, &format!("key        {}", alert.key));
    for (name, value) in [
        ("resource", &alert.resource),
        ("service", &alert.service),
        ("env", &alert.env),
        ("alertname", &alert.alertname),
    ] {
        if let Some(value) = value {
            line(out, 2, &format!("{name:<10} {value}"));
        }
    }
    if !alert.labels.is_empty() {
        let mut labels = String::new();
        for (name, value) in &alert.labels {
            let _infallible = write!(labels, "{name}={value:?} ");
        }
        line(out, 2, &format!("labels     {}", labels.trim_end()));
    }
    for (name, time) in [("observed", alert.observed_at), ("started", alert.started_at)] {
        if let Some(time) = time {
            line(out, 2, &format!("{name:<10} {time}"));
        }
    }
}

fn decision(out: &mut String, explained: &Explained<'_>, alert: &Alert, why: &Explanation) {
    if let Some((route, words)) = &why.decision.dropped {
        line(out, 2, &format!("dropped    by route {route}: {words}"));
    }
    if matches!(alert.status, Status::Resolved | Status::Acknowledged) {
        line(out, 2, "goes to    the incidents it fired in; by these routes that would be:");
    }
    for join in &why.decision.joins {
        line(out, 2, &format!("route      {}", join.policy.route));
        if let Some(verdict) = why.verdict(&join.policy.route) {
            line(out, 4, &format!("because  {verdict}"));
        }
        let mut incident = join.group.to_string();
        for (name, value) in &join.values {
            let _infallible = write!(incident, " {name}={value:?}");
        }
        line(out, 4, &format!("incident {incident}"));
        let kind = |name: &str| explained.routes.receivers.get(name).map_or("?", |r| r.kind.name);
        let receivers = join.policy.receivers.iter();
        let receivers: Vec<String> =
            receivers.map(|name| format!("{name} ({})", kind(name))).collect();
        line(out, 4, &format!("tells    {}", receivers.join(", ")));
    }
}

fn reasons(out: &mut String, why: &Explanation) {
    line(out, 2, "all routes");
    for step in &why.steps {
        line(out, 4 + 2 * step.depth, &format!("{}: {}", step.route, step.verdict));
    }
}

fn rendered(out: &mut String, notification: &Notification) {
    line(out, 2, &notification.headline());
    for text in notification.text().lines() {
        line(out, if text.is_empty() { 0 } else { 4 }, text);
    }
}
