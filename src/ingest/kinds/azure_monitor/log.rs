//! Log alerts before the common schema: `Microsoft.Insights/LogAlert`, and Log Analytics bodies without `schemaId`.
//!
//! Facts: Microsoft Learn "Webhook actions for log search alert rules". They have no status and never resolve.

use serde_json::Value;

use crate::domain::{Alert, Life};

use super::super::{Error, fields, times};
use super::{add_scope, context, key, severity, shape};

/// Reads the object that holds `AlertRuleName`.
pub(super) fn read(data: &Value) -> Result<Alert, Error> {
    let Some(rule) = fields::first(data, &["/AlertRuleName", "/alertRuleName"]) else {
        return Err(shape("there is no AlertRuleName"));
    };
    let workspace =
        fields::first(data, &["/WorkspaceId", "/ApplicationId", "/ResourceId", "/SubscriptionId"]);
    let dimensions = fields::pairs(fields::list(data, "/Dimensions"));
    let split: Vec<String> =
        dimensions.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let parts = [rule.as_str(), workspace.as_deref().unwrap_or(""), &split.join(",")];
    let mut alert = Alert::new(key(parts), rule.clone());
    alert.alertname = Some(rule);
    alert.life = Life::Expires;
    alert.severity = severity(fields::first(data, &["/Severity", "/severity"]).as_deref());
    for (name, pointer) in [("alert_type", "/AlertType"), ("subscription_id", "/SubscriptionId")] {
        fields::add(&mut alert.labels, name, fields::text(data, pointer));
    }
    context::search(&mut alert, data);
    let resource_id = fields::text(data, "/ResourceId").unwrap_or_default();
    add_scope(&mut alert, &resource_id);
    let affected = fields::texts(data, "/AffectedConfigurationItems").into_iter().next();
    alert.resource = affected
        .or_else(|| dimensions.into_iter().next().map(|(_, value)| value))
        .or_else(|| Some(resource_id).filter(|id| !id.is_empty()))
        .or(workspace)
        .map(|id| fields::last_segment(&id).to_owned());
    alert.observed_at =
        fields::first(data, &["/SearchIntervalEndtimeUtc", "/SearchIntervalEndTimeUtc"])
            .as_deref()
            .and_then(times::read);
    if let Some(description) = fields::text(data, "/Description") {
        let measured = alert.text.take().map(|text| format!("\n{text}")).unwrap_or_default();
        alert.text = Some(format!("{description}{measured}"));
    }
    context::name_places(&mut alert);
    Ok(alert)
}
