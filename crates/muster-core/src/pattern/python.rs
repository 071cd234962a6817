//! Reads the regular expression syntax of Python's `re` and writes it in the syntax of `fancy-regex`.
//!
//! Source for the grammar: the documentation of Python's `re` module, as of Python 3.11. Where the two
//! syntaxes give one text two meanings the output spells out Python's. Names in IAM are ASCII without line
//! breaks, so that `$` (which Python also takes before a last line break) and `\\b` are passed on as they are.

mod class;

use std::collections::HashMap;
use std::fmt::Write as _;

/// Why a pattern cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}{}", at(*.offset))]
pub struct PatternProblem {
    message: String,
    offset: Option<usize>,
}

fn at(offset: Option<usize>) -> String {
    offset.map(|o| format!(" (at character {})", o + 1)).unwrap_or_default()
}

impl PatternProblem {
    fn new(message: impl Into<String>, offset: usize) -> Self {
        Self { message: message.into(), offset: Some(offset) }
    }

    /// A pattern that Python accepts and that the matcher here does not.
    pub(super) fn cannot_be_honoured(detail: &str) -> Self {
        let detail = detail.lines().next_back().unwrap_or(detail).trim();
        Self { message: format!("this pattern cannot be honoured here: {detail}"), offset: None }
    }
}

/// A pattern in the other syntax.
#[derive(Debug)]
pub(super) struct Translated {
    pub(super) text: String,
    pub(super) literal_prefix: String,
}

/// Nesting that is still read; Python itself gives up a little later.
const DEPTH_MAX: usize = 90;

pub(super) fn translate(source: &str) -> Result<Translated, PatternProblem> {
    if source.is_empty() {
        return Err(PatternProblem { message: "the pattern is empty".to_owned(), offset: None });
    }
    let mut reader = Reader {
        chars: source.chars().collect(),
        at: 0,
        flags: Flags::default(),
        groups: 0,
        open: Vec::new(),
        names: HashMap::new(),
        out: String::with_capacity(source.len() + 8),
        prefix: Prefix { text: String::new(), ended: false },
    };
    reader.global_flags()?;
    let branches = reader.alternatives(0)?;
    if reader.at < reader.chars.len() {
        return Err(reader.problem("`)` was never opened"));
    }
    let literal_prefix = if branches > 1 { String::new() } else { reader.prefix.text };
    Ok(Translated { text: reader.out, literal_prefix })
}

/// The flags in force: `(?a)`, `(?i)`, `(?m)`, `(?s)`, `(?x)`.
#[derive(Debug, Clone, Copy, Default)]
struct Flags {
    ascii: bool,
    ignore_case: bool,
    multi_line: bool,
    dot_all: bool,
    verbose: bool,
}

/// The literal text that a match must start with, gathered on the way.
struct Prefix {
    text: String,
    ended: bool,
}

struct Reader {
    chars: Vec<char>,
    at: usize,
    flags: Flags,
    groups: usize,
    /// Numbers of the groups that are open where the reader stands.
    open: Vec<usize>,
    names: HashMap<String, usize>,
    out: String,
    prefix: Prefix,
}

/// What was just read, as far as a quantifier after it needs to know.
#[derive(PartialEq, Eq)]
enum Item {
    Nothing,
    Literal(char),
    /// Takes no character, and cannot be repeated.
    Anchor,
    Other,
}

impl Reader {
    fn peek(&self) -> Option<char> {
        self.chars.get(self.at).copied()
    }

    fn take(&mut self, wanted: char) -> bool {
        let found = self.peek() == Some(wanted);
        self.at += usize::from(found);
        found
    }

    fn take_text(&mut self, wanted: &str) -> bool {
        let found = wanted.chars().enumerate().all(|(i, c)| self.chars.get(self.at + i) == Some(&c));
        if found {
            self.at += wanted.chars().count();
        }
        found
    }

    fn problem(&self, message: impl Into<String>) -> PatternProblem {
        PatternProblem::new(message, self.at)
    }

    /// Reads `(?aims…)` at the very start, which Python allows there and nowhere else.
    fn global_flags(&mut self) -> Result<(), PatternProblem> {
        while self
            .chars
            .get(self.at..self.at + 3)
            .is_some_and(|c| c[0] == '(' && c[1] == '?' && is_flag(c[2]))
        {
            let start = self.at;
            self.at += 2;
            let (on, off) = self.flag_letters()?;
            if !off.is_empty() || !self.take(')') {
                self.at = start; // `(?i:…)`, an ordinary group
                return Ok(());
            }
            self.set_flags(&on, true, start)?;
            self.write_flags();
        }
        Ok(())
    }

