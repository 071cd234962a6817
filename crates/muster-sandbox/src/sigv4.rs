//! Checks a request's signature with the secret of the key it names.
//!
//! Source: AWS General Reference, "Signature Version 4 for API requests".

use hmac::{KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};

use crate::engine::{IamError, Millis, hex};
use crate::service::WireRequest;

/// What the `Authorization` header says.
pub(crate) struct Authorization<'r> {
    pub(crate) access_key_id: &'r str,
    scope: &'r str,
    signed_headers: &'r str,
    signature: &'r str,
}

impl<'r> Authorization<'r> {
    /// Reads `AWS4-HMAC-SHA256 Credential=AKIA…/20261122/us-east-1/iam/aws4_request, SignedHeaders=…, Signature=…`.
    pub(crate) fn read(header: &'r str) -> Option<Self> {
        let rest = header.strip_prefix("AWS4-HMAC-SHA256")?;
        let part = |name: &str| {
            let mut parts = rest.split(',').map(str::trim);
            parts.find_map(|part| part.strip_prefix(name)?.strip_prefix('='))
        };
        let (access_key_id, scope) = part("Credential")?.split_once('/')?;
        Some(Self {
            access_key_id,
            scope,
            signed_headers: part("SignedHeaders")?,
            signature: part("Signature")?,
        })
    }

    /// Refuses what AWS would not take for a signed request to IAM or STS at all.
    pub(crate) fn check_scope(&self, request: &WireRequest) -> Result<(), IamError> {
        let signed = |name: &str| self.signed_headers.split(';').any(|header| header == name);
        let date = request.header("x-amz-date").unwrap_or_default();
        let parts: Vec<&str> = self.scope.split('/').collect();
        let good = matches!(parts.as_slice(), [day, region, "iam" | "sts", "aws4_request"]
            if !region.is_empty() && day.len() == 8 && date.starts_with(day));
        if good && signed("host") && signed("x-amz-date") { Ok(()) } else { Err(IamError::wrong_signature()) }
    }

    /// Returns how far the request's time is from another, in milliseconds.
    pub(crate) fn age_ms(request: &WireRequest, now: Millis) -> Option<Millis> {
        let date = request.header("x-amz-date")?;
        let (day, time) = date.strip_suffix('Z')?.split_once('T')?;
        let text = format!(
            "{}-{}-{}T{}:{}:{}Z",
            day.get(..4)?,
            day.get(4..6)?,
            day.get(6..)?,
            time.get(..2)?,
            time.get(2..4)?,
            time.get(4..)?
        );
        let at: jiff::Timestamp = text.parse().ok()?;
        Some((now - at.as_millisecond()).abs())
    }

    /// Returns whether the request was signed with this secret.
    pub(crate) fn fits(&self, request: &WireRequest, secret: &str) -> bool {
        let header = |name: &str| {
            let values = request.headers.iter().filter(|(n, _)| n.eq_ignore_ascii_case(name));
            let values: Vec<String> =
                values.map(|(_, v)| v.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
            values.join(",")
        };
        let headers: Vec<String> =
            self.signed_headers.split(';').map(|name| format!("{name}:{}\n", header(name))).collect();
        let mut query: Vec<&str> = request.query.split('&').filter(|pair| !pair.is_empty()).collect();
        query.sort_unstable();
        let canonical = format!(
            "{}\n{}\n{}\n{}\n{}\n{}",
            request.method,
            request.path,
            query.join("&"),
            headers.concat(),
            self.signed_headers,
            hex(&Sha256::digest(&request.body))
        );
        let to_sign = format!(
            "AWS4-HMAC-SHA256\n{}\n{}\n{}",
            header("x-amz-date"),
            self.scope,
            hex(&Sha256::digest(canonical))
        );
        let mut key = format!("AWS4{secret}").into_bytes();
        for part in self.scope.split('/') {
            key = mac(&key, part);
        }
        hex(&mac(&key, &to_sign)) == self.signature
    }
}

fn mac(key: &[u8], text: &str) -> Vec<u8> {
    // A key may have any length.
    let Ok(mut mac) = hmac::Hmac::<Sha256>::new_from_slice(key) else { return Vec::new() };
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().to_vec()
}
