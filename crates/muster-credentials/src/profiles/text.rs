//! The text of an AWS credentials or config file, changed line by line: what is not meant stays as it is, byte for byte.
//!
//! Sources: AWS SDKs and Tools Reference Guide, "Shared config and credentials files"; Python's configparser, with which
//! the AWS CLI reads them.

use std::ops::Range;

use zeroize::Zeroizing;

use super::ProfileError;

/// Which of the two files a text is. They name profiles differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileKind {
    /// `~/.aws/credentials`: `[name]`.
    Credentials,
    /// `~/.aws/config`: `[profile name]` and `[default]`.
    Config,
}

const BOM: &[u8] = b"\xef\xbb\xbf";

/// A file's text, which may hold secrets.
pub struct ProfileText {
    kind: FileKind,
    bytes: Zeroizing<Vec<u8>>,
}

/// A section of the file, as places in its text.
#[derive(Debug)]
struct Section {
    /// The profile's name; `None` of a section that is no profile.
    profile: Option<String>,
    line: usize,
    header: Range<usize>,
    entries: Vec<Entry>,
}

/// What the header of a section says.
struct Header {
    /// `None` of a section that is no profile.
    profile: Option<String>,
}

/// A key with its value, and the lines that go on with it.
#[derive(Debug)]
struct Entry {
    /// In lower case, as all AWS clients compare keys.
    key: String,
    line: usize,
    /// All its lines, line breaks included.
    all: Range<usize>,
    /// After the `=`, up to the end of the first line without its line break.
    rest: Range<usize>,
}

impl Section {
    fn end(&self) -> usize {
        self.entries.last().map_or(self.header.end, |entry| entry.all.end)
    }

    fn entry(&self, key: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.key == key)
    }
}

impl ProfileText {
    /// Takes the bytes of a file.
    ///
    /// # Errors
    ///
    /// Where a line ends as no AWS client understands it.
    pub fn new(kind: FileKind, bytes: Zeroizing<Vec<u8>>) -> Result<Self, ProfileError> {
        let mut lines = bytes.split(|byte| *byte == b'\n').enumerate();
        let odd = lines.find(|(_, line)| line.strip_suffix(b"\r").unwrap_or(line).contains(&b'\r'));
        match odd {
            Some((number, _)) => Err(ProfileError::OddLineBreak { line: number + 1 }),
            None => Ok(Self { kind, bytes }),
        }
    }

    /// Returns the text.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Returns the names of all profiles, in order.
    pub fn profiles(&self) -> Vec<String> {
        let mut names: Vec<String> =
            self.sections().into_iter().filter_map(|section| section.profile).collect();
        names.dedup();
        names
    }

    /// Returns whether there is a section for a profile.
    pub fn has(&self, profile: &str) -> bool {
        self.sections().iter().any(|section| section.profile.as_deref() == Some(profile))
    }

    /// Returns a value, without a comment behind it. Of several the last one holds.
    pub fn get(&self, profile: &str, key: &str) -> Option<Zeroizing<String>> {
        let sections = self.sections();
        let named = sections.iter().filter(|section| section.profile.as_deref() == Some(profile));
        let entry = named.flat_map(|section| &section.entries).rfind(|entry| entry.key == key)?;
        let first = without_comment(&self.bytes[entry.rest.clone()]).0;
        let more =
            self.bytes[entry.rest.end..entry.all.end].split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
        let mut value = Zeroizing::new(Vec::with_capacity(entry.all.len()));
        for part in std::iter::once(first).chain(more.filter(|line| !is_comment(line))) {
            value.extend_from_slice(part);
        }
        std::str::from_utf8(&value).ok().map(|text| Zeroizing::new(text.to_owned()))
    }

    /// Gives a key of a profile a value; profile and key are made if need be. A line that has the value already stays as
    /// it is. A comment behind an old value goes on a line of its own above: the AWS CLI takes it for part of the value.
    pub fn set(&mut self, profile: &str, key: &str, value: &str) -> Result<(), ProfileError> {
        check_profile(profile)?;
        check_value(key, value)?;
        let sections = self.sections();
        if self.only(&sections, profile)?.is_none() {
            self.add_section(profile);
        }
        let others = self.values_but(profile, Some(key));
        let sections = self.sections();
        let Some(section) = self.only(&sections, profile)? else { return Err(ProfileError::OddLayout) };
        match section.entry(key) {
            None => self.insert(&sections, section, key, value),
            Some(entry) => self.change(entry, value),
        }
        // Blanks at the beginning of lines decide what goes on with what: nothing else may read differently now.
        let is_there = self.get(profile, key).is_some_and(|found| *found == value);
        if is_there && self.values_but(profile, Some(key)) == others {
            Ok(())
        } else {
            Err(ProfileError::OddLayout)
        }
    }

