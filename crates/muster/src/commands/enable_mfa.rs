//! `muster enable-mfa`

use muster_aws::{
    Creation, Journal, Kind, Mfa, OpenTask, StepError, TaskEnd, TaskKind, device_serial, mfa_devices,
    own_name, stray_devices,
};
use muster_core::config::{ConfigFile, Overrides, Tool};
use muster_core::estate::is_virtual;
use muster_core::mutation::Mutation;
use muster_core::name::UserName;
use muster_credentials::sealing::{Gpg, Sealer};
use secrecy::ExposeSecret as _;

use super::recover::{Options, recover_earlier};
use crate::cli::{EnableChoice, EnableMfaArgs};
use crate::context::{Connecting, Context, Session};
use crate::environment::now_s;
use crate::error::CliError;
use crate::exit::Exit;
use crate::own::{Asker, LongLived, Own, Wanted, best_device, signing};
use crate::prompt::{Answer, Prompter, YesNo};
use crate::terminal::safe;
use crate::users::{
    Enrolment, Handover, OutFolder, Place, Report, Sealing, UserReport, Work, automatic, by_a_person,
    check_names, is_file_of, sealer_of,
};

/// MFA devices of one user, at most. Source: IAM User Guide, "IAM and AWS STS quotas".
const DEVICES_MAX: usize = 8;

/// What the name of the bundle with a second factor ends in.
const BUNDLE: &str = ".mfa.zip";

pub(crate) async fn run(context: &Context, args: &EnableMfaArgs) -> Result<Exit, CliError> {
    let config = context.config()?;
    let settings = context.settings(&config, Tool::EnableMfa, &Overrides::default())?;
    let folder = OutFolder::new(&args.folder)?;
    let own = Own::find(context, &config)?;
    let given = args.user_name.as_ref().map(UserName::new);
    let names: Vec<UserName> =
        given.iter().cloned().chain(args.device_name.as_ref().map(UserName::new)).collect();
    if !names.is_empty() {
        check_names(&names)?;
    }
    // Oneself by one's own key; others as every command does it.
    let long_lived = own.long_lived.as_ref().filter(|_| given.is_none());
    let how = Connecting {
        keys: long_lived.map(|found| signing(&found.keys)),
        profile: long_lived.map(|_| own.profile.clone()),
        changes: !args.dry_run,
        silent: false,
    };
    let session = context.connect_as(&config, &settings, how).await?;
    let user = match given {
        Some(user) => user,
        None => who(&session).await?,
    };
    let _lock = if args.dry_run { None } else { Some(session.home.lock()?) };
    let asker = Asker { context, config: &config, settings: &settings, own: &own, at: None };
    let job = Job { asker, args, user: &user, folder: &folder, long_lived };
    if !args.dry_run {
        job.finish_earlier(&session).await?;
    }
    let mut prompter = context.prompter();
    let devices = job.devices(&session).await?;
    if !devices.is_empty() && args.device_name.is_none() && !args.dry_run {
        let question = format!("Enable another MFA device for user '{}' (y/n)?", safe(user.as_str()));
        match prompter.yes_no(question, 0).await {
            Answer::Given(YesNo::Yes | YesNo::YesToAll) => {}
            Answer::Interrupted => return Err(CliError::Interrupted("nothing was changed".to_owned())),
            _ => return job.keep(&session, &devices),
        }
    }
    // Source: captures of real answers: who has a device adds another one in an MFA session only.
    let is_self = session.caller().as_ref() == Some(&user);
    let with_mfa =
        match best_device(&devices, &user).filter(|_| is_self && long_lived.is_some() && !args.dry_run) {
            Some(serial) => {
                let wanted = Wanted { serial: Some(serial), ..Wanted::any() };
                let asker = Asker { at: Some(&session), ..asker };
                Some(session.with_keys(&crate::own::session(asker, &wanted, &mut prompter).await?.keys))
            }
            None => None,
        };
    job.enable(with_mfa.as_ref().unwrap_or(&session), &devices, &mut prompter).await
}

