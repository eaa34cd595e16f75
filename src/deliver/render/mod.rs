//! Templates: compiled and tried out at load, rendered with escapes by the form of the file.
//!
//! `templates/NAME.json.hbs` escapes values for JSON and for the medium's markup, `.txt.hbs` not at all, `.html.hbs` for
//! HTML. The built-in ones are compiled in; a file of the same name in the configuration directory wins. A template
//! that does not compile, or fails with one of the sample incidents, refuses the whole load.

mod context;
mod facts;
mod helpers;
pub mod samples;
mod vet;
pub mod words;

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::io::{self, Write};
use std::path::Path;

use handlebars::{Handlebars, Template};

pub use context::{Context, Detail, Linked, MemberView, Pair};
pub use facts::Facts;

use super::clean::Markup;
use super::fit::LADDER;
use crate::limits::{RENDERED_BYTES_MAX, TEMPLATE_BYTES_MAX, TEMPLATES_MAX};

/// The built-in templates: file name and text.
const BUILTIN: [(&str, &str); 7] = [
    ("slack.json.hbs", include_str!("../../../templates/slack.json.hbs")),
    ("teams.json.hbs", include_str!("../../../templates/teams.json.hbs")),
    ("discord.json.hbs", include_str!("../../../templates/discord.json.hbs")),
    ("ntfy.json.hbs", include_str!("../../../templates/ntfy.json.hbs")),
    ("pagerduty.txt.hbs", include_str!("../../../templates/pagerduty.txt.hbs")),
    ("twilio.txt.hbs", include_str!("../../../templates/twilio.txt.hbs")),
    ("inbox.txt.hbs", include_str!("../../../templates/inbox.txt.hbs")),
];

/// What a template renders to, which decides how values are escaped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Form {
    Json,
    Text,
    Html,
}

impl Form {
    const ALL: [Self; 3] = [Self::Json, Self::Text, Self::Html];

    /// What the file's name ends in.
    pub const fn ending(self) -> &'static str {
        match self {
            Self::Json => ".json.hbs",
            Self::Text => ".txt.hbs",
            Self::Html => ".html.hbs",
        }
    }
}

/// What is wrong with a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The file, as given or `built-in NAME`.
    pub template: String,
    pub line: Option<usize>,
    pub column: Option<usize>,
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.template)?;
        if let (Some(line), Some(column)) = (self.line, self.column) {
            write!(f, ":{line}:{column}")?;
        }
        write!(f, ": {}", self.message)
    }
}

impl std::error::Error for Problem {}

/// All templates of a configuration, ready to render. Immutable: a reload makes a new one.
pub struct Templates {
    json: BTreeMap<u8, Handlebars<'static>>,
    text: Handlebars<'static>,
    html: Handlebars<'static>,
    names: BTreeMap<(Form, String), String>,
}

impl fmt::Debug for Templates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Templates").field("names", &self.names).finish_non_exhaustive()
    }
}

