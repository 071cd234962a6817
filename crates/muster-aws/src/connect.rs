//! From a profile to an account: credentials, region, endpoint, clients, and who it is that calls.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use aws_config::environment::EnvironmentVariableRegionProvider;
use aws_config::meta::region::RegionProviderChain;
use aws_config::profile::{ProfileFileCredentialsProvider, ProfileFileRegionProvider};
use aws_config::provider_config::ProviderConfig;
use aws_config::retry::RetryConfig;
use aws_config::stalled_stream_protection::StalledStreamProtectionConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{AppName, BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials as _, SharedCredentialsProvider};
use aws_runtime::env_config::file::EnvConfigFiles;
use aws_smithy_async::rt::sleep::TokioSleep;
use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::{self, rustls_provider::CryptoMode};
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_types::os_shim_internal::{Env, Fs};

use crate::error::{CallError, innermost};
use crate::gateway::{Gateway, Repeat};
use crate::interrupt::Interrupt;
use crate::journal::Clock;
use crate::pacing::Rate;
use crate::server_clock::ServerClock;
use crate::sts::Keys;
use crate::whole_answer::WholeAnswer;

/// The region of IAM's only endpoint in the commercial partition.
const REGION_DEFAULT: &str = "us-east-1";

/// How long to wait for a connection, and for an answer. IAM answers within a second or two; the SDK's own
/// default is to wait for ever.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);

/// Connections that are kept open between calls: one for each worker.
const IDLE_CONNECTIONS: usize = 64;

/// How to reach an account.
#[derive(Default)]
pub struct ConnectOptions {
    /// The profile, where one was named on the command line or by the config: its credentials and no others.
    pub profile: Option<String>,
    /// The profile of `AWS_PROFILE`, which keys in the environment win over, as in the AWS CLI.
    pub environment_profile: Option<String>,
    /// Whether the environment holds keys, which win over its profile.
    pub environment_has_keys: bool,
    /// The endpoint that the environment names, as far as it matters for proxies.
    pub environment_endpoint: Option<String>,
    /// `--region`.
    pub region: Option<String>,
    /// `--endpoint-url`.
    pub endpoint_url: Option<String>,
    /// An embedded account instead of the network.
    pub embedded: Option<SharedHttpClient>,
    /// These keys and no others, whatever profile and environment hold.
    pub keys: Option<Keys>,
    /// This machine's clock, to be held against AWS's.
    pub clock: Option<Clock>,
    /// Asks for the code of an MFA device, given its serial number.
    pub ask_mfa_code: Option<AskMfaCode>,
    /// Goes into the user agent, so that CloudTrail has it.
    pub run_id: String,
    /// How fast to call.
    pub rate: Option<Rate>,
    /// The wish to stop.
    pub interrupt: Interrupt,
}

/// Asks a person, or an option, for the code of an MFA device.
pub type AskMfaCode = Box<dyn Fn(&str) -> Result<String, String>>;

/// An account that answered.
#[derive(Debug)]
pub struct Account {
    /// The way to call it.
    pub gateway: Gateway,
    /// What other ways to call it are made from.
    pub(crate) config: SdkConfig,
    /// Twelve digits.
    pub id: String,
    /// `aws`, `aws-cn`, `aws-us-gov`, from the caller's own ARN.
    pub partition: String,
    /// The caller's ARN.
    pub caller_arn: String,
    /// The endpoint, if it is not AWS's own.
    pub endpoint: Option<String>,
    /// The profile in use, if any.
    pub profile: Option<String>,
}

/// Why an account cannot be reached.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// There is no such profile.
    #[error("there is no profile `{profile}` in the AWS config or credentials file")]
    NoProfile {
        /// The profile.
        profile: String,
        /// The ones there are.
        known: Vec<String>,
    },
    /// The AWS files cannot be read.
    #[error("failed to read the AWS config files: {0}")]
    ProfileFiles(String),
    /// There are no credentials anywhere.
    #[error("no AWS credentials were found")]
    NoCredentials {
        /// What the SDK says.
        detail: String,
    },
    /// There are credentials of a kind that did not work.
    #[error("failed to get AWS credentials: {detail}")]
    Credentials {
        /// What the SDK says.
        detail: String,
    },
    /// A role wants an MFA code.
    #[error("the profile `{profile}` needs the code of the MFA device {serial}: {reason}")]
    MfaCode {
        /// The profile.
        profile: String,
        /// The device.
        serial: String,
        /// Why there is none.
        reason: String,
    },
    /// The role was refused.
    #[error("failed to take on the role {role}: {source}")]
    Role {
        /// The role's ARN.
        role: String,
        /// What STS said.
        source: CallError,
    },
    /// AWS answered the first call, `GetCallerIdentity`, with an error.
    #[error("{source}")]
    Identity {
        /// What it said.
        source: CallError,
        /// Whether no region was configured anywhere.
        region_guessed: bool,
        /// Whether the credentials are those of a session.
        is_session: bool,
    },
    /// The answer about the caller makes no sense.
    #[error("the endpoint says that the caller is `{arn}`, which is no ARN")]
    Nonsense {
        /// What it said.
        arn: String,
    },
}

