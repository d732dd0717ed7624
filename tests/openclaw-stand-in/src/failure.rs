//! What the gateway answers when it refuses.

use serde_json::{Value, json};

/// An error of the protocol.
#[derive(Debug, Clone)]
pub struct Failure {
    code: &'static str,
    message: String,
    details: Option<Value>,
    retry_after: Option<u64>,
    /// The close code, where the connection ends with it.
    pub close: Option<u16>,
}

impl Failure {
    fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), details: None, retry_after: None, close: None }
    }

    /// What was asked makes no sense.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new("INVALID_REQUEST", message)
    }

    /// The scopes do not suffice.
    pub fn forbidden(scope: &str) -> Self {
        let details = json!({"code": "MISSING_SCOPE", "missingScope": scope, "requiredScopes": [scope]});
        Self { details: Some(details), ..Self::new("FORBIDDEN", format!("missing scope: {scope}")) }
    }

    /// Nobody knows this client.
    pub fn not_paired(detail: &str) -> Self {
        let close = Some(1008);
        Self { close, ..Self::new("NOT_PAIRED", "device identity required").with_code(detail) }
    }

    /// It is busy. A real one says that it may be tried again, or forgets to.
    pub fn unavailable(flagged: bool) -> Self {
        match flagged {
            true => Self { retry_after: Some(20), ..Self::new("UNAVAILABLE", "The server is busy.") },
            false => {
                Self::new("UNAVAILABLE", "WorkerTaskError: worker task capacity reached: code=overloaded")
            }
        }
    }

    /// It is not ready yet, and hangs up.
    pub fn starting() -> Self {
        let details = Some(json!({"reason": "startup-sidecars"}));
        let failure = Self::new("UNAVAILABLE", "gateway is starting");
        Self { details, retry_after: Some(500), close: Some(1013), ..failure }
    }

    /// The same with a code in the details.
    pub fn with_code(self, code: &str) -> Self {
        Self { details: Some(json!({"code": code})), ..self }
    }

    /// The same with a reason in the details.
    pub fn with_reason(self, reason: &str) -> Self {
        Self { details: Some(json!({"reason": reason})), ..self }
    }

    /// The same with other details.
    pub fn with_details(self, details: Value) -> Self {
        Self { details: Some(details), ..self }
    }

    /// The same, after which it hangs up.
    pub fn closing(self, code: u16) -> Self {
        Self { close: Some(code), ..self }
    }

    /// As it goes over the line.
    pub fn to_json(&self) -> Value {
        let mut error = json!({"code": self.code, "message": self.message});
        if let Some(details) = &self.details {
            error["details"] = details.clone();
        }
        if let Some(after) = self.retry_after {
            error["retryable"] = Value::Bool(true);
            error["retryAfterMs"] = after.into();
        }
        error
    }
}