impl Templates {
    /// Compiles the built-in templates and those of `dir`, which win, and renders each with every sample incident.
    pub fn load(dir: Option<&Path>) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        let mut sources = builtin_sources();
        if let Some(dir) = dir {
            read_dir(dir, &mut sources, &mut problems);
        }
        let templates = Self::compile(sources, &mut problems);
        if problems.is_empty() {
            problems = templates.try_out();
        }
        if problems.is_empty() { Ok(templates) } else { Err(problems) }
    }

    /// The built-in templates alone. They are not tried out again: a test does that.
    pub fn builtin() -> Self {
        let mut problems = Vec::new();
        let templates = Self::compile(builtin_sources(), &mut problems);
        debug_assert!(problems.is_empty(), "{problems:?}");
        templates
    }

    fn compile(sources: Sources, problems: &mut Vec<Problem>) -> Self {
        let mut templates = Self {
            json: Markup::ALL
                .into_iter()
                .map(|markup| (markup as u8, json_registry(markup)))
                .collect(),
            text: registry(false, str::to_owned),
            html: registry(false, handlebars::html_escape),
            names: BTreeMap::new(),
        };
        let mut vetted: BTreeMap<Form, BTreeMap<String, vet::Vetted>> = BTreeMap::new();
        for ((form, name), (file, source)) in sources {
            let compiled = Template::compile_with_name(&source, name.clone());
            let template = match compiled.map_err(|error| compile_problem(&file, &error)) {
                Ok(template) => template,
                Err(problem) => {
                    problems.push(problem);
                    continue;
                }
            };
            match vet::vet(&template) {
                Ok(own) => drop(vetted.entry(form).or_default().insert(name.clone(), own)),
                Err(message) => problems.push(Problem {
                    template: file.clone(),
                    line: None,
                    column: None,
                    message,
                }),
            }
            templates.register(form, &name, template);
            templates.names.insert((form, name), file);
        }
        for (form, all) in &vetted {
            for (name, message) in vet::vet_together(all) {
                let template = templates.names.get(&(*form, name.clone())).cloned().unwrap_or(name);
                problems.push(Problem { template, line: None, column: None, message });
            }
        }
        templates
    }

    fn register(&mut self, form: Form, name: &str, template: Template) {
        match form {
            Form::Json => {
                for registry in self.json.values_mut() {
                    registry.register_template(name, template.clone());
                }
            }
            Form::Text => self.text.register_template(name, template),
            Form::Html => self.html.register_template(name, template),
        }
    }

    /// Whether there is a template `name` of this form.
    pub fn has(&self, form: Form, name: &str) -> bool {
        self.names.contains_key(&(form, name.to_owned()))
    }

    /// The forms in which there is a template `name`.
    pub fn forms(&self, name: &str) -> Vec<Form> {
        Form::ALL.into_iter().filter(|form| self.has(*form, name)).collect()
    }

    /// Renders template `name`. A JSON rendering may still be no JSON: [`Self::render_json`] parses it.
    pub fn render(
        &self,
        form: Form,
        markup: Markup,
        name: &str,
        context: &Context,
    ) -> Result<String, Problem> {
        let registry = match form {
            Form::Json => &self.json[&(markup as u8)],
            Form::Text => &self.text,
            Form::Html => &self.html,
        };
        let file =
            || self.names.get(&(form, name.to_owned())).cloned().unwrap_or_else(|| name.to_owned());
        render_in(registry, name, context)
            .map_err(|problem| Problem { template: file(), ..problem })
    }

    /// Renders template `name` and parses the JSON that comes out.
    pub fn render_json(
        &self,
        markup: Markup,
        name: &str,
        context: &Context,
    ) -> Result<serde_json::Value, Problem> {
        let text = self.render(Form::Json, markup, name, context)?;
        serde_json::from_str(&text).map_err(|error| {
            let at = text.lines().nth(error.line().saturating_sub(1)).unwrap_or("");
            let near: String =
                at.chars().skip(error.column().saturating_sub(20)).take(40).collect();
            Problem {
                template: self
                    .names
                    .get(&(Form::Json, name.to_owned()))
                    .cloned()
                    .unwrap_or_default(),
                line: None,
                column: None,
                message: format!("renders to invalid JSON ({error}) near {near:?}"),
            }
        })
    }

    /// Renders every template with every sample, most and least detailed.
    fn try_out(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        for (form, name) in self.names.keys() {
            'template: for sample in samples::all() {
                for detail in [LADDER[0], LADDER[LADDER.len() - 1]] {
                    let context = Context::new(&sample.news(), detail);
                    for markup in
                        if *form == Form::Json { &Markup::ALL[..] } else { &Markup::ALL[..1] }
                    {
                        let tried = match form {
                            Form::Json => self.render_json(*markup, name, &context).map(drop),
                            Form::Text | Form::Html => {
                                self.render(*form, *markup, name, &context).map(drop)
                            }
                        };
                        if let Err(problem) = tried {
                            let message = format!(
                                "{} (with the sample incident {:?})",
                                problem.message, sample.name
                            );
                            problems.push(Problem { message, ..problem });
                            break 'template;
                        }
                    }
                }
            }
        }
        problems
    }
}