/// What is done about a user's devices.
struct Job<'a> {
    asker: Asker<'a>,
    args: &'a EnableMfaArgs,
    user: &'a UserName,
    folder: &'a OutFolder,
    /// The caller's own key, where it is about the caller's own device.
    long_lived: Option<&'a LongLived>,
}

impl Job<'_> {
    /// Finishes or undoes what an earlier run left.
    async fn finish_earlier(&self, session: &Session) -> Result<(), CliError> {
        let Asker { context, config, settings, .. } = self.asker;
        let is_ours = |open: &OpenTask| {
            open.task.user == *self.user && matches!(open.task.kind, TaskKind::EnableMfa { .. })
        };
        let options = Options {
            which: &is_ours,
            resume: false,
            sealing: Sealing::from(&self.args.seal),
            folder: self.folder,
            settings,
            config,
            profile: None,
        };
        let users = recover_earlier(context, session, self.user, &options).await?;
        let problems: Vec<String> = users.into_iter().flat_map(|report| report.errors).collect();
        if problems.is_empty() { Ok(()) } else { Err(CliError::Preflight { problems, exit: Exit::Failed }) }
    }

    /// Lists the devices that the user has, and says what they are.
    async fn devices(&self, session: &Session) -> Result<Vec<String>, CliError> {
        let terminal = &self.asker.context.terminal;
        let user = safe(self.user.as_str());
        let devices = match mfa_devices(&session.account.gateway, self.user).await {
            Ok(devices) => devices,
            Err(error) if error.kind == Kind::Denied => {
                terminal.warn(format_args!(
                    "the MFA devices of user '{user}' may not be listed, so there may be some"
                ));
                Vec::new()
            }
            Err(error) => return Err(error.into()),
        };
        for device in &devices {
            terminal.say(format_args!("User '{user}' has {}.", safe(&kind_of(device))));
        }
        if devices.len() >= DEVICES_MAX {
            return Err(CliError::refused(
                format!("a user can have {DEVICES_MAX} MFA devices, and `{user}` has them"),
                "take one away first, in the console under Security credentials",
            ));
        }
        Ok(devices)
    }

    /// Leaves it at the devices that are there.
    fn keep(&self, session: &Session, devices: &[String]) -> Result<Exit, CliError> {
        let Asker { context, own, .. } = self.asker;
        let mut report = UserReport::new(self.user, None);
        "has a device".clone_into(&mut report.result);
        match (best_device(devices, self.user), self.long_lived) {
            // One that is there and is the user's stays.
            (Some(serial), Some(found)) if own.serial.as_ref().is_none_or(|own| !devices.contains(own)) => {
                own.files.edit(found.kind, |text| text.put_serial(&found.profile, &serial))?;
                report.notes.push(format!("the profile '{}' names {serial} now", found.profile));
            }
            _ => context.terminal.say("--device-name NAME adds another one."),
        }
        Report::new(context, session, false, vec![report], None).show(context)
    }

    /// Makes a device, and enables it.
    async fn enable(
        &self,
        session: &Session,
        devices: &[String],
        prompter: &mut Prompter<'_>,
    ) -> Result<Exit, CliError> {
        let Asker { context, config, own, .. } = self.asker;
        let (args, user) = (self.args, self.user);
        let (name, stray) = self.name(session, devices, prompter).await?;
        let serial = device_serial(&session.account, &name);
        if args.dry_run {
            let delete = stray.map(|device| Mutation::DeleteVirtualMFADevice { device });
            let calls = delete.into_iter().chain([
                Mutation::CreateVirtualMFADevice { device: serial.clone() },
                Mutation::EnableMFADevice { user: user.clone(), device: serial },
            ]);
            let mut report = UserReport::new(user, None).planned(calls);
            "would get a device".clone_into(&mut report.result);
            return Report::new(context, session, true, vec![report], None).show(context);
        }
        let mfa = if args.mfa == EnableChoice::Auto { Mfa::Auto } else { Mfa::Prompt };
        if mfa == Mfa::Prompt && context.global.no_input {
            return Err(CliError::usage_with(
                "--no-input leaves nobody to give the codes of a new device",
                "--mfa auto enables it without a person, and seals its secret",
            ));
        }
        if let Some(found) = self.long_lived {
            own.files.rehearse(found.kind, |text| text.put_serial(&found.profile, &serial))?;
        }
        let sealer = self.sealer(mfa, prompter).await?;
        let journal = Journal::create(&session.home, &context.record_head(config, session), now_s)?;
        let making = Making {
            work: Work { context, session, journal: &journal, folder: self.folder },
            user,
            name: &name,
            stray,
            mfa,
            sealer: &sealer,
            own,
            long_lived: self.long_lived,
            place: config.file.as_ref().and_then(ConfigFile::profile_name),
        };
        let profile = self.long_lived.map(|found| found.profile.clone());
        journal.begin(&making.work.task(user, None, TaskKind::EnableMfa { device: serial, mfa, profile }))?;
        let mut report = UserReport::new(user, None);
        let done = Box::pin(making.make(prompter, &mut report)).await;
        if let Err(error) = &done {
            report.errors.push(error.to_string());
        }
        session.save()?;
        let record = if report.result == UNDONE {
            journal.close()?.display().to_string()
        } else {
            super::close_journal(context, journal, std::slice::from_ref(&report))?
        };
        if done.is_ok() && self.long_lived.is_some() {
            let profile = safe(&own.profile);
            let next = format!("`muster init-sts-session --profile {profile}`");
            context.terminal.say(format_args!("The app's next code makes a session: {next}"));
        }
        let exit = Report::new(context, session, false, vec![report], Some(record)).show(context)?;
        Ok(if matches!(done, Err(CliError::Interrupted(_))) { Exit::Interrupted } else { exit })
    }

    /// Finds out whom a second factor that muster enables is sealed for, and that it can be.
    async fn sealer(&self, mfa: Mfa, prompter: &mut Prompter<'_>) -> Result<Sealer, CliError> {
        if mfa == Mfa::Prompt {
            return Ok(Sealer::new(Gpg::default(), Vec::new(), None));
        }
        let Asker { context, settings, .. } = self.asker;
        if let Some(taken) = self.folder.taken(self.user, BUNDLE) {
            return Err(CliError::Preflight { problems: vec![taken], exit: Exit::Failed });
        }
        let sealing = Sealing::from(&self.args.seal);
        let mut sealer = sealer_of(self.user, &[], &sealing, settings)?;
        if !super::create_user::may_be_plaintext(context, &mut sealer, &sealing, prompter).await? {
            return Err(super::create_user::nobody_to_seal_for(self.user, &sealer));
        }
        sealer.test()?;
        self.folder.mind_git(context, prompter).await?;
        self.folder.prepare()?;
        Ok(sealer)
    }

    /// Returns a name for the device, and the device of that name that an earlier try left and that is to go first.
    async fn name(
        &self,
        session: &Session,
        devices: &[String],
        prompter: &mut Prompter<'_>,
    ) -> Result<(UserName, Option<String>), CliError> {
        let account = &session.account;
        // Where it may not be asked, IAM says so when the device is made.
        let strays = match stray_devices(account).await {
            Ok(strays) => strays,
            Err(error) if error.kind == Kind::Denied => Vec::new(),
            Err(error) => return Err(error.into()),
        };
        let given = self.args.device_name.as_ref();
        let numbered = (2..=DEVICES_MAX + 1).map(|number| UserName::new(format!("{}-{number}", self.user)));
        let names: Vec<UserName> = match given {
            Some(name) => vec![UserName::new(name)],
            None => std::iter::once(self.user.clone()).chain(numbered).collect(),
        };
        for name in names {
            let serial = device_serial(account, &name);
            if devices.contains(&serial) && given.is_some() {
                return Err(CliError::usage(format!("the user has a device of the name `{name}` already")));
            }
            if devices.contains(&serial) {
                continue;
            }
            if !strays.contains(&serial) {
                return Ok((name, None));
            }
            if self.args.dry_run {
                return Ok((name, Some(serial)));
            }
            let question = format!(
                "The MFA device {} is left from an earlier try and is nobody's. Remove it first (y/n)?",
                safe(&serial)
            );
            match prompter.yes_no(question, 0).await {
                Answer::Given(YesNo::Yes | YesNo::YesToAll) => return Ok((name, Some(serial))),
                Answer::Interrupted => return Err(CliError::Interrupted("nothing was changed".to_owned())),
                _ => {}
            }
        }
        Err(CliError::refused("no name is free for the device", "name it with --device-name"))
    }
}