/// Finds credentials, region and endpoint, and asks who it is that calls.
pub async fn connect(options: ConnectOptions) -> Result<Account, ConnectError> {
    let (embedded, endpoint) = (options.embedded.clone(), options.endpoint_url.clone());
    let local =
        endpoint.as_ref().or(options.environment_endpoint.as_ref()).is_some_and(|url| is_loopback(url));
    let client = embedded
        .clone()
        .unwrap_or_else(|| SharedHttpClient::new(Https { proxy: !local, ..Https::default() }));
    let named = options.profile.clone().or_else(|| options.environment_profile.clone());
    let region = region(options.region.as_deref(), named.as_deref(), embedded.is_some()).await;
    let region_guessed = region.is_none();
    let region = region.unwrap_or_else(|| Region::from_static(REGION_DEFAULT));

    let mut loader = aws_config::defaults(BehaviorVersion::v2026_01_12())
        .http_client(client.clone())
        .region(region.clone())
        .sleep_impl(TokioSleep::new())
        .timeout_config(timeouts())
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled());
    if let Ok(name) = AppName::new(format!("muster-{}", options.run_id)) {
        loader = loader.app_name(name);
    }
    if let Some(url) = &endpoint {
        loader = loader.endpoint_url(url);
    }
    if let Some(profile) = &named {
        loader = loader.profile_name(profile);
    }
    if embedded.is_some() {
        loader = loader.endpoint_url("http://embedded.invalid");
    }
    if let Some(keys) = &options.keys {
        loader = loader.credentials_provider(SharedCredentialsProvider::from(keys.clone()));
    } else if embedded.is_some() {
        // The account's administrator. The key is the documentation's own example and opens nothing.
        let key = Credentials::new(
            "AKIAIOSFODNN7EXAMPLE",
            "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
            None,
            None,
            "muster",
        );
        loader = loader.credentials_provider(key);
    } else if let Some(provider) = profile_provider(&options, &client, &region).await? {
        loader = loader.credentials_provider(provider);
    }
    let config = loader.load().await;
    let is_session = check_credentials(&config, named.as_deref()).await?;
    let gateway = gateway(&config, &options);
    gateway.is_session.store(is_session, std::sync::atomic::Ordering::Relaxed);

    let identity = gateway
        .call("sts", "GetCallerIdentity", Repeat::Safe, || gateway.sts.get_caller_identity().send())
        .await
        .map_err(|source| ConnectError::Identity { source, region_guessed, is_session })?;
    let arn = identity.arn().unwrap_or_default().to_owned();
    let (Some(partition), Some(account)) = (arn.split(':').nth(1), identity.account()) else {
        return Err(ConnectError::Nonsense { arn });
    };
    Ok(Account {
        id: account.to_owned(),
        partition: partition.to_owned(),
        caller_arn: arn.clone(),
        endpoint: if embedded.is_some() { None } else { configured_endpoint(&config, endpoint) },
        profile: named,
        gateway,
        config,
    })
}

fn gateway(config: &SdkConfig, options: &ConnectOptions) -> Gateway {
    let clock = ServerClock::new(options.clock);
    let rate = options.rate.unwrap_or(Rate::Auto);
    Gateway::new(clients(config, &clock), clock, rate, options.interrupt.clone())
}

/// Makes the clients of an account.
pub(crate) fn clients(config: &SdkConfig, clock: &ServerClock) -> (aws_sdk_iam::Client, aws_sdk_sts::Client) {
    // Our own pacing repeats calls; the SDK's would do so unseen, uncounted, and for creates unsafely. Its limiter
    // is shared by everything in the process, whatever account it calls.
    let iam = aws_sdk_iam::config::Builder::from(config).retry_config(RetryConfig::disabled());
    let sts = aws_sdk_sts::config::Builder::from(config).retry_config(RetryConfig::disabled());
    (
        aws_sdk_iam::Client::from_conf(iam.interceptor(WholeAnswer).interceptor(clock.clone()).build()),
        aws_sdk_sts::Client::from_conf(sts.interceptor(WholeAnswer).interceptor(clock.clone()).build()),
    )
}

fn timeouts() -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .operation_attempt_timeout(ANSWER_TIMEOUT)
        .build()
}

