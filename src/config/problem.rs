//! What is wrong with a configuration file, each problem at its line.

use std::ops::Range;

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Group, Level as Mark, Origin, Renderer, Snippet};
use serde_json::{Value, json};

/// A range of bytes of the file.
pub type Span = Range<usize>;

/// How bad a problem is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// The file is refused.
    Error,
    /// The file is used, but probably not what was meant.
    Warning,
}

impl Level {
    /// The word for people and machines.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
        }
    }
}

/// The stable word of a problem; `docs/errors.md` says what to do about each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Word {
    Syntax,
    UnknownKey,
    MissingKey,
    WrongType,
    InvalidValue,
    UnknownName,
    DuplicateName,
    Cycle,
    Limit,
    NoAuth,
    WeakAuth,
    NoReceiver,
    UnsetVariable,
    LiteralSecret,
    UnreachableRoute,
    UnusedReceiver,
    ToldTwice,
    TestFailed,
}

impl Word {
    /// Every word, in the order of the documentation.
    pub const ALL: [Self; 18] = [
        Self::Syntax,
        Self::UnknownKey,
        Self::MissingKey,
        Self::WrongType,
        Self::InvalidValue,
        Self::UnknownName,
        Self::DuplicateName,
        Self::Cycle,
        Self::Limit,
        Self::NoAuth,
        Self::WeakAuth,
        Self::NoReceiver,
        Self::UnsetVariable,
        Self::LiteralSecret,
        Self::UnreachableRoute,
        Self::UnusedReceiver,
        Self::ToldTwice,
        Self::TestFailed,
    ];

    /// The word as printed.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Syntax => "syntax",
            Self::UnknownKey => "unknown_key",
            Self::MissingKey => "missing_key",
            Self::WrongType => "wrong_type",
            Self::InvalidValue => "invalid_value",
            Self::UnknownName => "unknown_name",
            Self::DuplicateName => "duplicate_name",
            Self::Cycle => "cycle",
            Self::Limit => "limit",
            Self::NoAuth => "no_auth",
            Self::WeakAuth => "weak_auth",
            Self::NoReceiver => "no_receiver",
            Self::UnsetVariable => "unset_variable",
            Self::LiteralSecret => "literal_secret",
            Self::UnreachableRoute => "unreachable_route",
            Self::UnusedReceiver => "unused_receiver",
            Self::ToldTwice => "told_twice",
            Self::TestFailed => "test_failed",
        }
    }
}

/// One problem.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    pub level: Level,
    pub word: Word,
    /// A lower-case fragment.
    pub message: String,
    pub span: Span,
    /// What to do about it.
    pub hint: Option<String>,
    /// Another place that belongs to it, such as the first of two equal names.
    pub also: Option<(Span, String)>,
}

impl Problem {
    /// An error at `span`.
    pub fn error(word: Word, span: Span, message: impl Into<String>) -> Self {
        let message = message.into();
        Self { level: Level::Error, word, message, span, hint: None, also: None }
    }

    /// A warning at `span`.
    pub fn warning(word: Word, span: Span, message: impl Into<String>) -> Self {
        Self { level: Level::Warning, ..Self::error(word, span, message) }
    }

    /// With advice.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// With advice, if there is any.
    #[must_use]
    pub fn maybe_hint(mut self, hint: Option<String>) -> Self {
        self.hint = self.hint.or(hint);
        self
    }

    /// With another place and what it is.
    #[must_use]
    pub fn also(mut self, span: Span, what: impl Into<String>) -> Self {
        self.also = Some((span, what.into()));
        self
    }
}

/// All problems of one file, in the order of the file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// The file's name as given.
    file: String,
    text: String,
    /// Where secrets stand: their lines are never shown.
    hidden: Vec<Span>,
    problems: Vec<Problem>,
}

impl Report {
    pub(super) fn new(
        file: &str,
        text: &str,
        hidden: Vec<Span>,
        mut problems: Vec<Problem>,
    ) -> Self {
        problems.sort_by_key(|problem| (problem.span.start, problem.level));
        problems.dedup();
        Self { file: file.to_owned(), text: text.to_owned(), hidden, problems }
    }

