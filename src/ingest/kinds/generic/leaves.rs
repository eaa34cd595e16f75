//! The scalars of a payload with what their names and places make of them.

use std::borrow::Cow;
use std::collections::VecDeque;

use serde_json::{Map, Value};

use super::super::read;
use super::names::{self, Rank, Role};
use super::places::{self, Place};
use super::spelling::{ahead, is_placeholder, join, pair, plain, snake};

/// Deepest object that is looked into.
const DEPTH_MAX: usize = 8;
/// Most members of one alert that are looked at; the bound on labels is lower.
const MEMBERS_MAX: usize = 2_000;
/// Most members of the envelope that are looked at.
const OUTER_MEMBERS_MAX: usize = 200;
/// Members of a list that are looked into.
const LIST_ITEMS_MAX: usize = 8;
/// Lines of a text that are read as `name: value`.
const LINES_MAX: usize = 30;

/// How far from the problem itself a place is: by the objects on the way.
const ENVELOPE_COST: u32 = 1;
const SUBJECT_COST: u32 = 2;
const OTHER_COST: u32 = 4;
const ASIDE_COST: u32 = 30;
const FIRST_ITEM_COST: u32 = 1;
const NEXT_ITEM_COST: u32 = 8;
/// From here on a place is about something else: good for labels only.
pub(super) const ASIDE_FROM: u32 = ASIDE_COST;
/// One rank of names weighs as much as this distance.
const RANK_COST: u32 = 3;

/// One scalar.
#[derive(Debug)]
pub(super) struct Leaf<'a> {
    /// Last part of the path, lower case, letters and digits only.
    pub name: String,
    /// The names from the root, in `snake_case`, joined with dots.
    pub path: String,
    /// How far it is from the problem.
    pub cost: u32,
    /// It says what was before the change.
    pub is_past: bool,
    pub value: Cow<'a, Value>,
    /// The value as text, trimmed; never empty.
    pub text: Cow<'a, str>,
    roles: Cow<'static, [Rank]>,
    /// It is no member of its own, only seen as one: a line of a text.
    pub is_line: bool,
}

impl Leaf<'_> {
    /// The name of the object it is in, if it is not the root.
    pub(super) fn parent(&self) -> Option<&str> {
        self.path.rsplit('.').nth(1)
    }

    /// The last part of the path in `snake_case`.
    pub(super) fn last(&self) -> &str {
        self.path.rsplit('.').next().unwrap_or(&self.path)
    }

    /// Whether it is in one of several objects.
    pub(super) fn is_in_list(&self) -> bool {
        self.path.split('.').any(|part| part.bytes().all(|byte| byte.is_ascii_digit()))
    }

    /// Whether it may hold a credential: by its name, or by that of an object around it.
    pub(super) fn is_secret(&self) -> bool {
        self.path.split('.').any(|part| names::is_secret(&plain(part)))
    }

    /// Whether its name may have `role`.
    pub(super) fn has(&self, role: Role) -> bool {
        self.roles.iter().any(|(its, _)| *its == role)
    }

    /// How good it is for `role`; less is better.
    pub(super) fn score(&self, role: Role) -> Option<u32> {
        let (_, rank) = self.roles.iter().find(|(its, _)| *its == role)?;
        Some(u32::from(*rank) * RANK_COST + self.cost)
    }
}

/// All scalars of an object.
#[derive(Debug, Default)]
pub(super) struct Leaves<'a> {
    all: Vec<Leaf<'a>>,
}

impl<'a> Leaves<'a> {
    /// The scalars of `root` at any depth.
    pub(super) fn of(root: &'a Map<String, Value>) -> Self {
        Self::walk(root, DEPTH_MAX, MEMBERS_MAX, &[])
    }

    /// The scalars of the top level alone.
    pub(super) fn of_top(root: &'a Map<String, Value>) -> Self {
        Self::walk(root, 0, MEMBERS_MAX, &[])
    }

    /// The scalars around the list `without`.
    pub(super) fn around(root: &'a Map<String, Value>, without: &'a [Value]) -> Self {
        const DEPTH_MAX: usize = 3;
        Self::walk(root, DEPTH_MAX, OUTER_MEMBERS_MAX, without)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Leaf<'a>> {
        self.all.iter()
    }

