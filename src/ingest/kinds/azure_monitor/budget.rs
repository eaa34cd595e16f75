//! Budget alerts before the common schema ("AIP Budget Notification"): no status, no severity, never resolved.
//!
//! Facts: Microsoft Learn "Non-common alert schema definitions", budget. Amounts are strings.

use serde_json::Value;

use crate::domain::{Alert, Life};

use super::super::{Error, fields};
use super::{key, shape};

/// Reads the object that holds `BudgetName`.
pub(super) fn read(data: &Value) -> Result<Alert, Error> {
    let Some(name) = fields::text(data, "/BudgetName") else {
        return Err(shape("there is no BudgetName"));
    };
    let subscription = fields::text(data, "/SubscriptionId").unwrap_or_default();
    let group = fields::text(data, "/ResourceGroup").unwrap_or_default();
    let limit = fields::text(data, "/NotificationThresholdAmount").unwrap_or_default();
    let mut alert =
        Alert::new(key(["budget", &subscription, &group, &name, &limit]), format!("Budget {name}"));
    alert.life = Life::Expires;
    alert.alertname = Some(name);
    for (label, pointer) in [
        ("budget_name", "/BudgetName"),
        ("budget_type", "/BudgetType"),
        ("subscription_id", "/SubscriptionId"),
        ("subscription_name", "/SubscriptionName"),
        ("resource_group", "/ResourceGroup"),
        ("department_name", "/DepartmentName"),
        ("account_name", "/AccountName"),
    ] {
        fields::add(&mut alert.labels, label, fields::text(data, pointer));
    }
    alert.resource =
        fields::first(data, &["/ResourceGroup", "/SubscriptionName", "/SubscriptionId"]);
    if let Some(spent) = fields::text(data, "/SpendingAmount") {
        let unit = fields::text(data, "/Unit").unwrap_or_default();
        let budget = fields::text(data, "/Budget").unwrap_or_default();
        alert.text = Some(format!("Spent {spent} of {budget} {unit}, threshold {limit}"));
    }
    Ok(alert)
}