    /// The report with more problems of the same file.
    pub(super) fn with(&self, more: Vec<Problem>) -> Self {
        let problems = self.problems.iter().cloned().chain(more).collect();
        Self::new(&self.file, &self.text, self.hidden.clone(), problems)
    }

    /// All problems.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// Whether there is nothing to say.
    pub fn is_empty(&self) -> bool {
        self.problems.is_empty()
    }

    /// How many problems refuse the file.
    pub fn errors(&self) -> usize {
        self.problems.iter().filter(|problem| problem.level == Level::Error).count()
    }

    /// How many problems do not.
    pub fn warnings(&self) -> usize {
        self.problems.len() - self.errors()
    }

    /// Line and column (in characters) of a byte offset, both from 1.
    pub fn place(&self, at: usize) -> (usize, usize) {
        place(&self.text, at)
    }

    /// The problems as people read them, with `file:line:column`, the source line and a hint each.
    pub fn render(&self, colored: bool) -> String {
        let renderer = if colored { Renderer::styled() } else { Renderer::plain() };
        let renderer = renderer.decor_style(DecorStyle::Ascii);
        let mut out = String::new();
        for problem in &self.problems {
            out.push_str(&renderer.render(&[self.group(problem)]));
            out.push_str("\n\n");
        }
        out
    }

    fn group<'a>(&'a self, problem: &'a Problem) -> Group<'a> {
        let mark = match problem.level {
            Level::Error => Mark::ERROR,
            Level::Warning => Mark::WARNING,
        };
        let title = mark.primary_title(&*problem.message).id(problem.word.as_str());
        let mut group = if self.shows_secret(problem) {
            let mut group = Group::with_title(title).element(self.origin(&problem.span));
            if let Some((span, what)) = &problem.also {
                let (line, column) = self.place(span.start);
                group = group.element(Mark::NOTE.message(format!("{what} at {line}:{column}")));
            }
            group
        } else {
            let also = problem.also.iter().map(|(span, what)| {
                AnnotationKind::Context.span(span.clone()).label(what.as_str())
            });
            let snippet = Snippet::source(&*self.text)
                .path(&*self.file)
                .annotation(AnnotationKind::Primary.span(problem.span.clone()))
                .annotations(also);
            Group::with_title(title).element(snippet)
        };
        if let Some(hint) = &problem.hint {
            group = group.element(Mark::HELP.message(&**hint));
        }
        group
    }

    fn origin(&self, span: &Span) -> Origin<'_> {
        let (line, column) = self.place(span.start);
        Origin::path(&*self.file).line(line).char_column(column)
    }

    /// Whether a line between the first and the last that would be shown holds a secret.
    fn shows_secret(&self, problem: &Problem) -> bool {
        let spans = std::iter::once(&problem.span).chain(problem.also.iter().map(|(span, _)| span));
        let (mut first, mut last) = (usize::MAX, 0);
        for span in spans {
            first = first.min(span.start);
            last = last.max(span.end);
        }
        let (first, last) = (first.min(self.text.len()), last.min(self.text.len()));
        let start = self.text.as_bytes()[..first].iter().rposition(|b| *b == b'\n');
        let end = self.text.as_bytes()[last..].iter().position(|b| *b == b'\n');
        let start = start.map_or(0, |at| at + 1);
        let end = end.map_or(self.text.len(), |at| last + at);
        self.hidden.iter().any(|secret| secret.start < end && start < secret.end)
    }

    /// The problems for machines: `file`, `line`, `column`, `level`, `word`, `message`, `hint`.
    pub fn to_json(&self) -> Value {
        let problem = |problem: &Problem| {
            let (line, column) = self.place(problem.span.start);
            json!({
                "file": self.file, "line": line, "column": column, "level": problem.level.as_str(),
                "word": problem.word.as_str(), "message": problem.message, "hint": problem.hint,
            })
        };
        Value::Array(self.problems.iter().map(problem).collect())
    }
}

/// Line and column (in characters) of a byte offset, both from 1.
pub(super) fn place(text: &str, at: usize) -> (usize, usize) {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    let before = &text[..at];
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or("").chars().count() + 1;
    (line, column)
}
