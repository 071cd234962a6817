//! Writes answers in the envelope of the Query protocol.

use std::fmt::Write as _;

use crate::engine::{Field, IamError, Reply, Service};

/// Operations whose answers have no `…Result` element. Source: service model `iam/2010-05-08`.
const WITHOUT_RESULT: &[&str] = &[
    "AddUserToGroup",
    "AttachGroupPolicy",
    "AttachUserPolicy",
    "ChangePassword",
    "CreateAccountAlias",
    "DeactivateMFADevice",
    "DeleteAccessKey",
    "DeleteAccountPasswordPolicy",
    "DeleteGroup",
    "DeleteGroupPolicy",
    "DeleteLoginProfile",
    "DeleteRole",
    "DeleteRolePolicy",
    "DeleteServiceSpecificCredential",
    "DeleteSigningCertificate",
    "DeleteSSHPublicKey",
    "DeleteUser",
    "DeleteUserPermissionsBoundary",
    "DeleteUserPolicy",
    "DeleteVirtualMFADevice",
    "DetachGroupPolicy",
    "DetachUserPolicy",
    "EnableMFADevice",
    "PutGroupPolicy",
    "PutRolePolicy",
    "PutUserPermissionsBoundary",
    "PutUserPolicy",
    "RemoveUserFromGroup",
    "ResyncMFADevice",
    "TagMFADevice",
    "TagUser",
    "UntagUser",
    "UpdateAccessKey",
    "UpdateAccountPasswordPolicy",
    "UpdateLoginProfile",
    "UpdateServiceSpecificCredential",
    "UpdateSigningCertificate",
    "UpdateSSHPublicKey",
];

fn namespace(service: Service) -> &'static str {
    match service {
        Service::Iam => "https://iam.amazonaws.com/doc/2010-05-08/",
        Service::Sts => "https://sts.amazonaws.com/doc/2011-06-15/",
    }
}

pub(crate) fn success(service: Service, action: &str, reply: &Reply, request_id: &str) -> String {
    let mut out = format!("<{action}Response xmlns=\"{}\">", namespace(service));
    if !WITHOUT_RESULT.contains(&action) {
        let _ = write!(out, "<{action}Result>");
        members(&mut out, reply);
        let _ = write!(out, "</{action}Result>");
    }
    let _ = write!(
        out,
        "<ResponseMetadata><RequestId>{request_id}</RequestId></ResponseMetadata></{action}Response>"
    );
    out
}

pub(crate) fn failure(service: Service, error: &IamError, request_id: &str) -> String {
    let mut out = format!("<ErrorResponse xmlns=\"{}\"><Error>", namespace(service));
    let _ = write!(out, "<Type>{}</Type><Code>{}</Code><Message>", error.fault(), error.code);
    escape(&mut out, &error.message);
    let _ = write!(out, "</Message></Error><RequestId>{request_id}</RequestId></ErrorResponse>");
    out
}

fn members(out: &mut String, reply: &Reply) {
    for (name, field) in &reply.0 {
        let _ = write!(out, "<{name}>");
        value(out, field);
        let _ = write!(out, "</{name}>");
    }
}

fn value(out: &mut String, field: &Field) {
    match field {
        Field::Text(text) => escape(out, text),
        Field::Struct(reply) => members(out, reply),
        Field::List(items) => {
            for item in items {
                out.push_str("<member>");
                value(out, item);
                out.push_str("</member>");
            }
        }
        Field::Map(entries) => {
            for (key, text) in entries {
                let _ = write!(out, "<entry><key>{key}</key><value>");
                escape(out, text);
                out.push_str("</value></entry>");
            }
        }
    }
}

/// Escapes markup, and replaces what XML 1.0 cannot carry at all.
fn escape(out: &mut String, text: &str) {
    for c in text.chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '"' => out.push_str("&quot;"),
            '\r' => out.push_str("&#xD;"),
            '\t' | '\n' => out.push(c),
            '\0'..='\x1f' | '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
}
