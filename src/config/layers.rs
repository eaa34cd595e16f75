//! The layers of settings: where each value comes from, and what is wrong with it there.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use config::{Config, File, FileFormat};
use ipnet::IpNet;

use super::document::{self, Node, Table, Value};
use super::problem::{Problem, Report, Word};
use super::settings::{DEFAULTS, Error, Layers, PREFIX};
use super::{suggest, values};
use crate::secret::Secret;

/// Which layer a value comes from.
enum Origin<'d> {
    Default,
    File(&'d Node),
    Variable(String),
    Flag,
}

/// Reads typed values out of the combined layers and collects problems.
pub(super) struct Checker<'a> {
    layers: &'a Layers<'a>,
    path: PathBuf,
    text: String,
    document: Table,
    defaults: Table,
    /// Section and key of every setting.
    keys: Vec<(String, String)>,
    config: Config,
    problems: Vec<Problem>,
    others: Vec<String>,
}

impl<'a> Checker<'a> {
    pub(super) fn new(
        layers: &'a Layers<'a>,
        path: &Path,
        text: &str,
        document: Table,
    ) -> Result<Self, Error> {
        let (defaults, _) = document::parse(DEFAULTS);
        let config = Config::builder().build().map_err(|source| Error::Combine { source })?;
        let keys = leaves(&defaults).map(|(section, key, _)| (section.to_owned(), key.to_owned()));
        let keys = keys.collect();
        Ok(Self {
            layers,
            path: path.to_owned(),
            text: text.to_owned(),
            document,
            defaults,
            keys,
            config,
            problems: Vec::new(),
            others: Vec::new(),
        })
    }

    pub(super) fn is_fine(&self) -> bool {
        self.problems.is_empty() && self.others.is_empty()
    }

    pub(super) fn into_error(self) -> Error {
        // Any value may be the token where a key is misspelled; a line of settings says little that its place does not.
        let mut hidden = Vec::new();
        let plain = |section: &str, key: &str| {
            key != "api_token" && self.keys.iter().any(|(s, k)| s == section && k == key)
        };
        for entry in &self.document.entries {
            if let Value::Table(table) = &entry.node.value {
                let secret = table.entries.iter().filter(|inner| !plain(&entry.key, &inner.key));
                secret.for_each(|inner| inner.node.leaves(&mut hidden));
            } else {
                entry.node.leaves(&mut hidden);
            }
        }
        if self.problems.iter().any(|problem| problem.word == Word::Syntax) {
            hidden = std::iter::once(0..self.text.len()).collect();
        }
        let file = self.path.display().to_string();
        let report = Report::new(&file, &self.text, hidden, self.problems);
        Error::Invalid { report, others: self.others }
    }

    /// Refuses a file with syntax errors.
    pub(super) fn refuse(mut self, syntax: Vec<Problem>) -> Error {
        self.problems = syntax;
        self.into_error()
    }

    /// Whether somebody set this key.
    pub(super) fn is_chosen(&self, section: &str, key: &str) -> bool {
        !matches!(self.origin(section, key), Origin::Default)
    }

    /// Puts the layers together and reports keys that nobody knows.
    pub(super) fn combine(&mut self) -> Result<(), Error> {
        self.unknown_keys();
        let variables: HashMap<String, String> = self
            .layers
            .variables
            .iter()
            .filter(|(name, _)| name.starts_with(PREFIX))
            .cloned()
            .collect();
        let environment = config::Environment::with_prefix(PREFIX.trim_end_matches('_'))
            .prefix_separator("__")
            .separator("__")
            .source(Some(variables));
        // A section that is no table would hide all its defaults; it is reported already.
        let misshapen = self.problems.iter().any(|problem| problem.word == Word::WrongType);
        let file = if misshapen { "" } else { &self.text };
        let mut builder = Config::builder()
            .add_source(File::from_str(DEFAULTS, FileFormat::Toml))
            .add_source(File::from_str(file, FileFormat::Toml))
            .add_source(environment);
        let combine = |source| Error::Combine { source };
        for (key, value) in self.layers.flags {
            builder = builder.set_override(key, value.as_str()).map_err(combine)?;
        }
        self.config = builder.build().map_err(combine)?;
        Ok(())
    }