async fn region(given: Option<&str>, profile: Option<&str>, embedded: bool) -> Option<Region> {
    if let Some(region) = given {
        return Some(Region::new(region.to_owned()));
    }
    if embedded {
        return Some(Region::from_static(REGION_DEFAULT));
    }
    let mut of_profile = ProfileFileRegionProvider::builder();
    if let Some(profile) = profile {
        of_profile = of_profile.profile_name(profile);
    }
    // Not the SDK's own chain, which would ask the instance metadata address last.
    let chain =
        RegionProviderChain::first_try(EnvironmentVariableRegionProvider::new()).or_else(of_profile.build());
    chain.region().await
}

/// Returns the endpoint that IAM is called at, if the configuration names one.
fn configured_endpoint(config: &SdkConfig, given: Option<String>) -> Option<String> {
    let of_service = config.service_config().and_then(|service| {
        let key = aws_types::service_config::ServiceConfigKey::builder()
            .service_id("IAM")
            .env("AWS_ENDPOINT_URL")
            .profile("endpoint_url")
            .build()
            .ok()?;
        service.load_config(key)
    });
    let endpoint = given.or(of_service).or_else(|| config.endpoint_url().map(str::to_owned))?;
    // One spelling for one place: records and locks are kept by it.
    Some(endpoint.trim_end_matches('/').to_ascii_lowercase())
}

/// Returns the provider for a profile that was named outright: no other source is tried.
async fn profile_provider(
    options: &ConnectOptions,
    client: &SharedHttpClient,
    region: &Region,
) -> Result<Option<SharedCredentialsProvider>, ConnectError> {
    let of_environment = options.environment_profile.as_deref().filter(|_| !options.environment_has_keys);
    let Some(profile) = options.profile.as_deref().or(of_environment) else {
        return Ok(None);
    };
    let files = aws_config::profile::load(&Fs::real(), &Env::real(), &EnvConfigFiles::default(), None).await;
    let files = files.map_err(|error| ConnectError::ProfileFiles(innermost(&error)))?;
    if options.profile.is_none() && profile == "default" && files.get_profile(profile).is_none() {
        return Ok(None); // as if nobody had named it
    }
    let Some(found) = files.get_profile(profile) else {
        let mut known: Vec<String> = files.profiles().map(str::to_owned).collect();
        known.sort();
        return Err(ConnectError::NoProfile { profile: profile.to_owned(), known });
    };
    let get = |key: &str| found.get(key).map(str::to_owned);
    let role = match (get("role_arn"), get("mfa_serial"), get("source_profile")) {
        (Some(role_arn), Some(serial), Some(source)) => Some((role_arn, serial, source)),
        _ => None,
    };
    if options.profile.is_none() && role.is_none() {
        return Ok(None); // `AWS_PROFILE`: the default chain
    }
    let provider_config = || {
        ProviderConfig::without_region()
            .with_region(Some(region.clone()))
            .with_http_client(client.clone())
            .with_sleep_impl(TokioSleep::new())
            .with_timeout_config(timeouts())
    };
    let of_profile = |name: &str| {
        ProfileFileCredentialsProvider::builder().configure(&provider_config()).profile_name(name).build()
    };
    let Some((role_arn, serial, source)) = role else {
        return Ok(Some(SharedCredentialsProvider::new(of_profile(profile))));
    };
    let ask = options.ask_mfa_code.as_ref().ok_or("nobody can be asked".to_owned());
    let code = ask.and_then(|ask| ask(&serial)).map_err(|reason| ConnectError::MfaCode {
        profile: profile.to_owned(),
        serial: serial.clone(),
        reason,
    })?;
    let source = SharedCredentialsProvider::new(of_profile(&source));
    let role = Role {
        arn: role_arn,
        serial,
        session: get("role_session_name").unwrap_or_else(|| format!("muster-{}", options.run_id)),
        external_id: get("external_id"),
        duration_s: get("duration_seconds").and_then(|seconds| seconds.parse().ok()),
    };
    let credentials = assume(&role, code, source, options, client, region).await?;
    Ok(Some(SharedCredentialsProvider::new(credentials)))
}

/// A role to take on with an MFA code, which the SDK's own profile provider does not do.
struct Role {
    arn: String,
    serial: String,
    session: String,
    external_id: Option<String>,
    duration_s: Option<i32>,
}