    /// Puts a new key behind the last one of its section, written as that one is.
    fn insert(&mut self, sections: &[Section], section: &Section, key: &str, value: &str) {
        let last = section.entries.last();
        let style = last.or_else(|| sections.iter().flat_map(|section| &section.entries).next_back());
        let equals = if style.is_some_and(|entry| self.is_bare(entry)) { "=" } else { " = " };
        let indent = last.map_or(&[][..], |entry| {
            let line = &self.bytes[entry.all.clone()];
            &line[..line.len() - line.trim_ascii_start().len()]
        });
        let indent = indent.to_vec();
        let at = last.map_or(section.header.end, |entry| entry.all.end);
        let line_break = self.line_break();
        let before = if self.begins_line(at) { "" } else { line_break };
        let [before, key, equals, value, line_break] =
            [before, key, equals, value, line_break].map(str::as_bytes);
        self.splice(at..at, &[before, &indent, key, equals, value, line_break]);
    }

    /// Puts another value into the line of a key.
    fn change(&mut self, entry: &Entry, value: &str) {
        let rest = &self.bytes[entry.rest.clone()];
        let (old, comment) = without_comment(rest);
        let line_break = self.break_at(entry.rest.end).to_vec();
        let is_one_line = entry.rest.end + line_break.len() == entry.all.end;
        if old == value.as_bytes() && is_one_line && comment.is_empty() {
            return;
        }
        let blanks = rest.len() - rest.trim_ascii_start().len();
        let (start, space) = if old.is_empty() {
            (entry.rest.start, if self.is_bare(entry) { &b""[..] } else { b" " })
        } else {
            (entry.rest.start + blanks, &b""[..])
        };
        let all = entry.all.clone();
        let (head, comment) = (self.bytes[all.start..start].to_vec(), comment.to_vec());
        let above = match (comment.is_empty(), line_break.is_empty()) {
            (true, _) => b"",
            (false, true) => self.line_break().as_bytes(),
            (false, false) => line_break.as_slice(),
        };
        let kept = self.comments_in(entry.rest.end + line_break.len()..all.end);
        self.splice(all, &[&comment, above, &head, space, value.as_bytes(), &line_break, &kept]);
    }

    /// Takes a key of a profile away, with the lines that go on with it.
    pub fn remove(&mut self, profile: &str, key: &str) -> Result<(), ProfileError> {
        if self.get(profile, key).is_none() {
            return Ok(());
        }
        let sections = self.sections();
        if let Some(entry) = self.only(&sections, profile)?.and_then(|section| section.entry(key)) {
            let all = entry.all.clone();
            let kept = self.comments_in(all.clone());
            let others = self.values_but(profile, Some(key));
            self.splice(all, &[&kept]);
            if self.get(profile, key).is_some() || self.values_but(profile, Some(key)) != others {
                return Err(ProfileError::OddLayout);
            }
        }
        Ok(())
    }

    /// Takes a profile away: its header and its keys. Comments stay.
    pub fn remove_profile(&mut self, profile: &str) -> Result<(), ProfileError> {
        if !self.has(profile) {
            return Ok(());
        }
        let sections = self.sections();
        let Some(section) = self.only(&sections, profile)? else { return Ok(()) };
        let others = self.values_but(profile, None);
        let mut ranges: Vec<Range<usize>> = section.entries.iter().map(|entry| entry.all.clone()).collect();
        let header = section.header.clone();
        // The empty line that `set` puts before a new section at the end.
        let is_last = self.bytes[section.end()..].trim_ascii().is_empty();
        let line_break = self.line_break().as_bytes();
        let has_blank = is_last && self.bytes[..header.start].ends_with(&[line_break, line_break].concat());
        let blank = if has_blank { header.start - line_break.len()..header.start } else { 0..0 };
        ranges.insert(0, header);
        for range in ranges.into_iter().rev() {
            let kept = self.comments_in(range.clone());
            self.splice(range, &[&kept]);
        }
        self.splice(blank, &[]);
        // A line that comes to be the first one may be read as something else.
        if self.has(profile) || self.values_but(profile, None) != others {
            return Err(ProfileError::OddLayout);
        }
        Ok(())
    }

