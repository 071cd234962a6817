//! MFA devices: virtual ones with a real seed and real codes, hardware and passkeys as far as taking them away.

use std::sync::Arc;

use hmac::{KeyInit as _, Mac as _};
use qrcode::QrCode;

use super::params::{TAGS_MAX, code, device_name, name_128, path, serial};
use super::state::{Edit, MfaDevice, User, key};
use super::users::tag_reply;
use super::{Account, Call, Draw, IamError, Millis, Reply, seconds, timestamp};

/// MFA devices of one user, at most. Source: IAM User Guide, "IAM and AWS STS quotas".
const DEVICES_PER_USER: usize = 8;

/// Base32 characters of a seed, as the captures of real answers have them.
const SEED_CHARS: usize = 64;

/// Seconds that a code lasts. Source: RFC 6238.
const STEP_S: i64 = 30;

/// How far the second code's step may lie from now at enrolment: from behind to ahead.
/// Source: captures of real answers, MFA enrolment window.
const STEPS_BEHIND: i64 = 998;
const STEPS_AHEAD: i64 = 1000;

/// The same for a code that is used, around where the device's clock was when it was enabled.
/// Source: captures of real answers, as are the next two.
const STEPS_AT_STS: i64 = 2;

/// Codes that are looked at in each stretch of three minutes.
const CHECKS_MAX: u32 = 9;
const CHECKS_STRETCH_S: i64 = 180;

/// What came of a code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Checked {
    /// It is the device's, and was not used before.
    Right,
    /// It is not.
    Wrong,
    /// The device is not the user's, or not yet, or was asked about too often.
    Refused,
}

impl Account {
    pub(super) fn create_virtual_mfa_device(&mut self, call: &Call<'_>) -> Result<Reply, IamError> {
        let name = call.params.required("VirtualMFADeviceName", device_name)?;
        let path = call.params.text("Path", path)?.unwrap_or("/");
        let tags = call.params.tags()?;
        let serial = self.arn(&format!("mfa{path}{name}"));
        if self.current.devices.contains_key(&serial) {
            let message = "MFA device already exists.".to_owned();
            return Err(IamError { message, ..IamError::already_exists("", "") });
        }
        let seed = self.new_seed();
        let otpauth = format!("otpauth://totp/{name}@{}?secret={seed}", self.identity.account);
        let reply = Reply::new()
            .text("SerialNumber", &serial)
            .blob("Base32StringSeed", seed.as_bytes())
            .blob("QRCodePNG", &png_of(&otpauth)?);
        let reply = if tags.is_empty() { reply } else { reply.structs("Tags", tags.iter().map(tag_reply)) };
        let device = MfaDevice { serial, seed: Some(seed), tags, ..MfaDevice::default() };
        self.write_device(call.now, device);
        Ok(Reply::new().nested("VirtualMFADevice", reply))
    }

    /// Two consecutive codes, the older one first, neither used before.
    pub(super) fn enable_mfa_device(&mut self, call: &Call<'_>) -> Result<Reply, IamError> {
        let name = call.params.required("UserName", name_128)?;
        let serial = call.params.required("SerialNumber", serial)?;
        let first = call.params.required("AuthenticationCode1", code)?;
        let second = call.params.required("AuthenticationCode2", code)?;
        let user = self.user_to_write(name)?;
        self.check_self_service(call, &user)?;
        let mut device = self.device_to_write(serial)?;
        match &device.user {
            Some(owner) if *owner == key(&user.name) => {
                let message = format!("MFA Device for user {} already exists.", user.name);
                return Err(IamError { message, ..IamError::already_exists("", "") });
            }
            Some(_) => {
                let message = "MFA Device is already in use.".to_owned();
                return Err(IamError { message, ..IamError::already_exists("", "") });
            }
            None => {}
        }
        if self.devices_of(&user).count() >= DEVICES_PER_USER {
            return Err(IamError::limit("MFADevicesPerUser", DEVICES_PER_USER));
        }
        let step = match &device.seed {
            Some(seed) => step_of(seed, first, second, call.now, device.last_step),
            // The seed of a token of hardware is nowhere to be had: any two codes will do.
            None => (first != second).then_some(0),
        };
        let step = step.ok_or_else(IamError::wrong_code)?;
        device.last_step = Some(step);
        device.offset = offset_of(&device, step, call.now);
        device.user = Some(key(&user.name));
        device.enabled = Some(seconds(call.now));
        self.write_device(call.now, device);
        Ok(Reply::new())
    }

