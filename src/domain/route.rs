//! Which incidents a firing alert joins: the answer of the routing tree.

use std::sync::Arc;

use super::{Fingerprint, Policy};

/// One incident that an alert joins: the route that matched and the group within it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Join {
    pub policy: Arc<Policy>,
    /// Identity of (route, group values).
    pub group: Fingerprint,
    /// The same identity under the route's earlier names (`was`): open incidents are found by these too.
    pub was: Vec<Fingerprint>,
    /// Names and values of `group_by`; empty where each alert is an incident of its own.
    pub values: Vec<(String, String)>,
}

/// Where an alert goes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Decision {
    /// The incidents it joins, in the order in which routes matched.
    pub joins: Vec<Join>,
    /// The route that drops it and its words, if one does.
    pub dropped: Option<(Arc<str>, String)>,
}