    fn unknown_keys(&mut self) {
        let mut problems = Vec::new();
        for entry in &self.document.entries {
            let section = self.defaults.get(&entry.key);
            let (Some(section), Value::Table(table)) = (section, &entry.node.value) else {
                let known = self.defaults.entries.iter().map(|entry| entry.key.as_str());
                let (name, span) = (&entry.key, entry.key_span.clone());
                problems.push(if section.is_some() {
                    let message = format!("`{name}` is a section: write [{name}]");
                    Problem::error(Word::WrongType, span, message)
                } else {
                    let hint = suggest::hint(name, known, "sections");
                    let message = format!("there is no section `{name}`");
                    Problem::error(Word::UnknownKey, span, message).maybe_hint(hint)
                });
                continue;
            };
            let Value::Table(known) = &section.node.value else { continue };
            for inner in table.entries.iter().filter(|inner| known.get(&inner.key).is_none()) {
                let message = format!("unknown key `{}` in [{}]", inner.key, entry.key);
                let names = known.entries.iter().map(|entry| entry.key.as_str());
                let problem = Problem::error(Word::UnknownKey, inner.key_span.clone(), message);
                problems.push(problem.maybe_hint(suggest::hint(&inner.key, names, "keys")));
            }
        }
        let variables: Vec<String> =
            self.keys.iter().map(|(section, key)| variable(section, key)).collect();
        for (name, _) in self.layers.variables.iter().filter(|(name, _)| name.starts_with(PREFIX)) {
            if !variables.contains(&name.to_uppercase()) {
                let known = variables.iter().map(String::as_str);
                let hint = suggest::hint(name, known, "variables").unwrap_or_default();
                self.others.push(format!("variable {name} names no setting; {hint}"));
            }
        }
        self.problems.extend(problems);
    }