/// Finds out who calls: as IAM says it, else as the caller's ARN does.
async fn who(session: &Session) -> Result<UserName, CliError> {
    let by_iam = match own_name(&session.account.gateway).await {
        Ok(name) => name,
        Err(error) if matches!(error.kind, Kind::Denied | Kind::Other | Kind::NotFound) => None,
        Err(error) => return Err(error.into()),
    };
    by_iam.or_else(|| session.caller()).ok_or_else(|| {
        CliError::usage_with(
            format!("`{}` is no user, so it has no MFA devices", safe(&session.account.caller_arn)),
            "name the user with --user-name, or your own profile with --profile",
        )
    })
}

/// Says what kind of device a serial number is of.
fn kind_of(serial: &str) -> String {
    if is_virtual(serial) {
        format!("the virtual MFA device {serial}")
    } else if serial.contains(":u2f/") {
        format!("the passkey or security key {serial}, which gives no codes")
    } else {
        format!("the hardware token {serial}")
    }
}

/// Makes and enables a device.
struct Making<'a> {
    work: Work<'a>,
    user: &'a UserName,
    name: &'a UserName,
    stray: Option<String>,
    mfa: Mfa,
    sealer: &'a Sealer,
    own: &'a Own,
    long_lived: Option<&'a LongLived>,
    /// The config's name for the account's profile.
    place: Option<&'a str>,
}

