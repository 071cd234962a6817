//! Questions to a person: menus on a terminal, plain lines from a pipe.

use std::fmt::Display;
use std::io::{BufRead as _, IsTerminal as _, Write as _};

use muster_aws::Interrupt;
use secrecy::SecretString;

use crate::terminal::Terminal;

/// Ticks once a second, on a thread of its own: with an embedded account the runtime's time stands still.
fn ticks() -> tokio::sync::mpsc::UnboundedReceiver<()> {
    let (sender, receiver) = tokio::sync::mpsc::unbounded_channel();
    std::thread::spawn(move || {
        while sender.send(()).is_ok() {
            std::thread::sleep(std::time::Duration::from_secs(1));
        }
    });
    receiver
}

/// The terminal that a process belongs to, whatever its stdin and stdout are.
const TERMINAL: &str = "/dev/tty";

/// Asks on the terminal; `None` if there is none, or its input ends.
fn ask_the_terminal(question: &str) -> Option<String> {
    let mut terminal = std::fs::OpenOptions::new().read(true).write(true).open(TERMINAL).ok()?;
    terminal.write_all(question.as_bytes()).ok()?;
    let mut line = String::new();
    let read = std::io::BufReader::new(terminal).read_line(&mut line).ok()?;
    (read > 0).then_some(line)
}

/// The terminal does not show what is typed until this is dropped.
#[cfg(unix)]
struct Echo(std::fs::File, rustix::termios::Termios);

#[cfg(unix)]
impl Echo {
    fn off() -> Option<Self> {
        use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};
        let terminal = std::fs::OpenOptions::new().read(true).write(true).open(TERMINAL).ok()?;
        let before = tcgetattr(&terminal).ok()?;
        let mut silent = before.clone();
        silent.local_modes -= LocalModes::ECHO;
        tcsetattr(&terminal, OptionalActions::Flush, &silent).ok()?;
        Some(Self(terminal, before))
    }
}

#[cfg(unix)]
impl Drop for Echo {
    fn drop(&mut self) {
        let _ = rustix::termios::tcsetattr(&self.0, rustix::termios::OptionalActions::Now, &self.1);
        let _ = self.0.write_all(b"\n");
    }
}

/// Wrong answers to one question before it is skipped.
const TRIES_MAX: u32 = 5;

/// What came of a question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer<T> {
    /// This.
    Given(T),
    /// Nothing for this question.
    Skipped,
    /// Nothing for any further question: the input has ended, or everything is to be skipped.
    End,
    /// Ctrl-C.
    Interrupted,
}

/// An answer to a yes/no question that may hold for others too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum YesNo {
    Yes,
    No,
    YesToAll,
    NoToAll,
}

/// A choice that was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Choice {
    /// This entry.
    One(usize),
    /// This entry, for all others like it too.
    AllLikeIt(usize),
}

/// Asks questions.
pub(crate) struct Prompter<'c> {
    terminal: &'c Terminal,
    interrupt: &'c Interrupt,
    /// Nobody may be asked.
    silent: bool,
    /// Yes to every "do you want to".
    yes: bool,
    ended: bool,
}

impl<'c> Prompter<'c> {
    pub(crate) fn new(terminal: &'c Terminal, interrupt: &'c Interrupt, silent: bool, yes: bool) -> Self {
        Self { terminal, interrupt, silent, yes, ended: false }
    }

    /// Returns whether a person sits at a terminal.
    pub(crate) fn interactive(&self) -> bool {
        self.terminal.interactive && !self.silent
    }

    /// Asks a question that ends in `(y/n)?`. With `others`, a person may answer for all of them.
    pub(crate) async fn yes_no(&mut self, question: impl Display, others: usize) -> Answer<YesNo> {
        if self.yes {
            self.terminal.say(format_args!("{question} y"));
            return Answer::Given(YesNo::Yes);
        }
        if self.silent || self.ended {
            return Answer::End;
        }
        let for_all = self.interactive() && others > 0;
        for _ in 0..TRIES_MAX {
            if for_all {
                self.terminal.ask(format_args!("{question} [a: yes to all {}, none: no to all]", others + 1));
            } else {
                self.terminal.ask(&question);
            }
            let line = match self.line().await {
                Answer::Given(line) => line,
                Answer::Skipped => return Answer::Skipped,
                Answer::End => return Answer::End,
                Answer::Interrupted => return Answer::Interrupted,
            };
            match line.trim().to_ascii_lowercase().as_str() {
                "y" | "yes" => return Answer::Given(YesNo::Yes),
                "n" | "no" => return Answer::Given(YesNo::No),
                "a" | "all" if for_all => return Answer::Given(YesNo::YesToAll),
                "none" if for_all => return Answer::Given(YesNo::NoToAll),
                _ => self.terminal.say("Please answer y or n."),
            }
        }
        self.terminal.say("Skipped after five answers that are neither yes nor no.");
        Answer::Skipped
    }