/// A registry for short templates of tables: `escape` is applied to every value.
pub(super) fn registry(
    json: bool,
    escape: impl Fn(&str) -> String + Send + Sync + 'static,
) -> Handlebars<'static> {
    let mut registry = Handlebars::new();
    registry.set_strict_mode(true);
    registry.register_escape_fn(escape);
    helpers::register(&mut registry, json);
    registry
}

fn json_registry(markup: Markup) -> Handlebars<'static> {
    registry(true, move |raw| json_escape(&markup.escape(raw)))
}

/// Renders in any registry with bounded output.
pub(super) fn render_in(
    registry: &Handlebars<'_>,
    name: &str,
    context: &Context,
) -> Result<String, Problem> {
    let mut out = Limited(Vec::new());
    match registry.render_to_write(name, context, &mut out) {
        Ok(()) => Ok(String::from_utf8_lossy(&out.0).into_owned()),
        Err(error) => Err(Problem {
            template: name.to_owned(),
            line: error.line_no,
            column: error.column_no,
            message: error.reason().to_string(),
        }),
    }
}

/// Stops at [`RENDERED_BYTES_MAX`].
struct Limited(Vec<u8>);

impl Write for Limited {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len() + bytes.len() > RENDERED_BYTES_MAX {
            return Err(io::Error::other(format!("output exceeds {RENDERED_BYTES_MAX} bytes")));
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// `raw` as the inside of a JSON string.
pub(super) fn json_escape(raw: &str) -> String {
    let quoted = serde_json::Value::from(raw).to_string();
    quoted[1..quoted.len() - 1].to_owned()
}

/// `raw` percent-encoded but for the unreserved characters (RFC 3986 section 2.3).
pub(super) fn uri_escape(raw: &str) -> String {
    let mut out = String::with_capacity(raw.len());
    for byte in raw.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                out.push(char::from(byte));
            }
            byte => {
                let hex = format!("%{byte:02X}");
                out.push_str(&hex);
            }
        }
    }
    out
}

/// Where each template comes from, and its text.
type Sources = BTreeMap<(Form, String), (String, String)>;

fn builtin_sources() -> Sources {
    let source = |(file, text): (&str, &str)| {
        let (form, name) = split(file).expect("built-in templates have known endings");
        ((form, name.to_owned()), (format!("built-in {file}"), text.to_owned()))
    };
    BUILTIN.into_iter().map(source).collect()
}

fn split(file: &str) -> Option<(Form, &str)> {
    Form::ALL.into_iter().find_map(|form| Some((form, file.strip_suffix(form.ending())?)))
}

fn read_dir(dir: &Path, sources: &mut Sources, problems: &mut Vec<Problem>) {
    let mut problem = |path: &Path, message: String| {
        problems.push(Problem {
            template: path.display().to_string(),
            line: None,
            column: None,
            message,
        });
    };
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) => return problem(dir, format!("cannot be read: {error}")),
    };
    for entry in entries.filter_map(Result::ok).take(TEMPLATES_MAX) {
        let path = entry.path();
        let file = entry.file_name().to_string_lossy().into_owned();
        let Some((form, name)) = split(&file) else { continue };
        if fs::metadata(&path).is_ok_and(|meta| meta.len() > TEMPLATE_BYTES_MAX) {
            problem(&path, format!("is larger than {TEMPLATE_BYTES_MAX} bytes"));
            continue;
        }
        match fs::read_to_string(&path) {
            Ok(text) => {
                sources.insert((form, name.to_owned()), (path.display().to_string(), text));
            }
            Err(error) => problem(&path, format!("cannot be read: {error}")),
        }
    }
}

fn compile_problem(file: &str, error: &handlebars::TemplateError) -> Problem {
    let pos = error.pos();
    Problem {
        template: file.to_owned(),
        line: pos.map(|(line, _)| line),
        column: pos.map(|(_, column)| column),
        message: error.reason().to_string(),
    }
}

#[cfg(test)]
mod tests;
