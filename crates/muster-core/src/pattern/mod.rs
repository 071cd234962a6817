//! Name patterns, matched as Python's `re.match` matches them.

mod python;

use fancy_regex::{Regex, RegexBuilder, RegexInput};

pub use python::PatternProblem;

/// A regular expression in Python's syntax that matches at the start of a name (and may leave a rest).
///
/// Python's syntax is read by our own reader and written out in the syntax of `fancy-regex`, so that a
/// construct which both accept and each understands differently (`[a&&b]`, `\Z`, `\<`) keeps Python's meaning.
#[derive(Debug, Clone)]
pub struct Pattern {
    source: String,
    regex: Regex,
    literal_prefix: String,
}

/// A name on which a pattern could not be decided.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the pattern `{pattern}` needs more than {BACKTRACKS_MAX} steps back to decide about the name `{name}`; \
     write it without nested repetition"
)]
pub struct Undecidable {
    /// The pattern as written.
    pub pattern: String,
    /// The name.
    pub name: String,
}

/// How often the matcher may go back and try again on one name before it gives up.
const BACKTRACKS_MAX: usize = 1_000_000;

impl Pattern {
    /// Reads a pattern in Python's syntax.
    pub fn new(source: &str) -> Result<Self, PatternProblem> {
        let translated = python::translate(source)?;
        let regex = RegexBuilder::new(&translated.text)
            .backtrack_limit(BACKTRACKS_MAX)
            .build()
            .map_err(|error| PatternProblem::cannot_be_honoured(&error.to_string()))?;
        Ok(Self { source: source.to_owned(), regex, literal_prefix: translated.literal_prefix })
    }

    /// Returns the pattern as it was written.
    pub fn as_str(&self) -> &str {
        &self.source
    }

    /// Returns the text that every matching name starts with, as far as it can be read off the pattern.
    pub fn literal_prefix(&self) -> &str {
        &self.literal_prefix
    }

    /// Returns whether the pattern matches at the start of the name.
    ///
    /// # Errors
    ///
    /// When the matcher runs into its limit: that is never taken for "does not match", because it would put
    /// the user under another rule.
    pub fn matches(&self, name: &str) -> Result<bool, Undecidable> {
        match self.regex.find_input(RegexInput::new(name).anchored(true)) {
            Ok(found) => Ok(found.is_some()),
            Err(_) => Err(Undecidable { pattern: self.source.clone(), name: name.to_owned() }),
        }
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.source == other.source
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_is_anchored_at_the_start_only() {
        let svc = Pattern::new("svc|bot").unwrap();
        assert!(svc.matches("svc-backup").unwrap());
        assert!(svc.matches("bot1").unwrap());
        assert!(!svc.matches("my-svc").unwrap());
    }

    #[test]
    fn the_literal_prefix_is_what_every_match_starts_with() {
        let prefix = |source| Pattern::new(source).unwrap().literal_prefix().to_owned();
        assert_eq!(prefix("^Headless-(.*)"), "Headless-");
        assert_eq!(prefix("svc-?x"), "svc");
        assert_eq!(prefix("a|b"), "");
        assert_eq!(prefix("(?i)svc"), "");
        assert_eq!(prefix("ab*"), "a");
        assert_eq!(prefix(r"a\.b"), "a.b");
    }

    #[test]
    fn a_catastrophic_pattern_is_an_error_that_names_both() {
        let pattern = Pattern::new(r"(?:(?=a)(?:a|aa))+b").unwrap();
        let name = "a".repeat(60);
        let error = pattern.matches(&name).unwrap_err();
        assert_eq!(error.name, name);
        assert!(error.to_string().contains("(?:a|aa)"), "{error}");
    }

    #[test]
    fn what_cannot_be_honoured_is_said_at_load_time() {
        for (source, word) in [
            ("", "empty"),
            (r"\N{BULLET}", "\\N"),
            ("a(?i)b", "start"),
            ("(?L)a", "(?L)"),
            ("(?<n>a)", "(?P<"),
            ("a**", "repeat"),
            ("^*a", "repeat"),
            (r"\b+a", "repeat"),
            (r"[\w-z]", "range"),
            ("(?i-i:a)", "flags"),
            ("(?-:a)", "flags"),
            ("(?au)a", "flags"),
            ("(a)(?(1)a|b|c)", "two branches"),
            ("(a", "not closed"),
            ("a)", "never opened"),
            ("[a", "not closed"),
            (r"\q", "\\q"),
            (r"\g<1>", "\\g"),
            (r"a{3,2}", "smaller"),
            ("[z-a]", "range"),
            (r"(a)\2", "group 2"),
            ("(?P=n)", "n"),
            (r"(?:\w{1,64}){1,64}", "cannot"),
            (r"x\", "end"),
        ] {
            let problem = Pattern::new(source).unwrap_err().to_string();
            assert!(problem.contains(word), "{source}: {problem}");
        }
        let deep = format!("{}a{}", "(".repeat(5000), ")".repeat(5000));
        assert!(Pattern::new(&deep).unwrap_err().to_string().contains("deep"));
    }
}