    /// Returns the profiles that have this value for a key.
    pub fn holders(&self, key: &str, value: &str) -> Vec<String> {
        let names = self.profiles();
        names.into_iter().filter(|name| self.get(name, key).is_some_and(|found| *found == value)).collect()
    }

    /// Refuses a file that AWS clients read differently from each other, as far as that could touch what is changed.
    ///
    /// Sources: Python's `configparser`, whose blanks are Unicode's and whose headers go up to the last bracket;
    /// botocore's `configloader.build_profile_map`.
    fn check(&self, sections: &[Section], profile: &str) -> Result<(), ProfileError> {
        for (number, line) in self.bytes.split(|byte| *byte == b'\n').enumerate() {
            let content = line.trim_ascii();
            let is_text = !content.is_empty() && !is_comment(content);
            if is_text && String::from_utf8_lossy(content).chars().any(is_odd_blank) {
                return Err(ProfileError::OddBlank { line: number + 1 });
            }
            if !content.starts_with(b"[") {
                continue;
            }
            let inside = |end: Option<usize>| end.map(|end| &content[1..end]);
            let to_first = inside(content.iter().position(|byte| *byte == b']'));
            let to_last = inside(content.iter().rposition(|byte| *byte == b']'));
            let is_odd = to_first != to_last || to_first.is_some_and(|name| name != name.trim_ascii());
            let name = to_first.map(String::from_utf8_lossy).unwrap_or_default();
            let is_named = |name: &str| name.trim().trim_matches(['"', '\'']) == profile;
            let after = name.trim().strip_prefix("profile").map(|rest| rest.trim_start_matches('s'));
            let is_ours = is_named(&name) || after.is_some_and(is_named);
            let is_config = self.kind == FileKind::Config && is_odd_config_name(&name, profile);
            if (is_odd && is_ours) || is_config {
                return Err(ProfileError::OddHeader { line: number + 1 });
            }
        }
        // Python's name for what holds for all sections.
        let defaults = sections.iter().filter(|section| section.profile.as_deref() == Some("DEFAULT"));
        let ours = |entry: &&Entry| entry.key.starts_with("aws_");
        match defaults.flat_map(|section| &section.entries).find(ours) {
            Some(entry) => Err(ProfileError::Defaults { line: entry.line }),
            None => Ok(()),
        }
    }