    fn flag_letters(&mut self) -> Result<(Vec<char>, Vec<char>), PatternProblem> {
        let (mut on, mut off, mut negative) = (Vec::new(), Vec::new(), false);
        while let Some(c) = self.peek() {
            match c {
                '-' if !negative => negative = true,
                c if is_flag(c) => (if negative { &mut off } else { &mut on }).push(c),
                ':' | ')' => {
                    let both =
                        on.iter().any(|flag| off.contains(flag)) || (on.contains(&'a') && on.contains(&'u'));
                    if (negative && off.is_empty()) || both || off.iter().any(|flag| "aLu".contains(*flag)) {
                        return Err(self.problem("these flags do not go together"));
                    }
                    return Ok((on, off));
                }
                c => return Err(self.problem(format!("`{c}` is not a flag"))),
            }
            self.at += 1;
        }
        Err(self.problem("the flags are not closed"))
    }

    fn set_flags(&mut self, letters: &[char], value: bool, at: usize) -> Result<(), PatternProblem> {
        for letter in letters {
            match letter {
                'a' => self.flags.ascii = value,
                'u' => self.flags.ascii = false,
                'i' => self.flags.ignore_case = value,
                'm' => self.flags.multi_line = value,
                's' => self.flags.dot_all = value,
                'x' => self.flags.verbose = value,
                _ => return Err(PatternProblem::new("`(?L)` works on bytes only, and names are text", at)),
            }
        }
        Ok(())
    }

    /// Writes the flags that the other syntax has too; `a` and `x` are resolved here.
    fn write_flags(&mut self) {
        let (on, off) = self.flag_text();
        if !on.is_empty() {
            let _ = write!(self.out, "(?{on})");
        } else if !off.is_empty() && self.out.contains("(?") {
            let _ = write!(self.out, "(?-{off})");
        }
    }

    fn flag_text(&self) -> (String, String) {
        let pairs = [(self.flags.ignore_case, 'i'), (self.flags.multi_line, 'm'), (self.flags.dot_all, 's')];
        let pick = |wanted: bool| pairs.iter().filter(|(on, _)| *on == wanted).map(|(_, c)| *c).collect();
        (pick(true), pick(false))
    }

    /// Reads `a|b|c` up to a closing bracket or the end; returns how many branches there are.
    fn alternatives(&mut self, depth: usize) -> Result<usize, PatternProblem> {
        if depth > DEPTH_MAX {
            return Err(self.problem("the groups are nested too deep"));
        }
        let mut branches = 1;
        loop {
            self.branch(depth)?;
            if !self.take('|') {
                return Ok(branches);
            }
            branches += 1;
            self.prefix.ended = true;
            self.out.push('|');
        }
    }

    fn branch(&mut self, depth: usize) -> Result<(), PatternProblem> {
        let mut repeated = false;
        let mut last = (Item::Nothing, self.out.len());
        while let Some(c) = self.peek() {
            if c == '|' || c == ')' {
                break;
            }
            if self.flags.verbose && (c.is_ascii_whitespace() || c == '\x0b') {
                self.at += 1;
                continue;
            }
            if self.flags.verbose && c == '#' {
                while self.peek().is_some_and(|c| c != '\n') {
                    self.at += 1;
                }
                continue;
            }
            if let Some(quantifier) = self.quantifier()? {
                if matches!(last.0, Item::Nothing | Item::Anchor) {
                    return Err(self.problem("nothing to repeat"));
                }
                if repeated {
                    return Err(self.problem("multiple repeat"));
                }
                self.repeat(&last, &quantifier);
                repeated = true;
                continue;
            }
            self.flush(&last);
            let start = self.out.len();
            let item = self.item(depth)?;
            if item != Item::Nothing {
                repeated = false;
                last = (item, start);
            }
        }
        self.flush(&last);
        Ok(())
    }

    /// Takes a literal that no quantifier follows into the prefix.
    fn flush(&mut self, last: &(Item, usize)) {
        let written = self.out.len() > last.1;
        match last.0 {
            Item::Literal(c) if written && !self.prefix.ended && !self.flags.ignore_case => {
                self.prefix.text.push(c);
            }
            Item::Nothing | Item::Anchor => {}
            _ => self.prefix.ended = true,
        }
    }