async fn assume(
    role: &Role,
    code: String,
    source: SharedCredentialsProvider,
    options: &ConnectOptions,
    client: &SharedHttpClient,
    region: &Region,
) -> Result<Credentials, ConnectError> {
    let mut loader = aws_config::defaults(BehaviorVersion::v2026_01_12())
        .http_client(client.clone())
        .region(region.clone())
        .sleep_impl(TokioSleep::new())
        .timeout_config(timeouts())
        .credentials_provider(source);
    if let Some(url) = &options.endpoint_url {
        loader = loader.endpoint_url(url);
    }
    // A code works once: repeating the call after a lost answer would be refused.
    let sts = aws_sdk_sts::config::Builder::from(&loader.load().await).retry_config(RetryConfig::disabled());
    let sts = aws_sdk_sts::Client::from_conf(sts.build());
    let answer = sts
        .assume_role()
        .role_arn(&role.arn)
        .role_session_name(&role.session)
        .serial_number(&role.serial)
        .token_code(code)
        .set_external_id(role.external_id.clone())
        .set_duration_seconds(role.duration_s)
        .send()
        .await;
    let refused = |source| ConnectError::Role { role: role.arn.clone(), source };
    let answer = answer.map_err(|error| refused(CallError::new("sts", "AssumeRole", &error)))?;
    let session = answer
        .credentials()
        .ok_or_else(|| ConnectError::Credentials { detail: "STS answered without a session".to_owned() })?;
    let expires = std::time::SystemTime::try_from(*session.expiration()).ok();
    Ok(Credentials::new(
        session.access_key_id(),
        session.secret_access_key(),
        Some(session.session_token().to_owned()),
        expires,
        "muster",
    ))
}

/// Gets the credentials once before anything else, where a failure can be told best; says if they are a session's.
async fn check_credentials(config: &SdkConfig, profile: Option<&str>) -> Result<bool, ConnectError> {
    let Some(provider) = config.credentials_provider() else {
        return Err(ConnectError::NoCredentials {
            detail: "no source of credentials is configured".to_owned(),
        });
    };
    match provider.provide_credentials().await {
        Ok(credentials) => Ok(credentials.session_token().is_some()),
        Err(error @ CredentialsError::CredentialsNotLoaded(_)) => {
            let detail = match profile {
                Some(profile) => format!("the profile `{profile}` has none that can be used"),
                None => innermost(&error),
            };
            Err(ConnectError::NoCredentials { detail })
        }
        Err(error) => {
            let detail = innermost(&error);
            // The chain ends at the instance metadata address; what that says is no news to somebody without keys.
            let is_last_resort =
                profile.is_none() && (detail.contains("IMDS") || detail.contains("instance metadata"));
            Err(if is_last_resort {
                ConnectError::NoCredentials { detail }
            } else {
                ConnectError::Credentials { detail }
            })
        }
    }
}

/// Returns whether an endpoint is on this machine, where no proxy is asked.
fn is_loopback(url: &str) -> bool {
    let host = url.split("://").nth(1).unwrap_or(url).split('/').next().unwrap_or_default();
    let host = host.strip_prefix('[').map_or_else(
        || host.rsplit_once(':').map_or(host, |(host, _)| host),
        |rest| rest.split(']').next().unwrap_or_default(),
    );
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// HTTPS on `ring`. Certificates are loaded with the first connection, not before: an embedded account and
/// `--version` need none.
#[derive(Debug, Default)]
struct Https {
    proxy: bool,
    connectors: Mutex<HashMap<Timeouts, SharedHttpConnector>>,
}

type Timeouts = (Option<Duration>, Option<Duration>);

impl HttpClient for Https {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        parts: &RuntimeComponents,
    ) -> SharedHttpConnector {
        let mut connectors = self.connectors.lock().unwrap_or_else(PoisonError::into_inner);
        let timeouts = (settings.connect_timeout(), settings.read_timeout());
        let connector = connectors.entry(timeouts).or_insert_with(|| {
            let proxy = if self.proxy { ProxyConfig::from_env() } else { ProxyConfig::disabled() };
            let mut builder = aws_smithy_http_client::Connector::builder()
                .connector_settings(settings.clone())
                .pool_idle_timeout(Duration::from_secs(30))
                .pool_max_idle_per_host(IDLE_CONNECTIONS)
                .proxy_config(proxy)
                .tls_provider(tls::Provider::Rustls(CryptoMode::Ring));
            builder.set_sleep_impl(parts.sleep_impl());
            SharedHttpConnector::new(builder.build())
        });
        connector.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_endpoints_are_told_from_others() {
        for url in ["http://127.0.0.1:5000", "http://localhost", "http://[::1]:80/x", "http://127.0.0.9:1/"] {
            assert!(is_loopback(url), "{url}");
        }
        for url in ["https://iam.amazonaws.com", "http://localhost.example.com", "http://10.0.0.1:80"] {
            assert!(!is_loopback(url), "{url}");
        }
    }
}