    /// Returns the one section of a profile. Two of them, or a key twice, are for a person to sort out: the AWS CLI
    /// refuses such a file, and other clients differ in which one they take.
    fn only<'s>(&self, sections: &'s [Section], profile: &str) -> Result<Option<&'s Section>, ProfileError> {
        self.check(sections, profile)?;
        let candidates: Vec<&Section> =
            sections.iter().filter(|s| s.profile.as_deref() == Some(profile)).collect();
        let twice =
            |what: String, first: usize, second: usize| ProfileError::Twice { what, lines: [first, second] };
        if let [first, second, ..] = candidates.as_slice() {
            return Err(twice(format!("the profile `{profile}`"), first.line, second.line));
        }
        let Some(section) = candidates.first() else { return Ok(None) };
        for (number, entry) in section.entries.iter().enumerate() {
            if let Some(first) = section.entries[..number].iter().find(|other| other.key == entry.key) {
                let what = format!("`{}` of the profile `{profile}`", entry.key);
                return Err(twice(what, first.line, entry.line));
            }
        }
        Ok(Some(section))
    }

    /// Puts the header of a new section at the end.
    fn add_section(&mut self, profile: &str) {
        let line_break = self.line_break();
        let end = self.bytes.len();
        let is_empty = self.bytes.strip_prefix(BOM).unwrap_or(&self.bytes).is_empty();
        let mut before = String::new();
        if !self.begins_line(end) {
            before.push_str(line_break);
        }
        // An empty line between, unless there is one.
        let blank = self.bytes.ends_with(b"\n\n") || self.bytes.ends_with(b"\n\r\n");
        if !is_empty && !blank {
            before.push_str(line_break);
        }
        let name = match self.kind {
            FileKind::Config if profile != "default" && profile.contains(char::is_whitespace) => {
                format!("profile \"{profile}\"")
            }
            FileKind::Config if profile != "default" => format!("profile {profile}"),
            _ => profile.to_owned(),
        };
        self.splice(end..end, &[format!("{before}[{name}]{line_break}").as_bytes()]);
    }

    fn splice(&mut self, range: Range<usize>, parts: &[&[u8]]) {
        let added: usize = parts.iter().map(|part| part.len()).sum();
        // Into a buffer that is large enough from the start: one that grows leaves copies of secrets behind.
        let mut bytes = Zeroizing::new(Vec::with_capacity(self.bytes.len() - range.len() + added));
        bytes.extend_from_slice(&self.bytes[..range.start]);
        for part in parts {
            bytes.extend_from_slice(part);
        }
        bytes.extend_from_slice(&self.bytes[range.end..]);
        self.bytes = bytes;
    }

    /// Returns the file's own line break.
    fn line_break(&self) -> &'static str {
        let first = self.bytes.iter().position(|byte| *byte == b'\n');
        if first.is_some_and(|at| at > 0 && self.bytes[at - 1] == b'\r') { "\r\n" } else { "\n" }
    }

    fn begins_line(&self, at: usize) -> bool {
        at == 0 || self.bytes[..at] == *BOM || self.bytes[at - 1] == b'\n'
    }

    /// Returns the line break at a place, if there is one.
    fn break_at(&self, at: usize) -> &[u8] {
        let length = self.bytes[at..].iter().position(|byte| *byte == b'\n').map_or(0, |length| length + 1);
        &self.bytes[at..at + length]
    }

    /// Returns whether there is no blank before the `=` of an entry.
    fn is_bare(&self, entry: &Entry) -> bool {
        !self.bytes[..entry.rest.start - 1].ends_with(b" ")
            && !self.bytes[..entry.rest.start - 1].ends_with(b"\t")
    }

    /// Returns the comments and empty lines between lines that go.
    fn comments_in(&self, lines: Range<usize>) -> Vec<u8> {
        let lines = self.bytes[lines].split_inclusive(|byte| *byte == b'\n');
        let keeps = |line: &&[u8]| line.trim_ascii().is_empty() || is_comment(line.trim_ascii());
        lines.filter(keeps).flatten().copied().collect()
    }

    /// Returns what keeps the AWS CLI from reading the file at all, with the line it is in.
    pub fn unreadable_to_the_cli(&self) -> Option<(usize, &'static str)> {
        if self.bytes.starts_with(BOM) {
            return Some((1, "a byte order mark"));
        }
        let sections = self.sections();
        let mut lines = self.bytes.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii).enumerate();
        let first = lines.find(|(_, line)| !line.is_empty() && !is_comment(line));
        if let Some((number, _)) = first.filter(|(_, line)| !line.starts_with(b"[")) {
            return Some((number + 1, "a key before the first section"));
        }
        for (position, section) in sections.iter().enumerate() {
            let named = |other: &&Section| other.profile.is_some() && other.profile == section.profile;
            if self.kind == FileKind::Credentials && sections[..position].iter().any(|s| named(&s)) {
                return Some((section.line, "a section that is there twice"));
            }
            for (number, entry) in section.entries.iter().enumerate() {
                if section.entries[..number].iter().any(|other| other.key == entry.key) {
                    return Some((entry.line, "a key that is there twice"));
                }
            }
        }
        None
    }

    /// Returns all that the file says, but for one key, or for all of one profile.
    fn values_but(
        &self,
        profile: &str,
        key: Option<&str>,
    ) -> Vec<(Option<String>, String, Zeroizing<Vec<u8>>)> {
        let mut values = Vec::new();
        for section in self.sections() {
            for entry in section.entries {
                if section.profile.as_deref() != Some(profile) || key.is_some_and(|key| entry.key != key) {
                    // With the lines that go on with it, but for the line break that a new last line may have given it.
                    let value = self.bytes[entry.rest.start..entry.all.end].trim_ascii_end().to_vec();
                    values.push((section.profile.clone(), entry.key, Zeroizing::new(value)));
                }
            }
        }
        values
    }

    fn sections(&self) -> Vec<Section> {
        let mut sections: Vec<Section> = Vec::new();
        // How far the line of the last key is indented: lines that are further in go on with it.
        let mut indent_of_key = None;
        let mut start = if self.bytes.starts_with(BOM) { BOM.len() } else { 0 };
        let mut number = 0;
        while start < self.bytes.len() {
            number += 1;
            let end = self.bytes[start..]
                .iter()
                .position(|b| *b == b'\n')
                .map_or(self.bytes.len(), |at| start + at + 1);
            let all = start..end;
            start = end;
            let line = &self.bytes[all.clone()];
            let content = line.trim_ascii();
            if content.is_empty() || is_comment(content) {
                continue;
            }
            let indent = line.len() - line.trim_ascii_start().len();
            if indent_of_key.is_some_and(|of_key| indent > of_key) {
                if let Some(entry) = sections.last_mut().and_then(|section| section.entries.last_mut()) {
                    entry.all.end = all.end;
                }
                continue;
            }
            if let Some(Header { profile }) = self.header(content) {
                indent_of_key = None;
                sections.push(Section { profile, line: number, header: all, entries: Vec::new() });
                continue;
            }
            let Some(section) = sections.last_mut() else { continue };
            let Some(equals) = line.iter().position(|byte| matches!(byte, b'=' | b':')) else {
                indent_of_key = None;
                continue;
            };
            indent_of_key = Some(indent);
            let key = String::from_utf8_lossy(line[..equals].trim_ascii()).to_ascii_lowercase();
            let without_break = line.strip_suffix(b"\n").unwrap_or(line);
            let without_break = without_break.strip_suffix(b"\r").unwrap_or(without_break);
            let rest = all.start + equals + 1..all.start + without_break.len();
            section.entries.push(Entry { key, line: number, all, rest });
        }
        sections
    }

    /// Reads the header of a section: the profile that it is of, if it is of one.
    fn header(&self, line: &[u8]) -> Option<Header> {
        let inside = line.strip_prefix(b"[")?;
        let inside = &inside[..inside.iter().position(|byte| *byte == b']')?];
        let Ok(name) = std::str::from_utf8(inside.trim_ascii()) else {
            return Some(Header { profile: None });
        };
        if self.kind == FileKind::Credentials || name == "default" {
            return Some(Header { profile: Some(name.to_owned()) });
        }
        let named = name.strip_prefix("profile").filter(|rest| rest.starts_with(char::is_whitespace));
        Some(Header { profile: named.map(|name| name.trim().trim_matches(['"', '\'']).to_owned()) })
    }
}

