//! Payloads that are no alert: pings and questions that a sender asks before it sends anything.

use serde_json::{Map, Value, json};

use super::super::{Handshake, Normalized};
use super::leaves::{Leaf, Leaves};
use super::names::Role;
use super::states;

/// The answer to a payload that clearly is no alert. What might be one is never chatter.
pub(super) fn of(root: &Map<String, Value>) -> Option<Normalized> {
    let leaves = Leaves::of(root);
    if let Some(challenge) = root.get("challenge").and_then(Value::as_str)
        && is_question(root, &leaves)
    {
        let body = json!({ "challenge": challenge }).to_string();
        return Some(Normalized {
            handshake: Some(Handshake::json(body)),
            ..ignored("a challenge, answered")
        });
    }
    let event = leaves.near(Role::Event, is_handshake)?;
    if says_more(&leaves) {
        return None;
    }
    Some(ignored(&format!("{} {:?} is no alert", event.path, &*event.text)))
}

fn ignored(reason: &str) -> Normalized {
    Normalized { ignored: Some(reason.to_owned()), ..Normalized::default() }
}

/// Few members, none of which says that something is wrong.
fn is_question(root: &Map<String, Value>, leaves: &Leaves<'_>) -> bool {
    const MEMBERS_MAX: usize = 4;
    root.len() <= MEMBERS_MAX && !says_more(leaves)
}

/// The names of events by which senders try an address.
fn is_handshake(text: &str) -> bool {
    const WORDS_MAX: usize = 4;
    const KNOWN: [&str; 6] =
        ["ping", "verification", "handshake", "challenge", "validation", "verify"];
    const BESIDE: [&str; 14] = [
        "webhook",
        "url",
        "endpoint",
        "hook",
        "event",
        "subscription",
        "integration",
        "request",
        "address",
        "ping",
        "verification",
        "validation",
        "connection",
        "test",
    ];
    let words = states::words(text);
    let has = |wanted: &str| words.iter().any(|word| word == wanted);
    let confirms = has("subscription") && (has("confirmation") || has("validation"));
    let known = words.iter().any(|word| KNOWN.contains(&&**word));
    let others = words.iter().all(|word| KNOWN.contains(&&**word) || BESIDE.contains(&&**word));
    confirms || (words.len() <= WORDS_MAX && known && others)
}

/// A severity, a status, a line for people or the thing that it is about: then it is more than a ping, whatever it
/// calls itself.
fn says_more(leaves: &Leaves<'_>) -> bool {
    /// The description of a repository or an account is further away.
    const TEXT_COST_MAX: u32 = 2;
    let is_said = |text: &str| states::judge(text).is_some();
    let is_text =
        |leaf: &Leaf<'_>| (leaf.cost <= TEXT_COST_MAX && leaf.text.contains(' ')).then_some(());
    leaves.near(Role::Severity, super::title::has_letters).is_some()
        || leaves.near(Role::Status, is_said).is_some()
        || leaves.near(Role::Title, super::title::has_letters).is_some()
        || leaves.near(Role::Summary, super::title::has_letters).is_some()
        || leaves.near(Role::Resource, |_| true).is_some()
        || leaves.best(Role::Text, is_text).is_some()
}
