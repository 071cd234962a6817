//! Passwords: login profiles, and the account's password policy.

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::evaluation::{Decision, Question};
use super::params::{new_user_name, password};
use super::state::{Edit, Login, User};
use super::{Account, Call, Caller, IamError, Params, Reply, seconds, timestamp};

/// Symbols that the policy counts. Source: IAM User Guide, "Set an account password policy for IAM users".
const SYMBOLS: &str = "!@#$%^&*()_+-=[]{}|'";

/// Earlier passwords that are remembered. Source: service model, `PasswordReusePrevention` up to 24.
const EARLIER_MAX: usize = 24;

/// What an account asks of passwords.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PasswordPolicy {
    /// Characters at the least, 6 to 128.
    pub length_min: u32,
    /// A symbol must be there.
    pub symbols: bool,
    /// A digit must be there.
    pub numbers: bool,
    /// A capital must be there.
    pub uppercase: bool,
    /// A small letter must be there.
    pub lowercase: bool,
    /// Users may change their own.
    pub users_may_change: bool,
    /// Days until it must be changed.
    pub age_days_max: Option<u32>,
    /// Earlier ones that may not be used again.
    pub reuse_prevention: Option<u32>,
    /// An expired one is for an administrator to change.
    pub hard_expiry: bool,
}

impl Account {
    pub(super) fn create_login_profile(&mut self, call: &Call<'_>) -> Result<Reply, IamError> {
        let mut user = self.user_to_write(Self::user_meant(call)?)?;
        let password = call.params.required("Password", password)?;
        let reset = call.params.bool("PasswordResetRequired")?.unwrap_or_default();
        if user.login.is_some() {
            let message = format!("Login Profile for user {} already exists.", user.name);
            return Err(IamError { message, ..IamError::already_exists("", "") });
        }
        self.check_password(password)?;
        let created = seconds(call.now);
        let hash = self.hashed(&user, password);
        let login = Login { created, reset_required: reset, hash, earlier: Vec::new() };
        let reply = login_reply(&user, &login);
        user.login = Some(login);
        self.write_user(call.now, user);
        Ok(Reply::new().nested("LoginProfile", reply))
    }

    pub(super) fn get_login_profile(&self, call: &Call<'_>) -> Result<Reply, IamError> {
        let user = self.user_to_read(Self::user_meant(call)?)?;
        let login = user.login.as_ref().ok_or_else(|| no_login(user))?;
        Ok(Reply::new().nested("LoginProfile", login_reply(user, login)))
    }

    /// A flag that is left out keeps its value.
    pub(super) fn update_login_profile(&mut self, call: &Call<'_>) -> Result<Reply, IamError> {
        let name = call.params.required("UserName", new_user_name)?;
        let mut user = self.user_to_write(name)?;
        let new = call.params.text("Password", password)?;
        let reset = call.params.bool("PasswordResetRequired")?;
        let mut login = user.login.clone().ok_or_else(|| no_login(&user))?;
        if let Some(new) = new {
            self.check_password(new)?;
            login.hash = self.hashed(&user, new);
        }
        login.reset_required = reset.unwrap_or(login.reset_required);
        user.login = Some(login);
        self.write_user(call.now, user);
        Ok(Reply::new())
    }

    pub(super) fn delete_login_profile(&mut self, call: &Call<'_>) -> Result<Reply, IamError> {
        let mut user = self.user_to_write(Self::user_meant(call)?)?;
        // A profile that is not seen everywhere yet is still "being created".
        let seen = self.visible.users.get(&super::key(&user.name)).is_some_and(|user| user.login.is_some());
        match (user.login.take(), seen) {
            (None, _) => Err(no_login(&user)),
            (Some(_), false) => Err(IamError::unmodifiable(&format!(
                "Login Profile for User {} cannot be modified while login profile is being created.",
                user.name
            ))),
            (Some(_), true) => {
                self.write_user(call.now, user);
                Ok(Reply::new())
            }
        }
    }

    pub(super) fn change_password(&mut self, call: &Call<'_>) -> Result<Reply, IamError> {
        let old = call.params.required("OldPassword", password)?;
        let new = call.params.required("NewPassword", password)?;
        let Caller::User(name) = &call.caller else { return Err(IamError::user_type()) };
        let mut user = self.user_to_write(name)?;
        let login = user.login.clone().ok_or_else(|| no_login(&user))?;
        let refused =
            || IamError::denied(&self.arn_of(&call.caller), "iam:ChangePassword", &self.arn_of(&call.caller));
        if login.hash != self.hashed(&user, old) || old == new {
            return Err(refused());
        }
        let allowed = self.current.password_policy.is_some_and(|policy| policy.users_may_change);
        let mut question = Question::new("iam:ChangePassword", self.user_arn(&user));
        question.context = self.context_of(call, call.session.as_ref().and_then(|session| session.mfa_at));
        if !allowed && self.decide_for(&user, &question) != Decision::Allowed {
            return Err(refused());
        }
        self.check_password(new)?;
        let hash = self.hashed(&user, new);
        let kept =
            self.current.password_policy.and_then(|policy| policy.reuse_prevention).unwrap_or_default();
        let kept = usize::try_from(kept).unwrap_or_default();
        if login.earlier.iter().take(kept).any(|earlier| *earlier == hash) {
            return Err(IamError::password("Password is one of the earlier ones, and may not be used again"));
        }
        let mut earlier = vec![login.hash.clone()];
        earlier.extend(login.earlier.iter().take(EARLIER_MAX - 1).cloned());
        user.login = Some(Login { hash, reset_required: false, earlier, ..login });
        self.write_user(call.now, user);
        Ok(Reply::new())
    }