/// Returns whether a header of the config file is taken for a profile by some clients and not, or otherwise, by others.
fn is_odd_config_name(name: &str, profile: &str) -> bool {
    let Some(rest) = name.strip_prefix("profile") else { return false };
    let words = rest.trim();
    let is_quoted = words.len() > 1 && words.starts_with(['"', '\'']) && words.ends_with(['"', '\'']);
    let has_blanks = words.contains(char::is_whitespace) && !is_quoted;
    let last = words.split_whitespace().next_back().unwrap_or_default();
    let is_other = !rest.starts_with(char::is_whitespace) && last == profile;
    is_other || (has_blanks && words == profile)
}

/// Returns whether Python takes a character for a blank, and other clients do not.
fn is_odd_blank(c: char) -> bool {
    (c.is_whitespace() && !matches!(c, ' ' | '\t' | '\r' | '\n')) || matches!(c, '\u{1c}'..='\u{1f}')
}

fn is_comment(line: &[u8]) -> bool {
    line.starts_with(b"#") || line.starts_with(b";")
}

/// Returns a value and the comment behind it.
fn without_comment(rest: &[u8]) -> (&[u8], &[u8]) {
    let value = rest.trim_ascii();
    let is_start =
        |at: &usize| is_comment(&value[*at..]) && (*at == 0 || value[at - 1].is_ascii_whitespace());
    match (0..value.len()).find(is_start) {
        Some(at) => (value[..at].trim_ascii_end(), &value[at..]),
        None => (value, b""),
    }
}