    /// The best leaf for `role` that `read` finds something in.
    pub(super) fn best<T>(
        &self,
        role: Role,
        read: impl Fn(&Leaf<'a>) -> Option<T>,
    ) -> Option<(T, &Leaf<'a>)> {
        let mut found: Option<(u32, T, &Leaf<'a>)> = None;
        for leaf in &self.all {
            let Some(score) = leaf.score(role) else { continue };
            if leaf.is_past || found.as_ref().is_some_and(|(best, ..)| *best <= score) {
                continue;
            }
            if let Some(read) = read(leaf) {
                found = Some((score, read, leaf));
            }
        }
        found.map(|(_, read, leaf)| (read, leaf))
    }

    /// The best leaf for `role` near the problem whose text passes `accept`.
    pub(super) fn near(&self, role: Role, accept: impl Fn(&str) -> bool) -> Option<&Leaf<'a>> {
        let read = |leaf: &Leaf<'a>| (leaf.cost < ASIDE_FROM && accept(&leaf.text)).then_some(());
        self.best(role, read).map(|((), leaf)| leaf)
    }

    /// A line made of the first scalars, for payloads without any title.
    pub(super) fn summary(&self) -> Option<String> {
        const SHOWN: usize = 6;
        let shown: Vec<String> = self
            .iter()
            .filter(|leaf| !leaf.is_secret() && !leaf.is_line)
            .take(SHOWN)
            .map(|leaf| format!("{}={}", leaf.path, read::first_line(&leaf.text)))
            .collect();
        (!shown.is_empty()).then(|| shown.join(" "))
    }

    /// Adds the lines `name: value` of a text for people, for what stands nowhere else.
    pub(super) fn add_lines(&mut self, text: &str, cost: u32) {
        for line in text.lines().take(LINES_MAX) {
            let Some((name, value)) = line.split_once(':') else { continue };
            let leaf = line_leaf(name.trim(), value.trim(), cost);
            self.all.extend(leaf.filter(|leaf| !leaf.roles.is_empty()));
        }
    }

    fn walk(
        root: &'a Map<String, Value>,
        depth_max: usize,
        members_max: usize,
        without: &'a [Value],
    ) -> Self {
        let mut leaves = Self::default();
        let mut queue = VecDeque::from([Inside {
            object: root,
            path: String::new(),
            depth: 0,
            cost: 0,
            is_past: false,
        }]);
        let mut budget = members_max;
        while let Some(place) = queue.pop_front() {
            for (name, value) in place.object {
                if budget == 0 {
                    return leaves;
                }
                budget -= 1;
                let name = snake(name);
                match value {
                    Value::Object(inner) if place.depth < depth_max => {
                        queue.push_back(place.member(inner, &name));
                    }
                    Value::Array(items)
                        if !without.is_empty() && std::ptr::eq(items.as_slice(), without) => {}
                    Value::Array(items) if items.iter().any(Value::is_object) => {
                        if place.depth < depth_max {
                            leaves.list(items, &name, &place, &mut queue, &mut budget);
                        }
                    }
                    _ => leaves.push(value, &name, &place, &mut budget),
                }
            }
        }
        leaves
    }

    /// The members of a list of objects; `{name, value}` pairs are members themselves.
    fn list(
        &mut self,
        items: &'a [Value],
        name: &str,
        place: &Inside<'a>,
        queue: &mut VecDeque<Inside<'a>>,
        budget: &mut usize,
    ) {
        // Each pair is a member like any other.
        for (at, item) in items.iter().enumerate() {
            if *budget == 0 {
                return;
            }
            *budget -= 1;
            let Some(object) = item.as_object() else { continue };
            if let Some((key, value)) = pair(object) {
                let inner = place.member(object, name);
                self.push(value, &snake(key), &inner, budget);
            } else if at < LIST_ITEMS_MAX {
                let mut inner = place.member(object, name);
                inner.path = join(&inner.path, &at.to_string());
                inner.cost += if at == 0 { FIRST_ITEM_COST } else { NEXT_ITEM_COST };
                queue.push_back(inner);
            }
        }
    }

    fn push(&mut self, value: &'a Value, name: &str, place: &Inside<'_>, budget: &mut usize) {
        let text = match value {
            Value::String(text) => Cow::Borrowed(ahead(text.trim())),
            Value::Object(_) => return,
            other => Cow::Owned(ahead(&read::text(other)).to_owned()),
        };
        if text.is_empty() {
            return;
        }
        let is_past = place.is_past || names::is_past_member(name);
        if let Value::Array(items) = value
            && self.push_tags(items, name, place, budget)
        {
            return;
        }
        let plain = plain(name);
        let path = join(&place.path, name);
        let roles = if is_placeholder(&text) {
            Cow::Borrowed(&[][..])
        } else {
            roles(&plain, name, &place.path)
        };
        let value = Cow::Borrowed(value);
        self.all.push(Leaf {
            name: plain,
            path,
            cost: place.cost,
            is_past,
            value,
            text,
            roles,
            is_line: false,
        });
    }

    /// `["env:prod", "host:web-1"]`: each tag is a member. Whether all were such tags.
    fn push_tags(
        &mut self,
        items: &'a [Value],
        name: &str,
        place: &Inside<'_>,
        budget: &mut usize,
    ) -> bool {
        const TAGS_MAX: usize = 50;
        let mut all = items.len() <= TAGS_MAX;
        for item in items.iter().take(TAGS_MAX.min(*budget)) {
            *budget -= 1;
            let pair = item.as_str().and_then(|tag| tag.split_once([':', '=']));
            match pair.and_then(|(key, value)| line_leaf(key.trim(), value.trim(), place.cost)) {
                Some(leaf) => {
                    let path = join(&join(&place.path, name), &leaf.path);
                    let cost = place.cost + SUBJECT_COST;
                    self.all.push(Leaf { path, cost, is_line: false, ..leaf });
                }
                None => all = false,
            }
        }
        all
    }
}

/// One object on the way.
struct Inside<'a> {
    object: &'a Map<String, Value>,
    path: String,
    depth: usize,
    cost: u32,
    is_past: bool,
}

