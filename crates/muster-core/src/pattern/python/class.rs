//! Escapes and classes of characters.

use std::fmt::Write as _;

use super::{Item, PatternProblem, Reader, literal_in_class};

impl Reader {
    /// Reads what follows a backslash outside a class.
    pub(super) fn escape(&mut self) -> Result<Item, PatternProblem> {
        let start = self.at - 1;
        let Some(c) = self.peek() else {
            return Err(PatternProblem::new("a backslash stands at the end", start));
        };
        if let Some(class) = self.category(c) {
            self.at += 1;
            let _ = write!(self.out, "[{class}]");
            return Ok(Item::Other);
        }
        match c {
            'A' | 'b' | 'B' => {
                self.at += 1;
                let _ = write!(self.out, "\\{c}");
                Ok(Item::Anchor)
            }
            'Z' => {
                self.at += 1;
                self.out.push_str("\\z");
                Ok(Item::Anchor)
            }
            '1'..='9' => {
                let digits: String =
                    self.chars[self.at..].iter().take(3).take_while(|c| c.is_ascii_digit()).collect();
                let octal = digits.len() == 3 && digits.bytes().all(|b| b < b'8');
                if octal {
                    let value = self.character(start)?;
                    self.literal(value);
                    return Ok(Item::Literal(value));
                }
                let digits = &digits[..digits.len().min(2)];
                self.at += digits.len();
                self.back_reference(digits.parse().unwrap_or(usize::MAX), start)
            }
            _ => {
                let value = self.character(start)?;
                self.literal(value);
                Ok(Item::Literal(value))
            }
        }
    }

    /// Returns the inside of a class for `\d`, `\w`, `\s` and their opposites, as Python means them.
    fn category(&self, letter: char) -> Option<&'static str> {
        Some(match (letter, self.flags.ascii) {
            ('d', false) => r"\p{Nd}",
            ('D', false) => r"^\p{Nd}",
            ('w', false) => r"\p{L}\p{N}_",
            ('W', false) => r"^\p{L}\p{N}_",
            ('s', false) => r"\s\x1c-\x1f",
            ('S', false) => r"^\s\x1c-\x1f",
            ('d', true) => "0-9",
            ('D', true) => "^0-9",
            ('w', true) => "0-9A-Za-z_",
            ('W', true) => "^0-9A-Za-z_",
            ('s', true) => r"\x09-\x0d\x20",
            ('S', true) => r"^\x09-\x0d\x20",
            _ => return None,
        })
    }

    /// Reads an escape that stands for one character; the backslash at `start` has been read.
    fn character(&mut self, start: usize) -> Result<char, PatternProblem> {
        let Some(c) = self.peek() else {
            return Err(PatternProblem::new("a backslash stands at the end", start));
        };
        self.at += 1;
        let value = match c {
            'a' => '\x07',
            'f' => '\x0c',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'v' => '\x0b',
            'x' => self.code_point(2, 16, start)?,
            'u' => self.code_point(4, 16, start)?,
            'U' => self.code_point(8, 16, start)?,
            '0'..='7' => {
                self.at -= 1;
                let length = self.chars[self.at..].iter().take(3).take_while(|c| c.is_digit(8)).count();
                self.code_point(length, 8, start)?
            }
            'N' => {
                return Err(PatternProblem::new(
                    r"`\N{…}` is not supported: write the character itself",
                    start,
                ));
            }
            c if c.is_ascii_alphanumeric() => {
                return Err(PatternProblem::new(format!("`\\{c}` means nothing in Python"), start));
            }
            c => c,
        };
        Ok(value)
    }

    fn code_point(&mut self, length: usize, radix: u32, start: usize) -> Result<char, PatternProblem> {
        let digits: String = self.chars[self.at..].iter().take(length).collect();
        let value = u32::from_str_radix(&digits, radix).ok().filter(|_| digits.len() == length);
        self.at += length;
        value
            .and_then(char::from_u32)
            .ok_or_else(|| PatternProblem::new("this escape is no character", start))
    }

    /// Reads a class; the opening bracket has been read. `&&`, `--`, `~~` and `[` are characters in Python.
    pub(super) fn class(&mut self) -> Result<(), PatternProblem> {
        let start = self.at - 1;
        self.out.push('[');
        if self.take('^') {
            self.out.push('^');
        }
        let mut first = true;
        loop {
            let Some(c) = self.peek() else {
                return Err(PatternProblem::new("this class is not closed", start));
            };
            if c == ']' && !first {
                self.at += 1;
                self.out.push(']');
                return Ok(());
            }
            first = false;
            let Some(low) = self.class_member()? else {
                if self.peek() == Some('-') && self.chars.get(self.at + 1).is_some_and(|c| *c != ']') {
                    return Err(self.problem("this is no range of characters"));
                }
                continue;
            };
            let range = self.peek() == Some('-') && self.chars.get(self.at + 1).is_some_and(|c| *c != ']');
            if !range {
                literal_in_class(&mut self.out, low);
                continue;
            }
            let dash = self.at;
            self.at += 1;
            match self.class_member()? {
                Some(high) if high >= low => {
                    literal_in_class(&mut self.out, low);
                    self.out.push('-');
                    literal_in_class(&mut self.out, high);
                }
                _ => return Err(PatternProblem::new("this is no range of characters", dash)),
            }
        }
    }

    /// Reads one member of a class: a character, or a category (which is written at once).
    fn class_member(&mut self) -> Result<Option<char>, PatternProblem> {
        let start = self.at;
        let Some(c) = self.peek() else {
            return Err(self.problem("the class is not closed"));
        };
        self.at += 1;
        if c != '\\' {
            return Ok(Some(c));
        }
        let Some(escaped) = self.peek() else {
            return Err(PatternProblem::new("a backslash stands at the end", start));
        };
        if let Some(category) = self.category(escaped) {
            self.at += 1;
            if category.starts_with('^') {
                let _ = write!(self.out, "[{category}]");
            } else {
                self.out.push_str(category);
            }
            return Ok(None);
        }
        if escaped == 'b' {
            self.at += 1;
            return Ok(Some('\x08'));
        }
        self.character(start).map(Some)
    }
}