/// Refuses names of profiles that no section can have.
pub(super) fn check_profile(profile: &str) -> Result<(), ProfileError> {
    let bad = |c: char| c.is_control() || matches!(c, '[' | ']' | '"' | '\'' | '#' | ';' | '\\');
    // `DEFAULT` is Python's name for what holds for all sections.
    if profile.is_empty() || profile.trim() != profile || profile.contains(bad) || profile == "DEFAULT" {
        return Err(ProfileError::BadName { profile: profile.to_owned() });
    }
    Ok(())
}

/// Refuses what would be read as something else than one value. The value itself is not repeated: it may be a secret.
fn check_value(key: &str, value: &str) -> Result<(), ProfileError> {
    if value.is_empty() || !value.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(ProfileError::BadValue { key: key.to_owned() });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(kind: FileKind, text: &str) -> ProfileText {
        ProfileText::new(kind, Zeroizing::new(text.as_bytes().to_vec())).unwrap()
    }

    fn set(before: &str, profile: &str, key: &str, value: &str) -> String {
        let mut file = text(FileKind::Credentials, before);
        file.set(profile, key, value).unwrap();
        assert_eq!(file.get(profile, key).unwrap().as_str(), value, "{before:?}");
        String::from_utf8(file.bytes().to_vec()).unwrap()
    }

    #[test]
    fn only_the_lines_of_what_changes_differ() {
        for (before, after) in [
            ("", "[p]\nk = new\n"),
            ("\u{feff}", "\u{feff}[p]\nk = new\n"),
            ("# mine", "# mine\n\n[p]\nk = new\n"),
            ("[a]\nx=1\n", "[a]\nx=1\n\n[p]\nk=new\n"),
            ("[a]\r\nx = 1\r\n", "[a]\r\nx = 1\r\n\r\n[p]\r\nk = new\r\n"),
            ("[p]", "[p]\nk = new\n"),
            ("[p]\nk = old", "[p]\nk = new"),
            ("[p]\nk =\n", "[p]\nk = new\n"),
            ("[p]\nk=\n", "[p]\nk=new\n"),
            ("[p]\nk = new\n", "[p]\nk = new\n"),
            ("[p]\nk   =   new   \n", "[p]\nk   =   new   \n"),
            ("[p]\nK\t=\told\t\r\n", "[p]\nK\t=\tnew\r\n"),
            ("\u{feff}[p]\nk=old\n[q]\nk=old", "\u{feff}[p]\nk=new\n[q]\nk=old"),
            ("[p]\nk = old # mine\n", "[p]\n# mine\nk = new\n"),
            ("[p]\nk = old ; mine", "[p]\n; mine\nk = new"),
            ("[p]\nk = old#part\n", "[p]\nk = new\n"),
            ("[p]\nk =\n  old\n  more\nx = 1\n", "[p]\nk = new\nx = 1\n"),
            (
                "[p] # mine\ns3 =\n  k = other\n\n# next\n[q]\n",
                "[p] # mine\ns3 =\n  k = other\nk = new\n\n# next\n[q]\n",
            ),
            ("[p]\nk: old\n", "[p]\nk: new\n"),
            ("[p]\n# k = old\n", "[p]\nk = new\n# k = old\n"),
            ("[p]\nx = 1\nunreadable\n", "[p]\nx = 1\nk = new\nunreadable\n"),
        ] {
            assert_eq!(set(before, "p", "k", "new"), after, "{before:?}");
        }
    }

    #[test]
    fn the_config_file_names_profiles_in_its_own_way() {
        let mut file = text(
            FileKind::Config,
            "[default]\nregion = a\n[profile p]\nregion = b\n[sso-session p]\nregion = c\n[p]\nregion = d\n",
        );
        assert_eq!(file.profiles(), ["default", "p"]);
        file.set("p", "region", "new").unwrap();
        file.set("default", "region", "new").unwrap();
        file.set("has blank", "region", "new").unwrap();
        let expected = "[default]\nregion = new\n[profile p]\nregion = new\n[sso-session p]\nregion = c\n[p]\nregion = d\n\n\
                        [profile \"has blank\"]\nregion = new\n";
        assert_eq!(file.bytes(), expected.as_bytes());
        assert_eq!(file.get("has blank", "region").unwrap().as_str(), "new");
        let mut both = text(FileKind::Config, "[profile default]\nregion = a\n[default]\nregion = b\n");
        assert_eq!(both.get("default", "region").unwrap().as_str(), "b");
        assert!(both.set("default", "region", "c").is_err(), "clients differ in which one they take");
    }

    #[test]
    fn a_profile_that_was_put_in_and_taken_out_leaves_no_trace() {
        for before in ["", "[a]\nx = 1\n", "[a]\r\nx = 1\r\n", "# only this\n"] {
            let mut file = text(FileKind::Credentials, before);
            file.set("p", "k", "v").unwrap();
            file.set("p", "l", "w").unwrap();
            file.remove_profile("p").unwrap();
            assert_eq!(file.bytes(), before.as_bytes());
        }
        let mut file = text(FileKind::Credentials, "[p]\n# mine\nk = v\n\n[q]\nk = w\n");
        file.remove_profile("p").unwrap();
        assert_eq!(file.bytes(), b"# mine\n\n[q]\nk = w\n");
    }

    #[test]
    fn what_clients_read_differently_is_left_to_a_person() {
        let refused = |before: &str| {
            let mut file = text(FileKind::Credentials, before);
            file.set("p", "k", "new").unwrap_err().to_string()
        };
        assert!(
            refused("[p]\nk = 1\n[q]\n[p]\nk = 2\n")
                .contains("the profile `p` is there twice, in lines 1 and 4")
        );
        assert!(refused("[p]\nk = 1\nK = 2\n").contains("in lines 2 and 3"));
        // The header of `q` would become the rest of the new line.
        assert!(refused("[p]\n  [q]\nx = 1\n").contains("laid out in a way"));
        // Python's blanks are Unicode's, and its headers go up to the last bracket.
        assert!(refused("[p]\nk\u{a0}= 1\n").contains("line 2 has a blank"));
        assert!(refused("[ p ]\nk = 1\n").contains("line 1 is a header"));
        assert!(refused("[p] # see [42]\nk = 1\n").contains("line 1 is a header"));
        assert!(refused("[DEFAULT]\naws_session_token = 1\n[p]\n").contains("line 2"));
        assert_eq!(set("[ q ]\n# \u{a0}\n[p]\n", "p", "k", "v"), "[ q ]\n# \u{a0}\n[p]\nk = v\n");
        for before in ["[profile p q]\n", "[profiles p]\nregion = x\n", "[ profile p ]\n"] {
            let mut file = text(FileKind::Config, before);
            let profile = if before.contains('q') { "p q" } else { "p" };
            assert!(file.set(profile, "region", "new").is_err(), "{before}");
        }
        let odd = ProfileText::new(FileKind::Credentials, Zeroizing::new(b"[p]\rk = v\r".to_vec()));
        assert!(odd.is_err_and(|error| error.to_string().contains("line 1 has a carriage return")));
    }

    #[test]
    fn names_and_values_that_would_be_read_as_something_else_are_refused() {
        let mut file = text(FileKind::Credentials, "");
        for name in ["", " p", "DEFAULT", "p]", "p\n[q]", "p#", "\"p\""] {
            assert!(file.set(name, "k", "v").is_err(), "{name:?}");
        }
        for value in ["", "a b", "a\nb", "é"] {
            let error = file.set("p", "k", value).unwrap_err().to_string();
            assert!(value.is_empty() || !error.contains(value), "{error}");
        }
        assert_eq!(file.bytes(), b"");
    }

    /// What fuzzing found: a line in the middle that would begin the file, and be a header then.
    #[test]
    fn what_would_read_differently_afterwards_is_not_done() {
        let mut file = text(FileKind::Credentials, "[p]\n\u{feff}[p]\nk = v\n");
        assert!(file.remove_profile("p").is_err());
    }

    /// Comments may be in any encoding.
    #[test]
    fn bytes_that_are_no_text_stay() {
        let before = b"# caf\xe9\n[p]\nk = old # \xe9t\xe9\n";
        let mut file = ProfileText::new(FileKind::Credentials, Zeroizing::new(before.to_vec())).unwrap();
        file.set("p", "k", "new").unwrap();
        assert_eq!(file.bytes(), b"# caf\xe9\n[p]\n# \xe9t\xe9\nk = new\n");
    }
}