    /// Asks a question that only a person at a terminal can answer with yes: neither `--yes` nor a pipe can.
    pub(crate) async fn only_a_person(&mut self, question: impl Display) -> Answer<YesNo> {
        if !self.interactive() {
            return Answer::End;
        }
        let agreed = std::mem::take(&mut self.yes);
        let answer = self.yes_no(question, 0).await;
        self.yes = agreed;
        answer
    }

    /// Asks for a line of text.
    pub(crate) async fn text(&mut self, question: impl Display) -> Answer<String> {
        if self.silent || self.ended {
            return Answer::End;
        }
        self.terminal.ask(question);
        match self.line().await {
            Answer::Given(line) => Answer::Given(line.trim().to_owned()),
            other => other,
        }
    }

    /// Asks for a line of text, and on a terminal says how many seconds are left of what is waited for.
    pub(crate) async fn text_counting_down(
        &mut self,
        question: &str,
        seconds_left: fn() -> u64,
    ) -> Answer<String> {
        if !self.interactive() {
            return self.text(question).await;
        }
        let terminal = self.terminal.clone();
        let mut next = seconds_left();
        let shown = |left: u64| format!("{question} (the next one in {left:2} s)");
        terminal.ask(shown(next));
        let mut ticks = ticks();
        let mut line = std::pin::pin!(self.line());
        loop {
            tokio::select! {
                answer = &mut line => {
                    return match answer {
                        Answer::Given(line) => Answer::Given(line.trim().to_owned()),
                        other => other,
                    };
                }
                Some(()) = ticks.recv() => {
                    let left = seconds_left();
                    // Once it is there, the question stays as it is.
                    let text = if left <= next { shown(left) } else { format!("{question} (it is there now)  ") };
                    next = if left <= next { left } else { 0 };
                    // What has been typed stays where it is.
                    terminal.draw(format_args!("\x1b7\r{text}\x1b8"));
                }
            }
        }
    }

    /// Asks for a secret: on a terminal what is typed is not shown, and what comes through a pipe is not repeated.
    pub(crate) async fn secret(&mut self, question: &str) -> Answer<SecretString> {
        if self.silent || self.ended {
            return Answer::End;
        }
        if self.interactive() {
            let typed = inquire::Password::new(question)
                .without_confirmation()
                .with_display_mode(inquire::PasswordDisplayMode::Hidden)
                .prompt();
            return match typed {
                Ok(text) => Answer::Given(SecretString::from(text.trim())),
                Err(inquire::InquireError::OperationCanceled) => Answer::Skipped,
                Err(inquire::InquireError::OperationInterrupted) => {
                    self.interrupt.set();
                    Answer::Interrupted
                }
                Err(_) => Answer::End,
            };
        }
        #[cfg(unix)]
        if std::io::stdin().is_terminal() {
            // stderr goes elsewhere, and what is typed would be seen all the same.
            let Some(echo) = Echo::off() else { return Answer::End };
            let answer = self.text_on_the_terminal(question).await;
            drop(echo);
            return match answer {
                Answer::Given(line) => Answer::Given(SecretString::from(line)),
                Answer::Skipped => Answer::Skipped,
                Answer::End => Answer::End,
                Answer::Interrupted => Answer::Interrupted,
            };
        }
        self.terminal.ask(question);
        match self.read_line(false).await {
            Answer::Given(line) => Answer::Given(SecretString::from(line.trim())),
            Answer::Skipped => Answer::Skipped,
            Answer::End => Answer::End,
            Answer::Interrupted => Answer::Interrupted,
        }
    }

    /// Asks for a line on the terminal itself, whatever stdin and stdout are.
    pub(crate) async fn text_on_the_terminal(&mut self, question: &str) -> Answer<String> {
        if self.silent {
            return Answer::End;
        }
        let question = format!("{question} ");
        let (sender, receiver) = tokio::sync::oneshot::channel();
        std::thread::spawn(move || sender.send(ask_the_terminal(&question)));
        tokio::select! {
            line = receiver => match line.ok().flatten() {
                Some(line) => Answer::Given(line.trim().to_owned()),
                None => Answer::End,
            },
            () = self.interrupt.wait() => Answer::Interrupted,
        }
    }

