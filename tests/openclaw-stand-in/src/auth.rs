//! Logging in: who is let in, and with which scopes. As measured on a real one.

use ring::signature::{ED25519, UnparsedPublicKey};
use serde_json::{Value, json};

use crate::failure::Failure;
use crate::json::text;
use crate::methods::Scope;

/// The clients that the gateway knows.
const CLIENTS: [&str; 17] = [
    "webchat-ui",
    "openclaw-control-ui",
    "openclaw-browser-copilot",
    "openclaw-tui",
    "webchat",
    "cli",
    "gateway-client",
    "openclaw-macos",
    "openclaw-linux",
    "openclaw-ios",
    "openclaw-watchos",
    "openclaw-android",
    "node-host",
    "openclaw-worker",
    "test",
    "fingerprint",
    "openclaw-probe",
];

/// What a client is challenged with.
#[derive(Debug, Clone)]
pub struct Challenge {
    /// To be signed.
    pub nonce: String,
    /// When.
    pub at: u64,
}

/// The rules of one login.
pub struct Door<'a> {
    /// The gateway's token.
    pub token: &'a str,
    /// The protocol that it speaks.
    pub protocol: u64,
    /// What it sent.
    pub challenge: &'a Challenge,
    /// Whether the client said where it comes from, as browsers do.
    pub origin: bool,
}

impl Door<'_> {
    /// The scopes of whoever sends this `connect`.
    pub fn enter(&self, params: &Value) -> Result<Vec<Scope>, Failure> {
        let number = |name: &str| params.get(name).and_then(Value::as_u64).unwrap_or(0);
        if !(number("minProtocol")..=number("maxProtocol")).contains(&self.protocol) {
            let details = json!({"code": "PROTOCOL_MISMATCH", "expectedProtocol": self.protocol});
            return Err(Failure::invalid("protocol mismatch").with_details(details).closing(1002));
        }
        let client = params.get("client").unwrap_or(&Value::Null);
        let id = text(client, "id").unwrap_or_default();
        if !CLIENTS.contains(&id) {
            return Err(Failure::invalid("invalid connect params: at /client/id: must be a known client")
                .closing(1008));
        }
        if self.origin {
            return Err(Failure::invalid("origin not allowed")
                .with_code("CONTROL_UI_ORIGIN_NOT_ALLOWED")
                .closing(1008));
        }
        let token = params.pointer("/auth/token").and_then(Value::as_str);
        let device = params.get("device").filter(|device| !device.is_null());
        match token {
            Some(token) if token != self.token => {
                let failure = Failure::invalid("unauthorized: gateway token mismatch");
                return Err(failure.with_code("AUTH_TOKEN_MISMATCH").closing(1008));
            }
            None => return Err(Failure::not_paired("DEVICE_IDENTITY_REQUIRED")),
            Some(_) => {}
        }
        if let Some(device) = device {
            self.check_signature(params, device)?;
        }
        let trusted =
            matches!((id, text(client, "mode")), ("gateway-client", Some("backend")) | ("cli", Some("cli")));
        let asked = if trusted || device.is_some() { scopes(params) } else { Vec::new() };
        Ok(asked)
    }

    fn check_signature(&self, params: &Value, device: &Value) -> Result<(), Failure> {
        let wrong = || {
            Failure::invalid("device signature invalid")
                .with_code("DEVICE_AUTH_SIGNATURE_INVALID")
                .closing(1008)
        };
        let field = |name: &str| text(device, name).unwrap_or_default();
        let client = params.get("client").unwrap_or(&Value::Null);
        let asked: Vec<&str> = scopes(params).into_iter().map(Scope::word).collect();
        let at = device.get("signedAt").and_then(Value::as_u64).unwrap_or(0);
        let signed = format!(
            "v3|{}|{}|{}|{}|{}|{at}|{}|{}|{}|{}",
            field("id"),
            text(client, "id").unwrap_or_default(),
            text(client, "mode").unwrap_or_default(),
            text(params, "role").unwrap_or_default(),
            asked.join(","),
            params.pointer("/auth/token").and_then(Value::as_str).unwrap_or_default(),
            field("nonce"),
            text(client, "platform").unwrap_or_default(),
            text(client, "deviceFamily").unwrap_or_default(),
        );
        if field("nonce") != self.challenge.nonce || at != self.challenge.at {
            return Err(wrong());
        }
        let (key, signature) = (bytes(field("publicKey")), bytes(field("signature")));
        let (Some(key), Some(signature)) = (key, signature) else { return Err(wrong()) };
        let id: String = ring::digest::digest(&ring::digest::SHA256, &key)
            .as_ref()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        if id != field("id") {
            return Err(wrong());
        }
        UnparsedPublicKey::new(&ED25519, key).verify(signed.as_bytes(), &signature).map_err(|_| wrong())
    }
}

fn scopes(params: &Value) -> Vec<Scope> {
    let asked =
        params.get("scopes").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
    let known = [Scope::Read, Scope::Write, Scope::Admin];
    asked.filter_map(|word| known.into_iter().find(|scope| scope.word() == word)).collect()
}

/// The bytes of a text in base64url without padding.
fn bytes(text: &str) -> Option<Vec<u8>> {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let (mut bytes, mut held, mut bits) = (Vec::new(), 0_u32, 0);
    for letter in text.bytes() {
        let six = ALPHABET.iter().position(|one| *one == letter)?;
        held = (held << 6) | u32::try_from(six).ok()?;
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            bytes.push(u8::try_from((held >> bits) & 0xff).ok()?);
            held &= (1 << bits) - 1;
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::bytes;

    #[test]
    fn base64url() {
        assert_eq!(bytes("_-8gYQ"), Some(vec![0xff, 0xef, 0x20, 0x61]));
        assert_eq!(bytes("a+b"), None);
        assert_eq!(bytes(""), Some(Vec::new()));
    }
}