impl<'a> Inside<'a> {
    fn member(&self, object: &'a Map<String, Value>, name: &str) -> Self {
        let step = match Place::of(name) {
            // Whatever the only member is called, it is what the payload is about.
            _ if self.object.len() == 1 => ENVELOPE_COST,
            Place::Aside => ASIDE_COST,
            Place::Envelope | Place::Problem => ENVELOPE_COST,
            Place::Subject => SUBJECT_COST,
            Place::Other => OTHER_COST,
        };
        Self {
            object,
            path: join(&self.path, name),
            depth: self.depth + 1,
            cost: self.cost + step,
            is_past: self.is_past || names::is_past(name),
        }
    }
}

/// The roles by the name itself, and by the object for which the member speaks: `host.name`.
fn roles(plain: &str, snake: &str, parents: &str) -> Cow<'static, [Rank]> {
    let known = names::roles(plain, snake);
    let Some(speaks) = names::speaks(plain) else { return known };
    // The nearest object with a name of its own, past lists and wrappers.
    let parent = parents.rsplit('.').find(|part| {
        Place::of(part) != Place::Envelope && part.bytes().any(|byte| !byte.is_ascii_digit())
    });
    let Some(parent) = parent else { return known };
    let mut roles = known.into_owned();
    if plain == "url" && places::is_watched(parent) {
        roles.push((Role::Resource, 2));
    }
    let of_parent = names::roles(&self::plain(parent), parent);
    let parent_is = |role: Role| of_parent.iter().any(|(its, _)| *its == role);
    // The name of a host or a person is no name of a rule.
    let is_problem = Place::of(parent) == Place::Problem;
    let is_listed = parents.ends_with(|c: char| c.is_ascii_digit());
    let places =
        [Role::Resource, Role::Service, Role::Env, Role::Severity, Role::Priority, Role::Status];
    let is_of_place = places.into_iter().any(parent_is);
    if is_listed || (is_of_place && !parent_is(Role::Subject)) {
        roles.retain(|(role, _)| *role != Role::Subject);
    }
    if speaks == 3 && (is_problem || places::is_rule(parent)) {
        roles.push((Role::Id, if is_problem { 0 } else { 2 }));
    }
    for (role, rank) in of_parent.iter().copied() {
        let carries = match role {
            Role::Resource | Role::Service | Role::Env => true,
            Role::Subject => speaks == 0,
            Role::Severity | Role::Priority | Role::Status => speaks <= 1,
            _ => false,
        };
        if carries && !roles.iter().any(|(its, _)| *its == role) {
            roles.push((role, rank + speaks));
        }
    }
    if speaks == 0 && matches!(parent, "incident" | "problem" | "issue") {
        roles.push((Role::Title, 1));
    }
    Cow::Owned(roles)
}

fn line_leaf(name: &str, value: &str, cost: u32) -> Option<Leaf<'static>> {
    const NAME_BYTES_MAX: usize = 40;
    const NAME_WORDS_MAX: usize = 3;
    let is_name = name.starts_with(|c: char| c.is_alphabetic())
        && name.len() <= NAME_BYTES_MAX
        && name.split_whitespace().count() <= NAME_WORDS_MAX;
    if !is_name || value.is_empty() || value.starts_with("//") {
        return None;
    }
    let snake = snake(name);
    let plain = plain(&snake);
    let roles = names::roles(&plain, &snake);
    Some(Leaf {
        name: plain,
        path: snake,
        cost,
        is_past: false,
        value: Cow::Owned(Value::String(value.to_owned())),
        text: Cow::Owned(value.to_owned()),
        roles,
        is_line: true,
    })
}
