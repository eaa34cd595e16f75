//! Why something happened or did not: the one list that logs, metrics, timelines, `explain` and the API print.

use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! reasons {
    ($($(#[$doc:meta])* $name:ident = $word:literal,)*) => {
        /// The reason of a decision. Stored by position: new reasons go to the end.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub enum Reason { $($(#[$doc])* $name,)* }

        impl Reason {
            /// Every reason, in the order of storage.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// The word that people and machines read.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $word,)* }
            }
        }
    };
}

reasons! {
    /// A new incident.
    Opened = "opened",
    /// A new member of an open incident.
    Joined = "joined",
    /// The member fired before and nothing that matters changed.
    Repeated = "repeated",
    /// The very same message again.
    Duplicate = "duplicate",
    /// Older than what the member already said.
    Stale = "stale",
    /// The member is worse than before.
    SeverityRose = "severity_rose",
    /// The member is better than before but still fires.
    SeverityFell = "severity_fell",
    /// Its text or labels changed, nothing else.
    Updated = "updated",
    /// A member resolved, others still fire.
    PartlyResolved = "partly_resolved",
    /// The last firing member resolved.
    Resolved = "resolved",
    /// The last firing member expired without news.
    Expired = "expired",
    /// A resolved incident fires again within the reopen window.
    Reopened = "reopened",
    /// The member left because its alert is routed elsewhere now.
    Rerouted = "rerouted",
    /// A resolve or acknowledge of something that is not open.
    NothingOpen = "nothing_open",
    /// A person took it.
    Acknowledged = "acknowledged",
    /// A person took one member, others still need one.
    PartlyAcknowledged = "partly_acknowledged",
    /// A rise or reopen cleared the acknowledge.
    AckOutgrown = "ack_outgrown",
    /// A one-off message.
    Notice = "notice",
    /// A route with `drop` matched.
    Dropped = "dropped",
    /// No receiver wants it.
    NoReceiver = "no_receiver",
    /// Resolved by hand, held back until it resolves at the source.
    Dismissed = "dismissed",
    /// The receiver knows all it wants to know.
    UpToDate = "up_to_date",
    /// It was never told that this opened, so it need not hear of the end.
    NeverTold = "never_told",
    /// The receiver does not want this kind of change.
    NotWanted = "not_wanted",
    /// The receiver does not want one-off notices.
    NoticeNotWanted = "notice_not_wanted",
    /// Delivery was given up; new news starts it again.
    GaveUp = "gave_up",
    /// The receiver is gone from the configuration.
    Draining = "draining",
    /// The receiver took it.
    Delivered = "delivered",
    /// The attempt failed and will be made again.
    Retrying = "retrying",
    /// The receiver asked to wait; the lane pauses.
    Waiting = "waiting",
    /// The receiver refused it and would refuse it again.
    Refused = "refused",
    /// A receiver could not be reached, so its fallback is told.
    FellBack = "fell_back",
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