    /// Says something about an answer, where it was asked for: without stderr, on the terminal.
    pub(crate) fn tell(&self, text: &str) {
        if !self.terminal.progress
            && let Ok(mut terminal) = std::fs::OpenOptions::new().write(true).open(TERMINAL)
        {
            let _ = writeln!(terminal, "{text}");
            return;
        }
        self.terminal.say(text);
    }

    /// Asks for one of several; `alike` describes the others that one answer could decide about.
    pub(crate) async fn choose(
        &mut self,
        question: &str,
        choices: &[String],
        alike: Option<&str>,
    ) -> Answer<Choice> {
        if self.silent || self.ended {
            return Answer::End;
        }
        if self.interactive() {
            return self.menu(question, choices, alike);
        }
        self.terminal.say(question);
        for (number, choice) in choices.iter().enumerate() {
            self.terminal.say(format_args!("  {}. {choice}", number + 1));
        }
        for _ in 0..TRIES_MAX {
            self.terminal.ask(format_args!("Choice (1-{}, or the group's name):", choices.len()));
            let line = match self.line().await {
                Answer::Given(line) => line,
                Answer::Skipped => return Answer::Skipped,
                Answer::End => return Answer::End,
                Answer::Interrupted => return Answer::Interrupted,
            };
            let line = line.trim();
            let number = line.parse::<usize>().ok().filter(|number| (1..=choices.len()).contains(number));
            let named = choices.iter().position(|choice| choice.eq_ignore_ascii_case(line));
            if let Some(position) = number.map(|number| number - 1).or(named) {
                return Answer::Given(Choice::One(position));
            }
            self.terminal.say(format_args!(
                "Please answer with a number from 1 to {}, or a group's name.",
                choices.len()
            ));
        }
        self.terminal.say("Skipped after five answers that name no group.");
        Answer::Skipped
    }

    fn menu(&mut self, question: &str, choices: &[String], alike: Option<&str>) -> Answer<Choice> {
        let mut entries: Vec<String> = choices.to_vec();
        if let Some(alike) = alike {
            entries.extend(choices.iter().map(|choice| format!("{choice}, and the same for {alike}")));
        }
        entries.push("skip this user".to_owned());
        entries.push("skip all that are left".to_owned());
        let (skip, groups) = (entries.len() - 2, choices.len());
        let chosen = inquire::Select::new(question, entries).with_page_size(10).raw_prompt();
        match chosen.map(|entry| entry.index) {
            Ok(index) if index < groups => Answer::Given(Choice::One(index)),
            Ok(index) if index < skip => Answer::Given(Choice::AllLikeIt(index - groups)),
            Ok(index) if index == skip => Answer::Skipped,
            Err(inquire::InquireError::OperationCanceled) => Answer::Skipped,
            Err(inquire::InquireError::OperationInterrupted) => {
                self.interrupt.set();
                Answer::Interrupted
            }
            Ok(_) | Err(_) => {
                self.ended = true;
                Answer::End
            }
        }
    }

    /// Reads one line from stdin, unless nobody may be asked.
    async fn line(&mut self) -> Answer<String> {
        self.read_line(true).await
    }

    async fn read_line(&mut self, shows: bool) -> Answer<String> {
        // A thread of its own: it cannot be cancelled, and must not keep Ctrl-C from being obeyed.
        let (sender, receiver) = tokio::sync::oneshot::channel();
        std::thread::spawn(move || {
            let mut line = String::new();
            let read = std::io::stdin().read_line(&mut line);
            let _ = sender.send(read.ok().filter(|bytes| *bytes > 0).map(|_| line));
        });
        let line = tokio::select! {
            line = receiver => line.ok().flatten(),
            () = self.interrupt.wait() => {
                self.terminal.say("");
                return Answer::Interrupted;
            }
        };
        match line {
            Some(line) => {
                if !self.terminal.interactive && shows {
                    // What came through a pipe is not seen otherwise.
                    self.terminal.say(crate::terminal::safe(line.trim_end()));
                }
                Answer::Given(line)
            }
            None => {
                self.ended = true;
                self.terminal.say("(no more input: the questions that are left are skipped)");
                Answer::End
            }
        }
    }
}