    fn origin(&self, section: &str, key: &str) -> Origin<'_> {
        let dotted = format!("{section}.{key}");
        if self.layers.flags.iter().any(|(flag, _)| *flag == dotted) {
            return Origin::Flag;
        }
        let variable = variable(section, key);
        if self.layers.variables.iter().any(|(name, _)| name.to_uppercase() == variable) {
            return Origin::Variable(variable);
        }
        match self.document.get(section).map(|entry| &entry.node.value) {
            Some(Value::Table(table)) => {
                table.get(key).map_or(Origin::Default, |entry| Origin::File(&entry.node))
            }
            _ => Origin::Default,
        }
    }

    pub(super) fn wrong<T>(&mut self, section: &str, key: &str, message: &str) -> Option<T> {
        let message = format!("{section}.{key}: {message}");
        match self.origin(section, key) {
            Origin::File(node) => {
                let problem = Problem::error(Word::InvalidValue, node.span.clone(), message);
                self.problems.push(problem);
            }
            Origin::Variable(name) => self.others.push(format!("variable {name}: {message}")),
            Origin::Flag => self.others.push(format!("flag: {message}")),
            Origin::Default => self.others.push(format!("built-in default: {message}")),
        }
        None
    }

    pub(super) fn text(&mut self, section: &str, key: &str) -> Option<String> {
        match self.config.get_string(&format!("{section}.{key}")) {
            Ok(text) => Some(text),
            Err(_) => self.wrong(section, key, "expected a string"),
        }
    }

    /// A text that means "not set" when it is empty.
    pub(super) fn optional(&mut self, section: &str, key: &str) -> Option<String> {
        self.text(section, key).filter(|text| !text.trim().is_empty())
    }

    pub(super) fn integer(
        &mut self,
        section: &str,
        key: &str,
        least: u64,
        most: u64,
    ) -> Option<u64> {
        let number = self.config.get_int(&format!("{section}.{key}"));
        match number.ok().and_then(|number| u64::try_from(number).ok()) {
            Some(number) if (least..=most).contains(&number) => Some(number),
            _ => self.wrong(section, key, &format!("expected a number from {least} to {most}")),
        }
    }

    pub(super) fn count(
        &mut self,
        section: &str,
        key: &str,
        least: u64,
        most: u64,
    ) -> Option<usize> {
        self.integer(section, key, least, most).and_then(|number| usize::try_from(number).ok())
    }

    pub(super) fn boolean(&mut self, section: &str, key: &str) -> Option<bool> {
        match self.config.get_bool(&format!("{section}.{key}")) {
            Ok(value) => Some(value),
            Err(_) => self.wrong(section, key, "expected true or false"),
        }
    }

    pub(super) fn duration(&mut self, section: &str, key: &str) -> Option<Duration> {
        let text = self.text(section, key)?;
        match values::duration(&text) {
            Ok(duration) if duration.is_zero() => self.wrong(section, key, "cannot be zero"),
            Ok(duration) => Some(duration),
            Err(message) => self.wrong(section, key, &message),
        }
    }

    pub(super) fn path(&mut self, section: &str, key: &str) -> Option<PathBuf> {
        let text = self.text(section, key)?;
        if text.is_empty() {
            return self.wrong(section, key, "cannot be empty");
        }
        Some(text.into())
    }

    /// A list, or in a variable or flag a text with commas.
    pub(super) fn networks(&mut self, section: &str, key: &str) -> Option<Vec<IpNet>> {
        let dotted = format!("{section}.{key}");
        let texts: Vec<String> = match self.config.get_array(&dotted) {
            Ok(values) => values.into_iter().filter_map(|v| v.into_string().ok()).collect(),
            Err(_) => self.text(section, key)?.split(',').map(|t| t.trim().to_owned()).collect(),
        };
        let mut networks = Vec::new();
        for text in texts.iter().filter(|text| !text.is_empty()) {
            let parsed = text
                .parse::<IpNet>()
                .or_else(|_| text.parse::<std::net::IpAddr>().map(IpNet::from));
            let Ok(network) = parsed else {
                let message = format!("`{text}` is neither a network nor an address");
                return self.wrong(section, key, &message);
            };
            networks.push(network);
        }
        Some(networks)
    }

    pub(super) fn secret(&mut self, section: &str, key: &str) -> Option<Secret> {
        let raw = self.optional(section, key)?;
        // Only the file is text that people write; elsewhere a dollar is a dollar.
        let literal = !matches!(self.origin(section, key), Origin::File(_));
        let raw = if literal { raw.replace('$', "$$") } else { raw };
        let directory = self.path.parent().unwrap_or(Path::new("")).to_owned();
        match values::expand(&raw, &directory, &self.layers.environment) {
            Ok(expanded) if expanded.missing.is_empty() && !expanded.text.is_empty() => {
                Some(Secret::new(expanded.text))
            }
            Ok(expanded) if expanded.text.is_empty() => self.wrong(section, key, "is empty"),
            Ok(expanded) => self.wrong(section, key, &expanded.missing.join(", ")),
            Err(message) => self.wrong(section, key, &message),
        }
    }
}

/// Sections, keys and values.
fn leaves(table: &Table) -> impl Iterator<Item = (&str, &str, &Node)> {
    table.entries.iter().flat_map(|section| {
        let keys: &[_] = match &section.node.value {
            Value::Table(keys) => &keys.entries,
            _ => &[],
        };
        keys.iter().map(|entry| (section.key.as_str(), entry.key.as_str(), &entry.node))
    })
}

fn variable(section: &str, key: &str) -> String {
    format!("{PREFIX}{}__{}", section.to_uppercase(), key.to_uppercase())
}