    pub(super) fn resync_mfa_device(&mut self, call: &Call<'_>) -> Result<Reply, IamError> {
        let name = call.params.required("UserName", name_128)?;
        let serial = call.params.required("SerialNumber", serial)?;
        let first = call.params.required("AuthenticationCode1", code)?;
        let second = call.params.required("AuthenticationCode2", code)?;
        let user = self.user_to_write(name)?;
        let mut device = self.assigned_device(serial, &user)?;
        let seed = device.seed.clone().unwrap_or_default();
        let step = step_of(&seed, first, second, call.now, device.last_step);
        let step = step.ok_or_else(IamError::wrong_code)?;
        device.last_step = Some(step);
        device.offset = offset_of(&device, step, call.now);
        self.write_device(call.now, device);
        Ok(Reply::new())
    }

    /// Checks a code with which a user signs in or asks for a session.
    pub(super) fn check_code(&mut self, owner: &str, serial: &str, code: &str, now: Millis) -> Checked {
        let is_visible =
            self.visible.devices.get(serial).is_some_and(|device| device.user.as_deref() == Some(owner));
        let device = self.current.devices.get(serial).filter(|_| is_visible);
        let Some(mut device) = device.map(|device| MfaDevice::clone(device)) else {
            return Checked::Refused;
        };
        if device.serial.contains(":u2f/") {
            return Checked::Refused;
        }
        let stretch = seconds(now).div_euclid(CHECKS_STRETCH_S);
        let checks = self.checks.entry(serial.to_owned()).or_default();
        *checks = if checks.0 == stretch { (stretch, checks.1 + 1) } else { (stretch, 1) };
        if checks.1 > CHECKS_MAX {
            return Checked::Refused;
        }
        // The seed of a token of hardware is nowhere to be had: any code will do.
        let Some(seed) = device.seed.clone() else { return Checked::Right };
        let middle = seconds(now).div_euclid(STEP_S) + device.offset;
        let secret = from_base32(&seed).unwrap_or_default();
        let newer = |step: &i64| device.last_step.is_none_or(|last| *step > last);
        let mut steps = (middle - STEPS_AT_STS..=middle + STEPS_AT_STS).filter(newer);
        let Some(step) = steps.find(|step| code_at(&secret, *step).as_deref() == Some(code)) else {
            return Checked::Wrong;
        };
        device.last_step = Some(step);
        self.write_device(now, device);
        Checked::Right
    }

    /// A virtual device stays, with its history of codes; others are gone from the account.
    pub(super) fn deactivate_mfa_device(&mut self, call: &Call<'_>) -> Result<Reply, IamError> {
        let serial = call.params.required("SerialNumber", serial)?;
        let user = self.user_to_write(Self::user_meant(call)?)?;
        self.check_self_service(call, &user)?;
        let mut device = self.assigned_device(serial, &user)?;
        device.user = None;
        device.enabled = None;
        if device.is_virtual() {
            self.write_device(call.now, device);
        } else {
            self.write(call.now, Edit::Device(device.serial, None));
        }
        Ok(Reply::new())
    }

    pub(super) fn delete_virtual_mfa_device(&mut self, call: &Call<'_>) -> Result<Reply, IamError> {
        let serial = call.params.required("SerialNumber", serial)?;
        let device = self.device_to_write(serial)?;
        if device.user.is_some() {
            let message = "MFA VirtualDevice in use. Must deactivate first.".to_owned();
            return Err(IamError { message, ..IamError::conflict("") });
        }
        self.write(call.now, Edit::Device(device.serial, None));
        Ok(Reply::new())
    }

    pub(super) fn list_mfa_devices(&self, call: &Call<'_>) -> Result<Reply, IamError> {
        let user = self.user_to_read(Self::user_meant(call)?)?;
        let page = self.page(call, &key(&user.name))?;
        let mine = self.visible.devices.iter().filter(|(_, device)| device.user == Some(key(&user.name)));
        let (devices, tail) = page.cut(mine.map(|(serial, device)| (serial.clone(), device)));
        let devices = devices.into_iter().map(|device| {
            Reply::new()
                .text("UserName", &user.name)
                .text("SerialNumber", &device.serial)
                .text("EnableDate", timestamp(device.enabled.unwrap_or_default()))
        });
        Ok(tail.add_to(Reply::new().structs("MFADevices", devices)))
    }

