//! Policies looked at by AWS's Access Analyzer, which knows every service's actions and keys.

use aws_sdk_accessanalyzer::operation::validate_policy::ValidatePolicyOutput;
use aws_sdk_accessanalyzer::types::{PolicyType, ValidatePolicyFindingType};
use aws_smithy_types::retry::RetryConfig;

use crate::connect::Account;
use crate::error::CallError;
use crate::gateway::Repeat;
use crate::read::{Tail, pages};

/// What Access Analyzer says about a policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remark {
    /// AWS refuses such a policy, or it cannot do what it says.
    pub is_error: bool,
    /// `ERROR`, `SECURITY_WARNING`, `WARNING`, `SUGGESTION`.
    pub kind: String,
    /// `MISSING_VERSION`, …
    pub code: String,
    /// What is wrong, and where to read on.
    pub details: String,
}

/// Has Access Analyzer look at an identity policy. It stores nothing.
pub async fn validate_policy(account: &Account, document: &str) -> Result<Vec<Remark>, CallError> {
    let (gateway, action) = (&account.gateway, "ValidatePolicy");
    let config = aws_sdk_accessanalyzer::config::Builder::from(&account.config);
    let config = config.retry_config(RetryConfig::disabled()).build();
    let client = aws_sdk_accessanalyzer::Client::from_conf(config);
    let mut remarks = Vec::new();
    let fetch = async |token: Option<String>| {
        let call = || {
            let call = client.validate_policy().policy_type(PolicyType::IdentityPolicy);
            call.policy_document(document).set_next_token(token.clone()).send()
        };
        gateway.call("access-analyzer", action, Repeat::Safe, call).await
    };
    let tail = |page: &ValidatePolicyOutput| {
        page.next_token().map_or(Tail::End, |token| Tail::More(token.to_owned()))
    };
    let read = pages(action, fetch, tail, |page| {
        remarks.extend(page.findings().iter().map(|finding| Remark {
            is_error: *finding.finding_type() == ValidatePolicyFindingType::Error,
            kind: finding.finding_type().as_str().to_owned(),
            code: finding.issue_code().to_owned(),
            details: format!("{} ({})", finding.finding_details(), finding.learn_more_link()),
        }));
        Ok(())
    });
    read.await?;
    Ok(remarks)
}