impl Making<'_> {
    fn creation(&self) -> Creation<'_> {
        let Work { session, journal, .. } = self.work;
        Creation {
            account: &session.account,
            journal,
            user: self.user.clone(),
            run: journal.run().to_owned(),
        }
    }

    async fn make(&self, prompter: &mut Prompter<'_>, report: &mut UserReport) -> Result<(), CliError> {
        let creation = self.creation();
        let tags = if self.mfa == Mfa::Auto { creation.device_tags(true) } else { Vec::new() };
        if let Some(device) = &self.stray
            && !self.work.step(&Mutation::DeleteVirtualMFADevice { device: device.clone() }, report).await
        {
            let error = report.steps.last().and_then(|step| step.error.clone()).unwrap_or_default();
            self.undone(report)?;
            return Err(StepError::Other(error).into());
        }
        let device = match creation.device(self.name, &tags).await {
            Ok(device) => device,
            Err(StepError::Call(error)) if error.effect == muster_aws::Effect::None => {
                self.undone(report)?;
                if error.kind == Kind::AlreadyExists {
                    return Err(CliError::usage_with(
                        format!("the name `{}` of the device is taken", self.name),
                        "name another with --device-name",
                    ));
                }
                return Err(error.into());
            }
            Err(error) => return Err(error.into()),
        };
        self.work.context.changed.set(true);
        let enabled = self.enable(&creation, &device, prompter, report).await;
        match enabled {
            Ok(Enrolment::Enabled) => {}
            other => {
                // Undoing is part of stopping.
                let _shield = self.work.session.account.gateway.shield();
                let unsure = matches!(&other, Err(CliError::Step(StepError::Call(error))) if error.effect == muster_aws::Effect::Unknown);
                if !unsure {
                    creation.abandon(&device.serial).await?;
                    discard(report)?;
                    self.undone(report)?;
                    self.work.context.changed.set(false);
                }
                return Err(match other {
                    Ok(Enrolment::Interrupted) => {
                        CliError::Interrupted("the device was taken away again".to_owned())
                    }
                    Ok(_) => {
                        StepError::Other("MFA was not set up, and the device was taken away again".to_owned())
                            .into()
                    }
                    Err(error) => error,
                });
            }
        }
        report.notes.push(format!("the device {} is enabled", device.serial));
        "enabled".clone_into(&mut report.result);
        self.write_down(&device.serial, report)?;
        self.work.session.save()?;
        self.work.journal.end(self.user, TaskEnd::Done)?;
        Ok(())
    }

    async fn enable(
        &self,
        creation: &Creation<'_>,
        device: &muster_aws::NewDevice,
        prompter: &mut Prompter<'_>,
        report: &mut UserReport,
    ) -> Result<Enrolment, CliError> {
        if self.mfa == Mfa::Prompt {
            return by_a_person(&self.work, prompter, creation, device).await;
        }
        // Saved before it is enabled: a device that works is one whose seed is not lost.
        let mut handover = Handover::new(self.sealer, self.user);
        handover.second_factor(device.qr_png.expose_secret(), &device.seed)?;
        let files = handover.write(&self.work, &Place::new(&self.work, self.place), BUNDLE)?;
        report.files = files.iter().map(|file| file.display().to_string()).collect();
        automatic(&self.work, creation, device).await
    }

    /// Writes the serial number into the profile.
    fn write_down(&self, serial: &str, report: &mut UserReport) -> Result<(), CliError> {
        let Some(found) = self.long_lived else { return Ok(()) };
        self.own.files.edit(found.kind, |text| text.put_serial(&found.profile, serial))?;
        report.notes.push(format!("the profile '{}' names it", found.profile));
        Ok(())
    }

    /// Says that nothing is left of it.
    fn undone(&self, report: &mut UserReport) -> Result<(), CliError> {
        UNDONE.clone_into(&mut report.result);
        self.work.session.save()?;
        Ok(self.work.journal.end(self.user, TaskEnd::Undone)?)
    }
}