    /// Without `AssignmentStatus` it lists them all.
    pub(super) fn list_virtual_mfa_devices(&self, call: &Call<'_>) -> Result<Reply, IamError> {
        let assigned = match call.params.get("AssignmentStatus") {
            None | Some("Any") => None,
            Some("Assigned") => Some(true),
            Some("Unassigned") => Some(false),
            Some(_) => {
                return Err(IamError::validation(
                    "1 validation error detected: Value at 'assignmentStatus' failed to satisfy constraint: Member \
                     must satisfy enum value set: [Any, Assigned, Unassigned]",
                ));
            }
        };
        let page = self.page(call, call.params.get("AssignmentStatus").unwrap_or("Any"))?;
        let devices = self.visible.devices.iter().filter(|(_, device)| {
            device.is_virtual() && assigned.is_none_or(|assigned| assigned == device.user.is_some())
        });
        let (devices, tail) = page.cut(devices.map(|(serial, device)| (serial.clone(), device)));
        let devices = devices.into_iter().map(|device| {
            let reply = Reply::new().text("SerialNumber", &device.serial);
            let owner = device.user.as_ref().and_then(|key| self.visible.users.get(key));
            match owner {
                Some(user) => reply
                    .nested("User", self.user_reply(user, false))
                    .text("EnableDate", timestamp(device.enabled.unwrap_or_default())),
                None => reply,
            }
        });
        Ok(tail.add_to(Reply::new().structs("VirtualMFADevices", devices)))
    }

    pub(super) fn tag_mfa_device(&mut self, call: &Call<'_>) -> Result<Reply, IamError> {
        let serial = call.params.required("SerialNumber", serial)?;
        let tags = call.params.tags()?;
        if tags.is_empty() {
            return Err(IamError::invalid("Tags must not be empty."));
        }
        let mut device = self.device_to_write(serial)?;
        // Case counts here, other than with users. Source: captures of real answers, tags.
        for tag in tags {
            device.tags.retain(|old| old.key != tag.key);
            device.tags.push(tag);
        }
        if device.tags.len() > TAGS_MAX {
            return Err(IamError::limit("TagsPerMFADevice", TAGS_MAX));
        }
        self.write_device(call.now, device);
        Ok(Reply::new())
    }

    pub(super) fn list_mfa_device_tags(&self, call: &Call<'_>) -> Result<Reply, IamError> {
        let serial = call.params.required("SerialNumber", serial)?;
        let page = self.page(call, serial)?;
        let device = self.visible.devices.get(serial).ok_or_else(|| no_device(serial))?;
        let mut tags = device.tags.clone();
        tags.sort_by(|a, b| a.key.cmp(&b.key));
        let (tags, tail) = page.cut(tags.into_iter().map(|tag| (tag.key.clone(), tag)));
        Ok(tail.add_to(Reply::new().structs("Tags", tags.iter().map(tag_reply))))
    }

    /// Returns the devices that a user has, whatever reads see.
    pub(super) fn devices_of(&self, user: &User) -> impl Iterator<Item = &Arc<MfaDevice>> {
        let owner = key(&user.name);
        self.current.devices.values().filter(move |device| device.user.as_ref() == Some(&owner))
    }

    /// Whoever has a device adds or removes one of their own in an MFA session only.
    /// Source: captures of real answers; AWS security bulletin AWS-2023-001.
    fn check_self_service(&self, call: &Call<'_>, user: &User) -> Result<(), IamError> {
        let is_self = call.caller == super::Caller::User(key(&user.name));
        let has_mfa = call.session.as_ref().is_some_and(|session| session.mfa_at.is_some());
        if is_self && !has_mfa && self.devices_of(user).next().is_some() {
            let arn = self.user_arn(user);
            return Err(IamError::denied(&arn, &format!("iam:{}", call.action), &arn));
        }
        Ok(())
    }

    fn device_to_write(&self, serial: &str) -> Result<MfaDevice, IamError> {
        let visible = self.visible.devices.contains_key(serial);
        let device = self.current.devices.get(serial).filter(|_| visible);
        device.map(|device| MfaDevice::clone(device)).ok_or_else(|| no_device(serial))
    }

    fn assigned_device(&self, serial: &str, user: &User) -> Result<MfaDevice, IamError> {
        let device = self.device_to_write(serial)?;
        if device.user == Some(key(&user.name)) {
            return Ok(device);
        }
        Err(IamError::not_found("MFA Device invalid for user."))
    }

    fn write_device(&mut self, now: Millis, device: MfaDevice) {
        self.write(now, Edit::Device(device.serial.clone(), Some(Arc::new(device))));
    }

