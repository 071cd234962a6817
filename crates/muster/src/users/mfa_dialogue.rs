//! Enrolling an MFA device: by a person with an app, or by muster itself.

use std::time::Duration;

use muster_aws::{Creation, EnableError, NewDevice, StepError};
use muster_credentials::{Codes, Drawing, STEP_S, draw_qr};
use secrecy::{ExposeSecret as _, SecretString};

use super::Work;
use crate::environment::now_s;
use crate::error::CliError;
use crate::prompt::{Answer, Prompter};

/// Wrong pairs of codes before the device is given up.
const TRIES_MAX: u32 = 5;

/// What came of an enrolment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Enrolment {
    /// The device is enabled.
    Enabled,
    /// The person has given up, or nobody answers.
    Abandoned,
    /// Ctrl-C.
    Interrupted,
}

/// Computes the codes and enables the device. Codes of the step before and of this one are taken by AWS at once, as
/// captures of real answers show; where they are not, those of the next step are waited for.
pub(crate) async fn automatic(
    work: &Work<'_>,
    creation: &Creation<'_>,
    device: &NewDevice,
) -> Result<Enrolment, CliError> {
    let codes = Codes::new(&device.seed).map_err(|error| StepError::Other(error.to_string()))?;
    // By AWS's clock: where this machine's is off, the device would be, and the person's phone is not.
    let now = now_s() + work.session.account.gateway.server_is_ahead_s();
    let now = (u64::try_from(now).unwrap_or_default() / STEP_S).max(1);
    for step in [now, now + 1] {
        let enabled = creation.enable(&device.serial, &codes.at_step(step - 1), &codes.at_step(step)).await;
        match enabled {
            Ok(()) => return Ok(Enrolment::Enabled),
            Err(EnableError::Step(error)) => return Err(error.into()),
            Err(EnableError::WrongCodes) if step == now => {
                work.context.terminal.say("AWS wants codes that are newer; waiting for the next one...");
                work.session.account.gateway.wait(Duration::from_secs(STEP_S)).await;
            }
            Err(EnableError::WrongCodes) => {}
        }
    }
    Err(StepError::Other(
        "AWS does not accept the codes that this machine computes; is its clock right?".to_owned(),
    )
    .into())
}

/// Draws the QR code and asks for two consecutive codes.
pub(crate) async fn by_a_person(
    work: &Work<'_>,
    prompter: &mut Prompter<'_>,
    creation: &Creation<'_>,
    device: &NewDevice,
) -> Result<Enrolment, CliError> {
    let terminal = &work.context.terminal;
    let account = work.session.alias.as_deref().unwrap_or(&work.session.account.id);
    let text = SecretString::from(format!(
        "otpauth://totp/{}@{account}?secret={}",
        creation.user,
        device.seed.expose_secret()
    ));
    let drawing = if terminal.colors_err() { Drawing::Colors } else { Drawing::Plain };
    let drawn = draw_qr(&text, drawing).filter(|drawn| terminal.progress && fits(drawn));
    match drawn {
        Some(drawn) => {
            terminal.say(drawn.trim_end_matches('\n'));
            terminal.say(
                "Scan the QR code with the authenticator app, then give two codes, one after the other.",
            );
        }
        None => {
            terminal.say("Give the secret to the authenticator app, then two codes, one after the other.");
        }
    }
    terminal.say("(s shows the secret, q gives up)");
    for tries_left in (0..TRIES_MAX).rev() {
        let first = match ask(work, prompter, "First code:", &device.seed, None).await {
            Asked::Code(code) => code,
            Asked::Ended(ended) => return Ok(ended),
        };
        let second = match ask(work, prompter, "Second code:", &device.seed, Some(&first)).await {
            Asked::Code(code) => code,
            Asked::Ended(ended) => return Ok(ended),
        };
        match creation.enable(&device.serial, &first, &second).await {
            Ok(()) => return Ok(Enrolment::Enabled),
            Err(EnableError::Step(error)) => return Err(error.into()),
            Err(EnableError::WrongCodes) if tries_left == 0 => {}
            Err(EnableError::WrongCodes) => terminal.say(
                "AWS does not accept these two codes. They must come from this QR code, one right after the other, \
                 the older one first, and none may be used twice.",
            ),
        }
    }
    terminal.say("Given up after five wrong pairs of codes.");
    Ok(Enrolment::Abandoned)
}

/// Returns whether a drawing has room: one that wraps is no QR code any more.
fn fits(drawn: &str) -> bool {
    let width = drawn.lines().next().map(|line| line.chars().filter(|c| "█▀▄ ".contains(*c)).count());
    let size = terminal_size::terminal_size_of(std::io::stderr());
    size.is_none_or(|(terminal_size::Width(columns), _)| {
        width.is_some_and(|width| width <= usize::from(columns))
    })
}

enum Asked {
    Code(String),
    Ended(Enrolment),
}

async fn ask(
    work: &Work<'_>,
    prompter: &mut Prompter<'_>,
    question: &str,
    secret: &SecretString,
    not: Option<&str>,
) -> Asked {
    let terminal = &work.context.terminal;
    for _ in 0..TRIES_MAX {
        let answer = match not {
            None => prompter.text(question).await,
            Some(_) => prompter.text_counting_down(question, next_code).await,
        };
        let line = match answer {
            Answer::Given(line) => line,
            Answer::Interrupted => return Asked::Ended(Enrolment::Interrupted),
            Answer::Skipped | Answer::End => return Asked::Ended(Enrolment::Abandoned),
        };
        let code: String = line.split_whitespace().collect();
        match code.as_str() {
            "q" | "quit" => return Asked::Ended(Enrolment::Abandoned),
            "s" => terminal.say(format_args!("The secret: {}", secret.expose_secret())),
            code if Some(code) == not => {
                terminal.say("That is the first code again: wait for the app to show another one.");
            }
            code if code.len() == 6 && code.bytes().all(|byte| byte.is_ascii_digit()) => {
                return Asked::Code(code.to_owned());
            }
            _ => terminal.say("A code has six digits."),
        }
    }
    terminal.say("Given up after five answers that are no code.");
    Asked::Ended(Enrolment::Abandoned)
}

/// Returns how many seconds it takes until the app shows another code.
fn next_code() -> u64 {
    STEP_S - u64::try_from(now_s()).unwrap_or_default() % STEP_S
}