    /// Puts the quantifier behind the last item, which is bracketed so that it stays one item.
    fn repeat(&mut self, last: &(Item, usize), quantifier: &str) {
        self.prefix.ended = true;
        // With a possessive `{2,…}+` Python gives nothing back within a round either.
        let atomic_rounds = quantifier.ends_with('+') && quantifier.starts_with('{');
        if atomic_rounds {
            self.out.insert_str(last.1, "(?>(?>");
            self.out.push(')');
            self.out.push_str(quantifier.trim_end_matches('+'));
            self.out.push(')');
            return;
        }
        self.out.insert_str(last.1, "(?:");
        self.out.push(')');
        self.out.push_str(quantifier);
    }

    /// Reads `*`, `+`, `?`, `{m,n}` with a following `?` (lazy) or `+` (possessive).
    fn quantifier(&mut self) -> Result<Option<String>, PatternProblem> {
        let start = self.at;
        let mut text = match self.peek() {
            Some(c @ ('*' | '+' | '?')) => {
                self.at += 1;
                c.to_string()
            }
            Some('{') => match self.braces() {
                Some((low, high)) => {
                    if high.is_some_and(|high| high < low.unwrap_or(0)) {
                        return Err(PatternProblem::new("the maximum is smaller than the minimum", start));
                    }
                    let low = low.unwrap_or(0);
                    match high {
                        Some(high) => format!("{{{low},{high}}}"),
                        None => format!("{{{low},}}"),
                    }
                }
                None => return Ok(None),
            },
            _ => return Ok(None),
        };
        if self.take('?') {
            text.push('?');
        } else if self.take('+') {
            text.push('+');
        }
        Ok(Some(text))
    }

    /// Reads `{m}`, `{m,}`, `{,n}` or `{m,n}`; any other brace is a literal one.
    fn braces(&mut self) -> Option<(Option<u32>, Option<u32>)> {
        let start = self.at;
        self.at += 1;
        let low = self.number();
        let comma = self.take(',');
        let high = if comma { self.number() } else { low };
        if self.take('}') && (low.is_some() || comma) {
            return Some((low, high));
        }
        self.at = start;
        None
    }

    fn number(&mut self) -> Option<u32> {
        let start = self.at;
        while self.peek().is_some_and(|c| c.is_ascii_digit()) {
            self.at += 1;
        }
        let digits: String = self.chars[start..self.at].iter().collect();
        if digits.is_empty() { None } else { Some(digits.parse().unwrap_or(u32::MAX)) }
    }

    fn item(&mut self, depth: usize) -> Result<Item, PatternProblem> {
        let Some(c) = self.peek() else { return Ok(Item::Nothing) };
        self.at += 1;
        match c {
            '.' => self.out.push('.'),
            '^' => {
                self.out.push('^');
                return Ok(Item::Anchor);
            }
            '$' => {
                self.out.push('$');
                return Ok(Item::Anchor);
            }
            '(' => return self.group(depth),
            '[' => self.class()?,
            '\\' => return self.escape(),
            c => {
                self.literal(c);
                return Ok(Item::Literal(c));
            }
        }
        Ok(Item::Other)
    }

    fn literal(&mut self, c: char) {
        // Python takes these four for one letter where case does not count.
        if self.flags.ignore_case && "iI\u{130}\u{131}".contains(c) {
            self.out.push_str(r"[iI\x{130}\x{131}]");
        } else {
            literal(&mut self.out, c);
        }
    }

    fn group(&mut self, depth: usize) -> Result<Item, PatternProblem> {
        let start = self.at - 1;
        let outer = self.flags;
        self.prefix.ended = true;
        let (mut number, mut is_condition) = (None, false);
        if !self.take('?') {
            number = Some(self.new_group());
            self.out.push('(');
        } else if self.take_text("P<") {
            let name = self.group_name('>')?;
            let group = self.new_group();
            if self.names.insert(name.clone(), group).is_some() {
                return Err(PatternProblem::new(format!("the group name `{name}` is given twice"), start));
            }
            number = Some(group);
            self.out.push('(');
        } else if self.take_text("P=") {
            let name = self.group_name(')')?;
            let group = self.named(&name, start)?;
            return self.back_reference(group, start);
        } else if self.take('#') {
            while !self.take(')') {
                if self.peek().is_none() {
                    return Err(PatternProblem::new("the comment is not closed", start));
                }
                self.at += 1;
            }
            return Ok(Item::Nothing);
        } else if self.take('(') {
            self.condition(start)?;
            is_condition = true;
        } else if let Some(opening) = ["<=", "<!", "=", "!", ">"].into_iter().find(|o| self.take_text(o)) {
            let _ = write!(self.out, "(?{opening}");
        } else if self.take(':') {
            self.out.push_str("(?:");
        } else if self.peek().is_some_and(|c| is_flag(c) || c == '-') {
            self.scoped_flags(start)?;
        } else if self.peek() == Some('<') {
            return Err(self.problem("Python writes a named group as `(?P<name>…)`"));
        } else {
            return Err(self.problem("unknown extension after `(?`"));
        }
        self.open.extend(number);
        let branches = self.alternatives(depth + 1)?;
        if is_condition && branches > 2 {
            return Err(PatternProblem::new("a condition has two branches at the most", start));
        }
        if !self.take(')') {
            return Err(PatternProblem::new("this group is not closed", start));
        }
        if number.is_some() {
            self.open.pop();
        }
        self.flags = outer;
        self.out.push(')');
        Ok(Item::Other)
    }