    fn new_seed(&mut self) -> String {
        const BASE32: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
        let mut draw = Draw::new(self.draw_number());
        (0..SEED_CHARS).map(|_| char::from(BASE32[draw.below(32)])).collect()
    }
}

/// Returns how many steps a device's clock is ahead.
fn offset_of(device: &MfaDevice, step: i64, now: Millis) -> i64 {
    if device.seed.is_some() { step - seconds(now).div_euclid(STEP_S) } else { 0 }
}

fn no_device(serial: &str) -> IamError {
    IamError::not_found(format!("VirtualMFADevice with serial number {serial} doesn't exist."))
}

/// Finds the step of the second of two consecutive codes, nearest to now first.
fn step_of(seed: &str, first: &str, second: &str, now: Millis, last: Option<i64>) -> Option<i64> {
    let secret = from_base32(seed)?;
    let now_step = seconds(now).div_euclid(STEP_S);
    let mut steps: Vec<i64> = (now_step - STEPS_BEHIND..=now_step + STEPS_AHEAD).collect();
    steps.sort_by_key(|step| (step - now_step).abs());
    let newer = |step: i64| last.is_none_or(|last| step - 1 > last);
    steps.into_iter().filter(|step| newer(*step)).find(|step| {
        code_at(&secret, *step).as_deref() == Some(second)
            && code_at(&secret, step - 1).as_deref() == Some(first)
    })
}

/// Returns the code of a step. Source: RFC 4226, section 5.3.
fn code_at(secret: &[u8], step: i64) -> Option<String> {
    let mut mac = hmac::Hmac::<sha1::Sha1>::new_from_slice(secret).ok()?;
    mac.update(&step.to_be_bytes());
    let digest = mac.finalize().into_bytes();
    let offset = usize::from(digest[19] & 0xf);
    let bytes: [u8; 4] = digest[offset..offset + 4].try_into().ok()?;
    Some(format!("{:06}", (u32::from_be_bytes(bytes) & 0x7fff_ffff) % 1_000_000))
}

fn from_base32(text: &str) -> Option<Vec<u8>> {
    let (mut bits, mut held, mut bytes) = (0_u32, 0_u32, Vec::new());
    for c in text.bytes() {
        let value = match c {
            b'A'..=b'Z' => c - b'A',
            b'2'..=b'7' => c - b'2' + 26,
            _ => return None,
        };
        bits = (bits << 5) | u32::from(value);
        held += 5;
        if held >= 8 {
            held -= 8;
            bytes.push(u8::try_from(bits >> held).ok()?);
            bits &= (1 << held) - 1;
        }
    }
    Some(bytes)
}

/// Draws a QR code: eight pixels a module, four modules of quiet around.
fn png_of(text: &str) -> Result<Vec<u8>, IamError> {
    const PIXELS: usize = 8;
    const QUIET: usize = 4;
    let failed = |_| IamError::service_failure();
    let code = QrCode::new(text).map_err(|_| IamError::service_failure())?;
    let (width, colors) = (code.width(), code.to_colors());
    let side = (width + 2 * QUIET) * PIXELS;
    let mut pixels = vec![255_u8; side * side];
    for number in (0..colors.len()).filter(|number| colors[*number] == qrcode::Color::Dark) {
        let (x, y) = ((number % width + QUIET) * PIXELS, (number / width + QUIET) * PIXELS);
        for row in y..y + PIXELS {
            pixels[row * side + x..row * side + x + PIXELS].fill(0);
        }
    }
    let mut bytes = Vec::new();
    let side = u32::try_from(side).map_err(|_| IamError::service_failure())?;
    let mut encoder = png::Encoder::new(&mut bytes, side, side);
    encoder.set_color(png::ColorType::Grayscale);
    encoder.set_depth(png::BitDepth::Eight);
    let mut writer = encoder.write_header().map_err(failed)?;
    writer.write_image_data(&pixels).map_err(failed)?;
    writer.finish().map_err(failed)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 6238, appendix B, the last six digits.
    #[test]
    fn codes_are_those_of_the_rfc() {
        let secret = from_base32("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ").unwrap();
        assert_eq!(secret, b"12345678901234567890");
        for (time, code) in [(59, "287082"), (1_111_111_109, "081804"), (1_234_567_890, "005924")] {
            assert_eq!(code_at(&secret, time / STEP_S).unwrap(), code);
        }
    }
}
