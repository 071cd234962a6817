//! Sessions: who signs with which key, `GetSessionToken`, `AssumeRole`.

use std::sync::Arc;

use super::evaluation::{Decision, Question, decide, decide_trust};
use super::mfa::Checked;
use super::params::{code, external_id, number_in, role_arn, serial, session_name};
use super::state::{Edit, Role, Session, SessionOf, State, User, key};
use super::{Account, Call, Caller, IamError, Millis, Reply, Service, seconds, timestamp};

/// How long what has ended is remembered, so that its end can be told from what never was.
const REMEMBERED_S: i64 = 2 * 86_400;

/// Seconds. Source: AWS STS API Reference, `GetSessionToken` and `AssumeRole`.
const SESSION_S: (i64, i64, i64) = (900, 129_600, 43_200);
const ROOT_SESSION_S_MAX: i64 = 3600;
const ROLE_S: (i64, i64, i64) = (900, 43_200, 3600);
const CHAINED_S_MAX: i64 = 3600;

/// A caller, and the session that it calls in.
#[derive(Debug, Clone)]
pub struct Principal {
    /// Who.
    pub caller: Caller,
    /// In which session; `None` with long-lived keys.
    pub session: Option<Arc<Session>>,
}

impl Account {
    /// Finds out who signs with a key. One that nobody here has is the administrator's.
    ///
    /// # Errors
    ///
    /// A key that is inactive, was made a moment ago, or whose session has ended.
    pub fn principal(&self, key_id: &str, token: Option<&str>, now: Millis) -> Result<Principal, IamError> {
        let Some(session) = self.current.sessions.get(key_id) else {
            let caller = self.owner_of_key(key_id)?;
            return match (&caller, token) {
                (Caller::User(_), Some(_)) => Err(IamError::unknown_key()),
                _ => Ok(Principal { caller, session: None }),
            };
        };
        if token != Some(session.token.as_str()) {
            return Err(IamError::unknown_key());
        }
        if session.expires <= seconds(now) {
            return Err(IamError::expired_token());
        }
        let caller = match &session.of {
            SessionOf::Root => Caller::Administrator,
            // Who is gone has no session any more.
            SessionOf::User(id) => {
                let user = self.current.users.iter().find(|(_, user)| user.id == *id);
                Caller::User(user.ok_or_else(IamError::unknown_key)?.0.clone())
            }
            SessionOf::Role { role, name } => {
                let found = self.current.roles.iter().find(|(_, found)| found.id == *role);
                Caller::Role {
                    role: found.ok_or_else(IamError::unknown_key)?.0.clone(),
                    session: name.clone(),
                }
            }
        };
        Ok(Principal { caller, session: Some(Arc::clone(session)) })
    }

    /// Refuses what a session may not do. Source: AWS STS API Reference, `GetSessionToken`: without MFA it may not call
    /// IAM, and of STS only `AssumeRole` and `GetCallerIdentity`.
    pub(super) fn check_session(call: &Call<'_>, service: Service) -> Result<(), IamError> {
        let Some(session) = &call.session else { return Ok(()) };
        let is_role = matches!(session.of, SessionOf::Role { .. });
        match service {
            Service::Iam if !is_role && session.mfa_at.is_none() => Err(IamError::unknown_key()),
            Service::Sts if call.action == "GetSessionToken" => {
                Err(IamError::access_denied("Cannot call GetSessionToken with session credentials"))
            }
            _ => Ok(()),
        }
    }

    pub(super) fn get_session_token(&mut self, call: &Call<'_>) -> Result<Reply, IamError> {
        let is_root = call.caller == Caller::Administrator;
        let (min, max, default) = SESSION_S;
        let duration = number_in(call.params, "DurationSeconds", min, max)?.unwrap_or(default);
        let duration = if is_root { duration.min(ROOT_SESSION_S_MAX) } else { duration };
        let mfa_at = self.mfa_of(call)?;
        let of = match &call.caller {
            Caller::User(key) => SessionOf::User(self.user_to_write(key)?.id),
            _ => SessionOf::Root,
        };
        let session = self.new_session(call.now, of, mfa_at, duration);
        Ok(Reply::new().nested("Credentials", credentials_reply(&session)))
    }

