//! Every maximum, with its reason. Units stand last in the names.

/// Largest request body as received. Azure sends up to 256 KB, SNS 256 KB, Alertmanager groups may be larger.
pub const BODY_BYTES_MAX: usize = 4 << 20;
/// Largest request body after inflating: bounds what a small gzip bomb can cost.
pub const INFLATED_BYTES_MAX: usize = 16 << 20;
/// Deepest nesting of a payload; `serde_json` stops at 128 by itself, XML trees are bounded by this too.
pub const PAYLOAD_DEPTH_MAX: usize = 64;
/// Alerts of one payload. More is answered as too large.
pub const ALERTS_PER_PAYLOAD_MAX: usize = 10_000;
/// Largest answer to a handshake in bytes: challenges and `TwiML` are short.
pub const ANSWER_BYTES_MAX: usize = 4 << 10;
/// Alerts of one commit; larger payloads are split and answered after the last part.
pub const ALERTS_PER_COMMIT_MAX: usize = 1_000;
/// Longest alert key; longer identities are hashed.
pub const KEY_BYTES_MAX: usize = 256;
/// Longest title of an alert.
pub const TITLE_CHARS_MAX: usize = 512;
/// Longest description of an alert.
pub const TEXT_CHARS_MAX: usize = 4_096;
/// Most labels of an alert; the rest is counted in the annotation `labels_dropped`.
pub const LABELS_MAX: usize = 300;
/// Longest name of a label or annotation.
pub const LABEL_NAME_CHARS_MAX: usize = 128;
/// Longest value of a label or annotation.
pub const LABEL_VALUE_CHARS_MAX: usize = 1_024;
/// Longest resource, service, environment or rule name of an alert.
pub const FIELD_CHARS_MAX: usize = 256;
/// Bytes of one alert's texts together: leaves room in [`RECORD_BYTES_MAX`] for what the record adds.
pub const ALERT_BYTES_MAX: usize = 14 << 10;
/// Images of an alert; chat media show a few at most.
pub const IMAGES_MAX: usize = 4;
/// Values in one payload (scalars, arrays and objects): bounds the memory of its tree to about 100 MB.
pub const PAYLOAD_VALUES_MAX: usize = 1_000_000;
/// Most links of an alert.
pub const LINKS_MAX: usize = 16;
/// Longest URL that is kept as a link.
pub const LINK_BYTES_MAX: usize = 2_048;
/// Largest encoded body record; sled keeps values of this size out of its unsynced blob files.
pub const RECORD_BYTES_MAX: usize = 16 << 10;
/// Members of an incident shown in one notification; the rest is counted.
pub const MEMBERS_SHOWN_MAX: usize = 100;
/// Recent reasons kept in the head of an incident.
pub const REASONS_KEPT_MAX: usize = 12;
/// Receivers of one incident.
pub const RECEIVERS_PER_INCIDENT_MAX: usize = 32;
/// How much of a receiver's answer is read.
pub const RESPONSE_BYTES_MAX: usize = 64 << 10;
/// Largest rendered notification before the medium's own limit.
pub const RENDERED_BYTES_MAX: usize = 512 << 10;
/// Last sent body that an attempt keeps, after compression.
pub const ATTEMPT_BODY_BYTES_MAX: usize = 4 << 10;
/// Longest pause that a receiver's answer may ask for, in seconds: longer ones are asked again.
pub const PAUSE_SECONDS_MAX: u64 = 3_600;
/// Longest time for one request with its answer, in seconds: an attempt (two requests at most) must end before the store
/// takes it as lost.
pub const TIMEOUT_SECONDS_MAX: u64 = 120;
/// Headers of a receiver's answer that are kept.
pub const RESPONSE_HEADERS_MAX: usize = 64;
/// Longest kept header value of a receiver's answer.
pub const RESPONSE_HEADER_BYTES_MAX: usize = 4 << 10;
/// Longest error text kept of an attempt.
pub const ERROR_CHARS_MAX: usize = 500;
/// Deliveries of one lane between claim and settle, however fast its receiver is: what a crash may leave unsettled.
pub const LANE_UNITS_MAX: usize = 128;
/// Operations waiting for the committer; at the limit the caller gets 503.
pub const COMMIT_QUEUE_MAX: usize = 4_096;
/// Operations of one commit batch.
pub const COMMIT_BATCH_MAX: usize = 256;
/// Bytes of request bodies held at once, received and inflated: bounds the memory of a flood; at the limit 503.
pub const BODIES_IN_FLIGHT_BYTES_MAX: usize = 64 << 20;
/// Incident numbers and refused alerts listed in one answer; the rest is counted.
pub const ANSWER_LIST_MAX: usize = 100;
/// Longest `x-request-id` taken over from a sender.
pub const REQUEST_ID_CHARS_MAX: usize = 64;
/// Longest name of a sender that is given back in the handshake of `CloudEvents`: the longest domain name.
pub const ORIGIN_BYTES_MAX: usize = 253;
/// Records in one answer of the API.
pub const API_PAGE_MAX: usize = 1_000;
/// Log lines about refused requests, per second: a flood of them must not become a flood of logs.
pub const REFUSALS_LOGGED_PER_SECOND: u32 = 10;
/// How far in the future a sender's time may lie before it is clamped, in seconds.
pub const FUTURE_SKEW_SECONDS_MAX: u64 = 300;
/// How long a message id is remembered, in seconds.
pub const MESSAGE_ID_SECONDS: u64 = 24 * 3600;
/// Message ids remembered per member.
pub const MESSAGE_IDS_MAX: usize = 4;
/// Live secrets of a source: the one in use and the one that replaces it.
pub const LIVE_SECRETS_MAX: usize = 2;
/// Signatures of one header that are tried; senders that rotate send two.
pub const SIGNATURES_PER_REQUEST_MAX: usize = 8;
/// Entries of `X-Forwarded-For` that are walked; longer chains are forged.
pub const FORWARDED_HOPS_MAX: usize = 32;
/// Widest tolerance for the time in a signature, in seconds: a wider one stops no replay.
pub const SIGNATURE_TOLERANCE_SECONDS_MAX: u64 = 3600;
/// SNS signing certificates kept; a region uses one or two at a time.
pub const CERTIFICATES_CACHED_MAX: usize = 32;
/// Certificates of one file that are read: SNS's and its issuers.
pub const CERTIFICATE_CHAIN_MAX: usize = 5;
/// How much of an answer is read as a signing certificate; they are about 2 KB.
pub const CERTIFICATE_BYTES_MAX: usize = 64 << 10;
/// Signing certificates fetched at the same time, however many messages wait.
pub const CERTIFICATE_FETCHES_MAX: usize = 2;
/// Longest fetch of a certificate or visit of a subscription, in seconds; SNS waits 15 s for our answer.
pub const CERTIFICATE_FETCH_SECONDS_MAX: u64 = 5;
/// Deliveries of one source that are remembered to tell a replay, about 150 bytes each; older ones are told by the message ids
/// of their alerts.
pub const REPLAYS_REMEMBERED_MAX: usize = 10_000;
/// Longest access token that is read; Entra ID's are about 2 KB.
pub const ACCESS_TOKEN_BYTES_MAX: usize = 16 << 10;
/// How far our clock and Microsoft's may differ when the times of a token are judged, in seconds.
pub const JWT_LEEWAY_SECONDS: u64 = 300;
/// How much of an answer is read as a tenant's signing keys; they are about 20 KB.
pub const SIGNING_KEYS_BYTES_MAX: usize = 256 << 10;
/// Signing keys of one tenant that are read; it has about ten.
pub const SIGNING_KEYS_MAX: usize = 64;
/// Age of signing keys at which new ones are asked for, in seconds: Microsoft advises to look at least once a day.
pub const SIGNING_KEYS_SECONDS: u64 = 12 * 3600;
/// Shortest time between two fetches of a tenant's keys, in seconds: tokens with invented keys must not make us hammer.
pub const SIGNING_KEYS_PAUSE_SECONDS: u64 = 60;
/// Largest file of the listener's TLS: a bundle of all public roots has 300 KB.
pub const TLS_FILE_BYTES_MAX: u64 = 1 << 20;
/// Handshakes that one worker has open at the same time; more wait to be accepted, so that they do not starve requests.
pub const TLS_HANDSHAKES_MAX: usize = 256;
/// Compiled size of one pattern of a matcher: every firing alert may run it.
pub const PATTERN_BYTES_MAX: usize = 256 << 10;
/// Routes of one file: the checks at load compare siblings pairwise.
pub const ROUTES_MAX: usize = 5_000;
/// Deepest nesting of routes: the walk recurses.
pub const ROUTE_DEPTH_MAX: usize = 16;
/// Longest name of a source, receiver or route: they stand in URLs, metrics and stored records.
pub const NAME_BYTES_MAX: usize = 64;
/// Largest `routes.toml`.
pub const ROUTES_BYTES_MAX: u64 = 4 << 20;
/// Largest file that a `file:` secret names.
pub const SECRET_FILE_BYTES_MAX: u64 = 64 << 10;
/// Receivers that may know of one incident: those of its routes and their fallbacks. Bounds the record of the incident.
pub const TOLD_ROWS_MAX: usize = 64;
/// Longest chain of fallbacks from one receiver.
pub const FALLBACK_DEPTH_MAX: usize = 3;
/// Largest table of a source or receiver kind.
pub const TABLE_BYTES_MAX: u64 = 256 << 10;
/// Tables read from one directory.
pub const TABLES_MAX: usize = 200;
/// Largest template file: a template is a page, not a program.
pub const TEMPLATE_BYTES_MAX: u64 = 64 << 10;
/// Templates read from one directory.
pub const TEMPLATES_MAX: usize = 200;
/// Deepest nesting of loops in a template: three levels of 100 members cost 50 ms, more would cost minutes.
pub const TEMPLATE_EACH_DEPTH_MAX: usize = 3;
/// Deepest nesting of partials, which also bounds how often a partial can multiply itself.
pub const TEMPLATE_PARTIAL_DEPTH_MAX: usize = 5;
/// Longest wait that a receiver can ask for; a longer one would hide news behind one wrong header.
pub const RETRY_AFTER_SECONDS_MAX: u64 = 3_600;
/// How much of a receiver's answer is shown in an error.
pub const ERROR_EXCERPT_CHARS_MAX: usize = 200;
/// Memberships in memory: about 300 B each. At the limit new alerts are refused, known ones still resolve.
pub const MEMBERSHIPS_MAX: usize = 2_000_000;
/// Notices of one alert key that are looked at to tell a redelivery.
pub const NOTICES_REMEMBERED_MAX: usize = 16;
/// Resolves of alerts never seen that are kept to tell what comes late.
pub const TOMBSTONES_MAX: usize = 100_000;
/// How long what ended is remembered to tell what comes late, in seconds.
pub const TOMBSTONE_SECONDS: u64 = 24 * 3600;
/// Incidents that one `wake` looks at; the rest is due at once again.
pub const WAKE_BATCH_MAX: usize = 1_000;
/// Members of one incident that are read to choose those shown, newest first.
pub const MEMBERS_READ_MAX: usize = 4_096;
/// How long a started attempt may take before it counts as lost, in seconds: longer than any sender's timeout.
pub const STARTED_LEASE_SECONDS: u64 = 600;
/// Entries of one history record; keeps it below `RECORD_BYTES_MAX`.
pub const HISTORY_ENTRIES_MAX: usize = 700;
/// History records that one look at a timeline reads.
pub const HISTORY_READ_MAX: usize = 20_000;
/// What a receiver's API gave us to find a notification again; longer is not remembered.
pub const EXTERNAL_BYTES_MAX: usize = 1 << 10;
/// Records that one housekeeping step reads before others get their turn.
pub const UPKEEP_PAGE_MAX: usize = 1_000;
/// Largest event of PagerDuty's Events API ("Events API v2", size limits: 512 KB). It is read before its sender is known.
pub const PAGERDUTY_EVENT_BYTES_MAX: usize = 512 << 10;
/// Requests to the Opsgenie endpoint that can be asked about afterwards; clients ask within seconds. About 1 KB each.
pub const OPSGENIE_REQUESTS_MAX: usize = 4_096;
