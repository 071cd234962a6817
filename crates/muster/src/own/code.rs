//! The code of an MFA device: from an option, a program, or the person.

use std::process::{Command, Stdio};

use muster_aws::Gateway;

use crate::context::Context;
use crate::error::CliError;
use crate::prompt::{Answer, Prompter};
use crate::terminal::safe;

/// Wrong answers to the question for a code before it is given up.
const TRIES_MAX: u32 = 5;

/// Codes that AWS is asked about. It looks at nine in three minutes, and at no more.
pub(super) const CODES_MAX: u32 = 3;

/// Where the person is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asking {
    /// As everything else is asked.
    AsUsual,
    /// On the terminal itself: stdin and stdout belong to another program.
    OnTheTerminal,
}

/// Gets a code; a person is not let off with one that was used already.
pub(super) async fn code(
    context: &Context,
    prompter: &mut Prompter<'_>,
    asking: Asking,
    serial: &str,
    used: &[String],
) -> Result<String, CliError> {
    let global = &context.global;
    if let Some(code) = &global.mfa_code {
        return checked(code).map_err(CliError::usage);
    }
    if let Some(command) = &global.mfa_command {
        return code_of_command(command).map_err(|error| CliError::refused(error, "nothing was changed"));
    }
    let question = format!("MFA code of {}:", safe(serial));
    for _ in 0..TRIES_MAX {
        let answer = match asking {
            Asking::AsUsual => prompter.text(&question).await,
            Asking::OnTheTerminal => prompter.text_on_the_terminal(&question).await,
        };
        let line = match answer {
            Answer::Given(line) => line,
            Answer::Interrupted => return Err(CliError::Interrupted("nothing was changed".to_owned())),
            Answer::Skipped | Answer::End => {
                return Err(CliError::refused(
                    format!("the code of the MFA device {} is needed, and nobody answers", safe(serial)),
                    "give it with --mfa-code, name a command that prints it with --mfa-command, or run this on a terminal",
                ));
            }
        };
        match checked(&line) {
            Ok(code) if used.contains(&code) => {
                prompter.tell("That code was used: wait for the app to show another one.");
            }
            Ok(code) => return Ok(code),
            Err(problem) => prompter.tell(&problem),
        }
    }
    Err(CliError::refused("five answers that are no code", "nothing was changed"))
}

/// Refuses a code that was given as an option and is none, before anything else is done.
pub(crate) fn check_given_code(context: &Context) -> Result<(), CliError> {
    match &context.global.mfa_code {
        Some(code) => checked(code).map(|_| ()).map_err(CliError::usage),
        None => Ok(()),
    }
}

/// Says why AWS may have refused a code.
pub(super) fn why_refused(gateway: &Gateway) -> String {
    let ahead_s = gateway.server_is_ahead_s();
    let text = "a code is good once, for about half a minute, and from this device only; a device that was enabled a moment \
                ago takes some ten seconds; on a phone whose clock is off, all codes are wrong";
    if ahead_s.abs() <= CLOCK_OFF_S {
        return text.to_owned();
    }
    let way = if ahead_s > 0 { "behind" } else { "ahead of" };
    format!(
        "{text}\nthis machine's clock is {} {way} AWS's: codes that are computed on it are wrong until it is set right",
        time(ahead_s.abs())
    )
}

/// A clock that is further off than this is worth a word, in seconds.
const CLOCK_OFF_S: i64 = 20;

fn time(seconds: i64) -> String {
    if seconds < 120 { format!("{seconds} s") } else { format!("{} min", (seconds + 30) / 60) }
}

fn checked(text: &str) -> Result<String, String> {
    let code: String = text.split_whitespace().collect();
    if code.len() == 6 && code.bytes().all(|byte| byte.is_ascii_digit()) {
        return Ok(code);
    }
    Err("A code has six digits.".to_owned())
}

/// Runs a command that prints a code.
pub(crate) fn code_of_command(command: &str) -> Result<String, String> {
    let output =
        Command::new("sh").args(["-c", command]).stdin(Stdio::null()).stderr(Stdio::inherit()).output();
    let output = output.map_err(|error| format!("failed to run the command of --mfa-command: {error}"))?;
    if !output.status.success() {
        return Err(format!("the command of --mfa-command failed: {}", output.status));
    }
    // What it printed is not repeated: it may be more than a code.
    checked(&String::from_utf8_lossy(&output.stdout))
        .map_err(|_| "the command of --mfa-command did not print a code of six digits".to_owned())
}