    pub(super) fn assume_role(&mut self, call: &Call<'_>) -> Result<Reply, IamError> {
        let arn = call.params.required("RoleArn", role_arn)?;
        let name = call.params.required("RoleSessionName", session_name)?.to_owned();
        for unsupported in ["Policy", "PolicyArns.member.1.arn", "Tags.member.1.Key"] {
            if call.params.get(unsupported).is_some() {
                return Err(IamError::validation(
                    "Policies and tags of a session are not there in an embedded account",
                ));
            }
        }
        let external = call.params.text("ExternalId", external_id)?;
        let (min, max, default) = ROLE_S;
        let duration = number_in(call.params, "DurationSeconds", min, max)?.unwrap_or(default);
        let own = self.arn_of(&call.caller);
        let refused = || {
            IamError::access_denied(&format!(
                "User: {own} is not authorized to perform: sts:AssumeRole on resource: {arn}"
            ))
        };
        if call.caller == Caller::Administrator {
            return Err(IamError::access_denied("Roles may not be assumed by root accounts."));
        }
        let found = self.visible.roles.values().find(|role| self.role_arn(role) == arn);
        let Some(role) = found.map(|role| Role::clone(role)) else { return Err(refused()) };
        let mfa_at = self.mfa_of(call)?.or_else(|| call.session.as_ref().and_then(|session| session.mfa_at));
        let mut question = Question::new("sts:AssumeRole", arn);
        question.context = self.context_of(call, mfa_at);
        let question = match external {
            Some(id) => question.with("sts:ExternalId", id),
            None => question,
        }
        .with("sts:RoleSessionName", &name);
        let account = [self.arn("root"), self.identity.account.clone()];
        let by_name = decide_trust(&role.trust, &[own.clone(), self.principal_arn(&call.caller)], &question);
        let by_account = decide_trust(&role.trust, &account, &question);
        // Who is named needs nothing more; where the account is, the caller's own policies decide.
        let allowed = match (by_name, by_account) {
            (Decision::ExplicitDeny, _) | (_, Decision::ExplicitDeny) => false,
            (Decision::Allowed, _) => {
                !self.enforces || self.decide_own(call, &question) != Decision::ExplicitDeny
            }
            (_, Decision::Allowed) => !self.enforces || self.decide_own(call, &question) == Decision::Allowed,
            _ => false,
        };
        if !allowed {
            return Err(refused());
        }
        let is_chained = matches!(call.caller, Caller::Role { .. });
        if duration > if is_chained { CHAINED_S_MAX } else { role.max_session_s } {
            return Err(IamError::validation(if is_chained {
                "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining"
            } else {
                "The requested DurationSeconds exceeds the MaxSessionDuration set for this role."
            }));
        }
        let id = format!("{}:{name}", role.id);
        let of = SessionOf::Role { role: role.id.clone(), name: name.clone() };
        // Source: IAM User Guide, "Secure API access with MFA": the credentials of a role carry no MFA information.
        let session = self.new_session(call.now, of, None, duration);
        let assumed = Caller::Role { role: key(&role.name), session: name };
        let user = Reply::new().text("AssumedRoleId", id).text("Arn", self.arn_of(&assumed));
        Ok(Reply::new().nested("Credentials", credentials_reply(&session)).nested("AssumedRoleUser", user))
    }

    /// Checks the code that comes with a call; returns when it was given, if one was.
    fn mfa_of(&mut self, call: &Call<'_>) -> Result<Option<i64>, IamError> {
        let serial = call.params.text("SerialNumber", serial)?;
        let code = call.params.text("TokenCode", code)?;
        let (serial, code) = match (serial, code) {
            (None, None) => return Ok(None),
            (Some(serial), Some(code)) => (serial, code),
            _ => return Err(IamError::validation("SerialNumber and TokenCode must be given together")),
        };
        let (Caller::User(owner), None) = (&call.caller, &call.session) else {
            return Err(IamError::access_denied(CANNOT_VALIDATE));
        };
        match self.check_code(owner, serial, code, call.now) {
            Checked::Right => Ok(Some(seconds(call.now))),
            Checked::Wrong => Err(IamError::access_denied(WRONG_CODE)),
            Checked::Refused => Err(IamError::access_denied(CANNOT_VALIDATE)),
        }
    }

    fn new_session(
        &mut self,
        now: Millis,
        of: SessionOf,
        mfa_at: Option<i64>,
        duration_s: i64,
    ) -> Arc<Session> {
        let mut id = self.new_id("ASIA");
        id.truncate(20);
        let session = Arc::new(Session {
            id,
            secret: self.new_secret(40),
            token: self.new_secret(256),
            of,
            mfa_at,
            issued: seconds(now),
            expires: seconds(now) + duration_s,
        });
        let is_over = |session: &Session| session.expires + REMEMBERED_S < seconds(now);
        let over: Vec<String> = self
            .current
            .sessions
            .values()
            .filter(|session| is_over(session))
            .map(|session| session.id.clone())
            .collect();
        for id in over {
            self.write(now, Edit::Session(id, None));
        }
        self.write(now, Edit::Session(session.id.clone(), Some(Arc::clone(&session))));
        session
    }

