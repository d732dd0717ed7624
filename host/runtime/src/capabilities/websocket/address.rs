//! The addresses of gateways, written in one way, and which machines they may lead to.

use std::net::{IpAddr, Ipv6Addr};

/// The address of a gateway.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Address {
    /// As it is written everywhere: `ws://127.0.0.1:18789`.
    pub(crate) text: String,
    /// Whether what is said there is encrypted.
    pub(crate) tls: bool,
    /// The name or the number of the machine, without brackets.
    pub(crate) host: String,
    pub(crate) port: u16,
    /// Whether a setting of the operator names it.
    pub(crate) chosen: bool,
    /// Whether the operator lets it go to another machine without TLS.
    pub(crate) plain: bool,
}

impl Address {
    /// Reads an address. What is wrong with it is told without repeating it: people
    /// put tokens into addresses.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let (scheme, rest) = text.split_once("://").unwrap_or(("", text));
        let tls = match scheme.to_ascii_lowercase().as_str() {
            "ws" => false,
            "wss" => true,
            _ => return Err("an address begins with ws:// or wss://".to_owned()),
        };
        if rest.contains(['@', '?', '#']) {
            return Err(
                "an address holds no user, password, query or fragment; a secret has its own place: \
                        [backends.NAME.secrets]"
                    .to_owned(),
            );
        }
        let (place, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let (host, port) = host_and_port(place, if tls { 443 } else { 80 })?;
        let path = path.trim_end_matches('/');
        if !path.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/-._~%".contains(&byte)) {
            return Err("the path of an address has letters, digits and any of - . _ ~ % only".to_owned());
        }
        let shown = if host.contains(':') { format!("[{host}]") } else { host.clone() };
        let text = format!("{}://{shown}:{port}{path}", if tls { "wss" } else { "ws" });
        Ok(Self { text, tls, host, port, chosen: false, plain: false })
    }

    /// Refuses an address that by its own words leads to another machine without TLS.
    /// A name is looked at when it has become a number.
    pub(crate) fn check(&self) -> Result<(), String> {
        match self.host.parse::<IpAddr>() {
            Ok(number) if !self.may_reach(number) => Err(self.unencrypted(number)),
            _ => Ok(()),
        }
    }

    /// Whether a connection may go to this machine.
    pub(crate) fn may_reach(&self, number: IpAddr) -> bool {
        self.tls || self.plain || number.to_canonical().is_loopback()
    }

    /// Why it may not.
    pub(crate) fn unencrypted(&self, number: IpAddr) -> String {
        format!(
            "{} leads to another machine ({number}), and ws:// is not encrypted; use wss://, or allow it: \
             `plain = [{:?}]` in [backends.NAME.websocket]",
            self.text, self.text
        )
    }
}

fn host_and_port(place: &str, usual: u16) -> Result<(String, u16), String> {
    let (host, port) = match place.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, port)) => {
            let number: Ipv6Addr =
                host.parse().map_err(|_| "what is in brackets is no IPv6 address".to_owned())?;
            (number.to_string(), port)
        }
        None => {
            let (host, port) = place.split_at(place.find(':').unwrap_or(place.len()));
            let good = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
            if host.is_empty() || host.len() > 253 || !host.bytes().all(good) {
                return Err("an address names its machine by letters, digits, dashes and dots".to_owned());
            }
            (host.to_ascii_lowercase(), port)
        }
    };
    let port = match port.strip_prefix(':') {
        None if port.is_empty() => usual,
        Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => digits
            .parse()
            .ok()
            .filter(|port| *port > 0)
            .ok_or_else(|| "the port of an address is a number from 1 to 65535".to_owned())?,
        _ => return Err("the port of an address is a number from 1 to 65535".to_owned()),
    };
    Ok((host, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_gateway_is_written_in_one_way() {
        for (text, want) in [
            ("ws://127.0.0.1:18789", "ws://127.0.0.1:18789"),
            ("WS://LocalHost:18789/", "ws://localhost:18789"),
            ("wss://gw.example", "wss://gw.example:443"),
            ("ws://a", "ws://a:80"),
            ("ws://[0:0::1]:7/x/", "ws://[::1]:7/x"),
        ] {
            assert_eq!(Address::parse(text).map(|address| address.text).as_deref(), Ok(want));
        }
    }

    #[test]
    fn what_is_no_address_is_not_repeated() {
        for text in [
            "http://SECRET",
            "SECRET",
            "ws://u:SECRET@a",
            "ws://a?token=SECRET",
            "ws://a#SECRET",
            "ws://a:99999SECRET",
            "ws://a:0",
            "ws://a:99999",
            "ws://",
            "ws://a b",
            "ws://a/\r\nSECRET",
            "ws://[SECRET]",
            "ws://[::1]SECRET",
            "ws://a\0",
        ] {
            let error = Address::parse(text).expect_err(text);
            assert!(!error.contains("SECRET"), "{error}");
        }
    }

    #[test]
    fn without_tls_only_this_machine() {
        let address = |text: &str| Address::parse(text).expect("an address");
        for good in ["ws://127.0.0.1:1", "ws://127.9.9.9:1", "ws://[::1]:1", "ws://[::ffff:127.0.0.1]:1"] {
            assert_eq!(address(good).check(), Ok(()), "{good}");
        }
        for bad in
            ["ws://10.0.0.1:1", "ws://0.0.0.0:1", "ws://[::]:1", "ws://169.254.1.1:1", "ws://8.8.8.8:1"]
        {
            assert!(address(bad).check().expect_err(bad).contains("plain = "), "{bad}");
            assert_eq!(Address { plain: true, ..address(bad) }.check(), Ok(()));
            assert_eq!(address(&bad.replace("ws:", "wss:")).check(), Ok(()));
        }
        // A name may lead anywhere; it is asked about what it has become.
        assert_eq!(address("ws://a:1").check(), Ok(()));
        assert!(!address("ws://a:1").may_reach([10, 0, 0, 1].into()));
    }
}
