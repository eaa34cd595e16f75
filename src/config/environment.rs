//! The world outside the files: variables and secret files. The only place that reads them.

use std::io::Read;
use std::path::Path;

use super::settings::PREFIX;
use crate::limits::SECRET_FILE_BYTES_MAX;

/// Where `${VAR}` and `file:PATH` come from. Tests give closures.
#[derive(Clone, Copy)]
pub struct Environment<'a> {
    /// The value of a variable.
    pub variable: &'a dyn Fn(&str) -> Option<String>,
    /// The text of a file.
    pub file: &'a dyn Fn(&Path) -> std::io::Result<String>,
}

impl Environment<'static> {
    /// The variables and files of this process.
    pub fn process() -> Self {
        Self { variable: &variable, file: &file }
    }

    /// Nothing at all.
    pub fn empty() -> Self {
        Self { variable: &|_| None, file: &|_| Err(std::io::ErrorKind::NotFound.into()) }
    }
}

#[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

fn file(path: &Path) -> std::io::Result<String> {
    let mut text = String::new();
    let file = std::fs::File::open(path)?;
    file.take(SECRET_FILE_BYTES_MAX + 1).read_to_string(&mut text)?;
    if text.len() as u64 > SECRET_FILE_BYTES_MAX {
        return Err(std::io::ErrorKind::FileTooLarge.into());
    }
    Ok(text)
}

/// The variables that are settings, of this process.
pub fn setting_variables() -> Vec<(String, String)> {
    let text = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
        Some((name.into_string().ok()?, value.into_string().ok()?))
    };
    std::env::vars_os().filter_map(text).filter(|(name, _)| name.starts_with(PREFIX)).collect()
}
