//! The page that the story is printed on: indented, wrapped, 100 columns wide, bold and dim where a terminal shows it.

use std::io::IsTerminal;

use super::show::Shown;
use crate::config::Environment;

/// Columns of a line.
const WIDTH: usize = 100;
/// Where values begin.
const INDENT: usize = 13;

/// Prints the story.
pub(super) struct Page {
    colored: bool,
}

impl Page {
    /// A page on standard output; plain if that is no terminal or `NO_COLOR` is set.
    pub(super) fn new() -> Self {
        let refused = (Environment::process().variable)("NO_COLOR").is_some_and(|v| !v.is_empty());
        Self { colored: std::io::stdout().is_terminal() && !refused }
    }

    fn styled(&self, code: &str, text: &str) -> String {
        if self.colored { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }

    pub(super) fn title(&self, text: &str) {
        super::super::say(&self.styled("1", text));
    }

    /// A chapter begins after an empty line.
    pub(super) fn chapter(&self, text: &str) {
        super::super::say("");
        self.title(text);
    }

    /// A line of talk.
    pub(super) fn talk(&self, text: &str) {
        for line in wrap(text, WIDTH) {
            super::super::say(&self.styled("2", &line));
        }
    }

    /// A line as it is.
    pub(super) fn plain(text: &str) {
        super::super::say(text);
    }

    /// A line beside the main thing.
    pub(super) fn aside(&self, text: &str) {
        super::super::say(&self.styled("2", text));
    }

    /// `name` and what belongs to it, wrapped beside it.
    pub(super) fn field(&self, name: &str, text: &str) {
        let mut name = format!("  {name:<width$}", width = INDENT - 2);
        for line in wrap(text, WIDTH - INDENT) {
            super::super::say(&format!("{}{line}", self.styled("36", &name)));
            name = " ".repeat(INDENT);
        }
    }

    /// A notification below the name of its receiver.
    pub(super) fn notification(&self, shown: &Shown) {
        self.field(&format!("> {}", shown.receiver), &shown.head);
        for line in shown.lines.iter().filter(|line| !line.trim().is_empty()) {
            for part in wrap(line, WIDTH - INDENT - 2) {
                super::super::say(&format!(
                    "{}{} {part}",
                    " ".repeat(INDENT),
                    self.styled("2", "|")
                ));
            }
        }
    }
}

/// `text` in lines of at most `width` characters, broken at spaces. Nothing in it moves the cursor of the terminal.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let line = lines.last_mut().expect("one line was put in above");
        let used = line.chars().count();
        if used > 0 && used + 1 + word.chars().count() > width {
            line.truncate(line.trim_end().len());
            lines.push(word.to_owned());
        } else {
            if used > 0 {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    if let Some(last) = lines.last_mut() {
        last.truncate(last.trim_end().len());
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wraps_at_spaces() {
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
        assert_eq!(wrap("unbreakable\u{1b}x", 4), ["unbreakable", "x"]);
        assert_eq!(wrap("a  b", 9), ["a  b"]);
        assert_eq!(wrap("", 9), [""]);
    }
}