    pub(super) fn get_account_password_policy(&self) -> Result<Reply, IamError> {
        let policy = self.visible.password_policy.as_ref().ok_or_else(|| self.no_policy())?;
        let reply = Reply::new()
            .text("MinimumPasswordLength", policy.length_min)
            .text("RequireSymbols", policy.symbols)
            .text("RequireNumbers", policy.numbers)
            .text("RequireUppercaseCharacters", policy.uppercase)
            .text("RequireLowercaseCharacters", policy.lowercase)
            .text("AllowUsersToChangePassword", policy.users_may_change)
            .text("ExpirePasswords", policy.age_days_max.is_some())
            .maybe("MaxPasswordAge", policy.age_days_max)
            .maybe("PasswordReusePrevention", policy.reuse_prevention)
            .text("HardExpiry", policy.hard_expiry);
        Ok(Reply::new().nested("PasswordPolicy", reply))
    }

    /// Not partial: what is left out goes back to its default.
    pub(super) fn update_account_password_policy(&mut self, call: &Call<'_>) -> Result<Reply, IamError> {
        let flag = |name: &str| call.params.bool(name).map(Option::unwrap_or_default);
        let policy = PasswordPolicy {
            length_min: number(call.params, "MinimumPasswordLength", 6, 128)?.unwrap_or(6),
            symbols: flag("RequireSymbols")?,
            numbers: flag("RequireNumbers")?,
            uppercase: flag("RequireUppercaseCharacters")?,
            lowercase: flag("RequireLowercaseCharacters")?,
            users_may_change: flag("AllowUsersToChangePassword")?,
            age_days_max: number(call.params, "MaxPasswordAge", 1, 1095)?,
            reuse_prevention: number(call.params, "PasswordReusePrevention", 1, 24)?,
            hard_expiry: flag("HardExpiry")?,
        };
        self.write(call.now, Edit::PasswordPolicy(Some(policy)));
        Ok(Reply::new())
    }

    pub(super) fn delete_account_password_policy(&mut self, call: &Call<'_>) -> Result<Reply, IamError> {
        if self.current.password_policy.is_none() {
            return Err(self.no_policy());
        }
        self.write(call.now, Edit::PasswordPolicy(None));
        Ok(Reply::new())
    }

    fn no_policy(&self) -> IamError {
        IamError::not_found(format!(
            "The Password Policy with domain name {} cannot be found.",
            self.identity.account
        ))
    }

    fn check_password(&self, password: &str) -> Result<(), IamError> {
        let has = |wanted: fn(char) -> bool| password.chars().any(wanted);
        let classes = [
            (has(|c| c.is_ascii_uppercase()), "one uppercase letter"),
            (has(|c| c.is_ascii_lowercase()), "one lowercase letter"),
            (has(|c| c.is_ascii_digit()), "one number"),
            (has(|c| SYMBOLS.contains(c)), "one symbol"),
        ];
        let length = u32::try_from(password.chars().count()).unwrap_or(u32::MAX);
        let length_min = self.current.password_policy.map_or(8, |policy| policy.length_min);
        if length < length_min {
            return Err(IamError::password(format!("Password should have a minimum length of {length_min}")));
        }
        let Some(policy) = self.current.password_policy else {
            let missing = classes.iter().filter(|(is_there, _)| !is_there).count();
            if missing > 1 {
                return Err(IamError::password(format!(
                    "Password should meet {} more of the following requirements: Password should have at least one \
                     uppercase letter, one lowercase letter, one number, one symbol",
                    missing - 1
                )));
            }
            return Ok(());
        };
        let asked = [policy.uppercase, policy.lowercase, policy.numbers, policy.symbols];
        for ((is_there, what), asked) in classes.into_iter().zip(asked) {
            if asked && !is_there {
                return Err(IamError::password(format!("Password should have at least {what}")));
            }
        }
        Ok(())
    }

    /// Passwords are kept as no more than is needed to know them again.
    fn hashed(&self, user: &User, password: &str) -> String {
        let mut hash = Sha256::new();
        hash.update(format!("{}\n{}\n", self.identity.account, user.id));
        hash.update(password);
        super::hex(&hash.finalize())
    }
}

fn number(params: &Params, name: &str, least: u32, most: u32) -> Result<Option<u32>, IamError> {
    let Some(text) = params.get(name) else { return Ok(None) };
    let number: u32 = text.parse().map_err(|_| IamError::malformed(format!("{name} is no number")))?;
    if (least..=most).contains(&number) {
        return Ok(Some(number));
    }
    Err(IamError::validation(format!(
        "1 validation error detected: Value at '{name}' failed to satisfy constraint: Member must have value between \
         {least} and {most}"
    )))
}

fn no_login(user: &User) -> IamError {
    IamError::not_found(format!("Login Profile for User {} cannot be found.", user.name))
}

fn login_reply(user: &User, login: &Login) -> Reply {
    Reply::new()
        .text("UserName", &user.name)
        .text("CreateDate", timestamp(login.created))
        .text("PasswordResetRequired", login.reset_required)
}