/// The result where nothing is left of it.
const UNDONE: &str = "no device";

/// Takes away the bundle of a device that does not work.
fn discard(report: &mut UserReport) -> Result<(), CliError> {
    for file in std::mem::take(&mut report.files) {
        let path = std::path::PathBuf::from(file);
        muster_durable::remove(&path).map_err(|error| CliError::Write { path, reason: error.to_string() })?;
    }
    Ok(())
}

/// Finishes or undoes what an earlier run left: a device that is the user's works, one that is nobody's goes.
pub(super) async fn resume(
    work: &Work<'_>,
    open: &OpenTask,
    serial: &str,
    profile: Option<&str>,
) -> Result<UserReport, CliError> {
    let user = &open.task.user;
    let mut report = UserReport::new(user, open.user_id.as_deref());
    let devices = mfa_devices(&work.session.account.gateway, user).await?;
    if devices.iter().any(|device| device == serial) {
        if let Some(profile) = profile {
            let own = Own::of(work.context, profile)?;
            if let Some(found) = own.long_lived.as_ref().filter(|found| found.profile == profile) {
                own.files.edit(found.kind, |text| text.put_serial(profile, serial))?;
            }
        }
        "enabled".clone_into(&mut report.result);
        work.journal.end(user, TaskEnd::Done)?;
        return Ok(report);
    }
    // IAM refuses to delete a device that is somebody's.
    let was_begun = open.calls.iter().any(|call| call.action() == "CreateVirtualMFADevice");
    let delete = Mutation::DeleteVirtualMFADevice { device: serial.to_owned() };
    if was_begun && !work.step(&delete, &mut report).await {
        report.errors.extend(report.steps.last().and_then(|step| step.error.clone()));
        return Ok(report);
    }
    let path = work.folder.file(user, BUNDLE);
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    if is_file_of(open, &path, &name) || was_begun {
        work.discard_files(open, &[BUNDLE], &mut report)?;
    }
    "undone".clone_into(&mut report.result);
    work.journal.end(user, TaskEnd::Undone)?;
    Ok(report)
}