    fn scoped_flags(&mut self, start: usize) -> Result<(), PatternProblem> {
        let (on, off) = self.flag_letters()?;
        if self.take(')') {
            return Err(PatternProblem::new(
                "Python allows flags for the whole pattern only at its start",
                start,
            ));
        }
        self.at += 1; // the colon
        self.set_flags(&on, true, start)?;
        self.set_flags(&off, false, start)?;
        let (on, off) = self.flag_text();
        let minus = if off.is_empty() { "" } else { "-" };
        let _ = write!(self.out, "(?{on}{minus}{off}:");
        Ok(())
    }

    /// Reads the rest of `(?(1)yes|no)` or `(?(name)yes|no)` up to the condition's bracket.
    fn condition(&mut self, start: usize) -> Result<(), PatternProblem> {
        let name = self.group_name_or_number(')')?;
        let group = match name.parse::<usize>() {
            Ok(number) if number > 0 && number <= self.groups => number,
            Ok(number) => return Err(PatternProblem::new(format!("there is no group {number}"), start)),
            Err(_) => self.named(&name, start)?,
        };
        let _ = write!(self.out, "(?({group})");
        Ok(())
    }

    fn new_group(&mut self) -> usize {
        self.groups += 1;
        self.groups
    }

    fn named(&self, name: &str, at: usize) -> Result<usize, PatternProblem> {
        let unknown = || PatternProblem::new(format!("there is no group named `{name}`"), at);
        self.names.get(name).copied().ok_or_else(unknown)
    }

    fn group_name(&mut self, end: char) -> Result<String, PatternProblem> {
        let start = self.at;
        let name = self.group_name_or_number(end)?;
        let mut chars = name.chars();
        let first = chars.next().is_some_and(|c| c.is_alphabetic() || c == '_');
        if first && chars.all(|c| c.is_alphabetic() || c.is_ascii_digit() || c == '_') {
            return Ok(name);
        }
        Err(PatternProblem::new(format!("`{name}` is no name for a group"), start))
    }

    fn group_name_or_number(&mut self, end: char) -> Result<String, PatternProblem> {
        let start = self.at;
        while let Some(c) = self.peek() {
            self.at += 1;
            if c == end {
                return Ok(self.chars[start..self.at - 1].iter().collect());
            }
        }
        Err(PatternProblem::new("the name of the group is not closed", start))
    }

    fn back_reference(&mut self, group: usize, at: usize) -> Result<Item, PatternProblem> {
        if group > self.groups {
            return Err(PatternProblem::new(format!("there is no group {group} to refer to"), at));
        }
        if self.open.contains(&group) {
            return Err(PatternProblem::new(format!("group {group} is still open here"), at));
        }
        let _ = write!(self.out, "(?:\\{group})");
        Ok(Item::Other)
    }
}

fn is_flag(c: char) -> bool {
    "aiLmsux".contains(c)
}

/// Writes one character that stands for itself.
fn literal(out: &mut String, c: char) {
    if c.is_alphanumeric() || c == '_' {
        out.push(c);
    } else if c.is_ascii_punctuation() && !"<>".contains(c) {
        out.push('\\');
        out.push(c);
    } else {
        let _ = write!(out, "\\x{{{:x}}}", u32::from(c));
    }
}

fn literal_in_class(out: &mut String, c: char) {
    if c.is_alphanumeric() || c == '_' {
        out.push(c);
    } else {
        let _ = write!(out, "\\x{{{:x}}}", u32::from(c));
    }
}
