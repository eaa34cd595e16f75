//! What is compiled when it is first used: regular expressions and templates are most of the cost of loading a table.
//!
//! A user's table has all of them compiled when it is read, so that `check` finds every mistake. The tables in
//! `sources/` are compiled in tests; a process pays for what its payloads need.

use std::fmt;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

use regex::{Regex, RegexBuilder};

use super::reader::{Problem, problem};

/// Largest compiled regular expression in bytes.
const REGEX_BYTES_MAX: usize = 1 << 20;

/// Something with a source that is compiled late.
pub(super) trait Compiled: Sized {
    /// What to do about an error; may be empty.
    const HINT: &'static str;

    /// Compiles `source`, or says what is wrong with it.
    fn compile(source: &str) -> Result<Self, String>;
}

impl Compiled for Regex {
    const HINT: &'static str = "the syntax is that of the crate regex";

    fn compile(source: &str) -> Result<Self, String> {
        let built = RegexBuilder::new(source).size_limit(REGEX_BYTES_MAX).build();
        built.map_err(|error| error.to_string().replace('\n', " "))
    }
}

impl Compiled for handlebars::Template {
    const HINT: &'static str = "";

    fn compile(source: &str) -> Result<Self, String> {
        let compiled = Self::compile(source);
        compiled.map_err(|error| error.reason().to_string().replace('\n', " "))
    }
}

/// A source and what it compiles to.
pub(super) struct Late<T> {
    source: String,
    compiled: OnceLock<T>,
}

/// A regular expression.
pub(super) type Pattern = Arc<Late<Regex>>;

impl<T: Compiled> Late<T> {
    pub(super) fn new(source: impl Into<String>) -> Arc<Self> {
        Arc::new(Self { source: source.into(), compiled: OnceLock::new() })
    }

    /// The compiled form.
    pub(super) fn get(&self) -> &T {
        self.compiled.get_or_init(|| {
            T::compile(&self.source).expect("checked when the table was read, or in tests")
        })
    }
}

impl<T> fmt::Debug for Late<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.source)
    }
}

/// Whether [`Late::get`] would work.
trait Check {
    fn check(&self) -> Result<(), (String, &'static str)>;
}

impl<T: Compiled> Check for Late<T> {
    fn check(&self) -> Result<(), (String, &'static str)> {
        if self.compiled.get().is_none() {
            let compiled = T::compile(&self.source).map_err(|message| (message, T::HINT))?;
            drop(self.compiled.set(compiled));
        }
        Ok(())
    }
}

/// What is wrong with a table, and what is still to be compiled.
#[derive(Default)]
pub(super) struct Problems {
    found: Vec<Problem>,
    late: Vec<(Range<usize>, Arc<dyn Check>)>,
}

impl Problems {
    pub(super) fn push(&mut self, problem: Problem) {
        self.found.push(problem);
    }

    /// Remembers what stands at `span` for [`Problems::compile`].
    pub(super) fn later<T: Compiled + 'static>(&mut self, span: Range<usize>, late: &Arc<Late<T>>) {
        self.late.push((span, Arc::clone(late) as Arc<dyn Check>));
    }

    /// Compiles everything now.
    pub(super) fn compile(&mut self) {
        for (span, late) in std::mem::take(&mut self.late) {
            if let Err((message, hint)) = late.check() {
                self.push(problem(span, message, hint));
            }
        }
    }

    /// All problems in the order of their places.
    pub(super) fn into_found(mut self) -> Vec<Problem> {
        self.found.sort_by_key(|problem| problem.span.start);
        self.found
    }
}