    /// Returns the ARN of a caller as policies know it: that of the role, where one was assumed.
    fn principal_arn(&self, caller: &Caller) -> String {
        let role = match caller {
            Caller::Role { role, .. } => self.current.roles.get(role),
            _ => None,
        };
        role.map_or_else(|| self.arn_of(caller), |role| self.role_arn(role))
    }

    /// Judges a request by the caller's own policies.
    pub(super) fn decide_own(&self, call: &Call<'_>, question: &Question) -> Decision {
        match &call.caller {
            Caller::Administrator => Decision::Allowed,
            Caller::User(key) => match self.current.users.get(key) {
                Some(user) => self.decide_for(user, question),
                None => Decision::ImplicitDeny,
            },
            Caller::Role { role, .. } => {
                let role = self.current.roles.get(role);
                decide(
                    role.into_iter().flat_map(|role| self.current.policies_of_role(role)).map(|p| p.document),
                    question,
                )
            }
        }
    }

    /// Judges a request by a user's policies, those of its groups, and its boundary.
    pub(super) fn decide_for(&self, user: &User, question: &Question) -> Decision {
        let decision = decide(self.current.policies_of_user(user).map(|policy| policy.document), question);
        let document = |arn: &String| self.current.policies.get(arn).map(|policy| policy.document.as_str());
        let boundary = user.boundary.as_ref().map(|arn| decide(document(arn), question));
        match (decision, boundary) {
            (Decision::ExplicitDeny, _) | (_, Some(Decision::ExplicitDeny)) => Decision::ExplicitDeny,
            (Decision::Allowed, None | Some(Decision::Allowed)) => Decision::Allowed,
            _ => Decision::ImplicitDeny,
        }
    }

    /// Returns the condition keys of a call. Source: AWS global condition context keys.
    pub(super) fn context_of(
        &self,
        call: &Call<'_>,
        mfa_at: Option<i64>,
    ) -> std::collections::BTreeMap<String, Vec<String>> {
        let mut question = self
            .about(&self.current, &call.caller, call.now)
            .with("aws:PrincipalIsAWSService", false)
            .with("aws:RequestedRegion", "us-east-1")
            .with("aws:SourceIp", &self.source_ip)
            .with("aws:SecureTransport", true)
            .with("aws:ViaAWSService", false);
        if let Some(session) = &call.session {
            question = question.with("aws:TokenIssueTime", timestamp(session.issued));
        }
        // Long-lived keys have neither.
        if call.session.is_some() || mfa_at.is_some() {
            question = question.with("aws:MultiFactorAuthPresent", mfa_at.is_some());
        }
        if let Some(at) = mfa_at {
            question = question.with("aws:MultiFactorAuthAge", seconds(call.now) - at);
        }
        question.context
    }

    /// Returns a request with what is known of whoever asks, and the time.
    pub(super) fn about(&self, state: &State, caller: &Caller, now: Millis) -> Question {
        let mut question = Question::default()
            .with("aws:CurrentTime", timestamp(seconds(now)))
            .with("aws:EpochTime", seconds(now))
            .with("aws:PrincipalAccount", &self.identity.account)
            .with("aws:PrincipalArn", self.principal_arn(caller))
            .with(
                "aws:PrincipalType",
                match caller {
                    Caller::Administrator => "Account",
                    Caller::User(_) => "User",
                    Caller::Role { .. } => "AssumedRole",
                },
            );
        if let Caller::Role { role, session } = caller
            && let Some(role) = state.roles.get(role)
        {
            question = question.with("aws:userid", format!("{}:{session}", role.id));
        }
        if let Caller::User(key) = caller
            && let Some(user) = state.users.get(key)
        {
            question = question.with("aws:username", &user.name).with("aws:userid", &user.id);
            for tag in &user.tags {
                question = question.with(&format!("aws:PrincipalTag/{}", tag.key), &tag.value);
            }
        }
        question
    }
}

/// Source: lonelyplanet/aws-mfa#20, aws/aws-cli#6325; with its blank at the end.
const WRONG_CODE: &str = "MultiFactorAuthentication failed with invalid MFA one time pass code. ";

/// Source: captures of real answers; broamski/aws-mfa#46.
const CANNOT_VALIDATE: &str = "MultiFactorAuthentication failed, unable to validate MFA code.  Please verify your MFA \
                               serial number is valid and associated with this user.";

fn credentials_reply(session: &Session) -> Reply {
    Reply::new()
        .text("AccessKeyId", &session.id)
        .text("SecretAccessKey", &session.secret)
        .text("SessionToken", &session.token)
        .text("Expiration", timestamp(session.expires))
}
