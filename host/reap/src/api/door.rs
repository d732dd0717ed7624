//! Who may come in, and how far.
//!
//! Over the socket that is this user alone, as the kernel tells. Over TCP it is
//! whoever shows the token. A browser is nobody's friend here: any page that is
//! open in one can make it send requests to this machine, so what carries an
//! `Origin` is refused, and so is a `Host` that is not ours, by which a page
//! reaches a loopback address under its own name.

use std::net::{IpAddr, SocketAddr};

use axum::http::header::{AUTHORIZATION, HOST, ORIGIN};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderName, StatusCode, Uri};

use super::error::ApiError;
use super::token::Token;
use super::wire::{VERSION, VERSION_HEADER};
use crate::caller::Caller;

/// Who is at the other end of a connection.
#[derive(Debug, Clone)]
pub(super) enum Peer {
    /// A process of this user. Why it cannot be told what it descends from,
    /// where that is so.
    Local(Result<Caller, String>),
    /// Somebody over TCP.
    Remote {
        /// From where.
        from: SocketAddr,
        /// Which of our addresses they reached.
        to: IpAddr,
    },
}

impl Peer {
    /// The process with this pid, as the kernel noted it when it connected.
    pub fn local(pid: Option<i32>) -> Self {
        let pid = pid.and_then(|pid| u32::try_from(pid).ok()).filter(|pid| *pid != 0);
        let elsewhere = || "it does not share the daemon's view of processes".to_owned();
        let known = pid.ok_or_else(elsewhere);
        Self::Local(known.and_then(|pid| Caller::process(pid).map_err(|error| error.to_string())))
    }

    /// For whom something may be ended.
    ///
    /// # Errors
    /// When it is not known what the client descends from: the session that it
    /// runs in could be ended with the rest.
    pub fn caller(&self) -> Result<Caller, ApiError> {
        match self {
            Self::Local(Ok(caller)) => Ok(caller.clone()),
            Self::Local(Err(why)) => Err(ApiError::new(
                StatusCode::FORBIDDEN,
                "unknown-caller",
                format!("nothing is ended for a client of which it cannot be told where it runs: {why}"),
            )
            .hint("ask from a process that stays until it has its answer")),
            Self::Remote { from, .. } => Ok(Caller::remote(*from)),
        }
    }

    /// The same for a look, which hurts nobody.
    pub fn onlooker(&self) -> Caller {
        self.caller().unwrap_or_default()
    }

    /// Lets in what the command line alone may ask: it knows the shapes of its
    /// own version and of no other.
    pub fn command_line(&self, headers: &HeaderMap) -> Result<(), ApiError> {
        if matches!(self, Self::Remote { .. }) {
            return Err(ApiError::forbidden("this is for the command line on the daemon's socket"));
        }
        match only(headers, &HeaderName::from_static(VERSION_HEADER)) {
            Some(VERSION) => Ok(()),
            theirs => Err(ApiError::new(
                StatusCode::CONFLICT,
                "other-version",
                format!(
                    "the daemon is of version {VERSION} and the client of {}; this is for clients of the same \
                     version, which say so in the header {VERSION_HEADER}",
                    theirs.map_or_else(|| "an unknown one".to_owned(), reap_core::clean::line),
                ),
            )),
        }
    }
}

/// Lets a request in, or says why not. Nothing else of it was looked at yet.
pub(super) fn admit(
    peer: &Peer,
    token: Option<&Token>,
    uri: &Uri,
    headers: &HeaderMap,
) -> Result<(), ApiError> {
    if headers.contains_key(ORIGIN) {
        return Err(ApiError::forbidden("requests of web pages are refused: it has the header Origin"));
    }
    let Peer::Remote { to, .. } = peer else { return Ok(()) };
    let host = only(headers, &HOST).filter(|_| uri.authority().is_none());
    if !host.is_some_and(|host| is_ours(host, *to)) {
        return Err(ApiError::forbidden(
            "the header Host must name this machine by its address or as localhost, so that no web page can \
             come here under a name of its own",
        ));
    }
    let shown = only(headers, &AUTHORIZATION).and_then(bearer);
    match (token, shown) {
        (Some(token), Some(shown)) if token.is(shown) => Ok(()),
        _ => Err(ApiError::new(
            StatusCode::UNAUTHORIZED,
            "no-token",
            "show the token of the daemon's token file: `Authorization: Bearer TOKEN`",
        )),
    }
}

/// The one value of a header. With several, nobody knows which one counts.
fn only<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h str> {
    let mut all = headers.get_all(name).iter();
    let first = all.next()?;
    if all.next().is_some() { None } else { first.to_str().ok() }
}

fn bearer(value: &str) -> Option<&str> {
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// Whether a `Host` names this machine in a way that no name server can turn
/// elsewhere.
fn is_ours(host: &str, to: IpAddr) -> bool {
    let Ok(authority) = host.parse::<Authority>() else { return false };
    if authority.as_str().contains('@') {
        return false;
    }
    let name = authority.host();
    let literal = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
    match literal.parse::<IpAddr>() {
        Ok(address) => address.is_loopback() || address.to_canonical() == to.to_canonical(),
        Err(_) => name.eq_ignore_ascii_case("localhost"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "0123456789abcdef";

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, value.parse().expect("a value"));
        }
        headers
    }

    fn remote() -> Peer {
        let address = |text: &str| text.parse().expect("an address");
        Peer::Remote { from: address("10.0.0.9:4000"), to: "10.0.0.1".parse().expect("an address") }
    }

    fn status(peer: &Peer, uri: &'static str, pairs: &[(&'static str, &'static str)]) -> u16 {
        let token = Token::new(TOKEN);
        let token = matches!(peer, Peer::Remote { .. }).then_some(&token);
        admit(peer, token, &Uri::from_static(uri), &headers(pairs))
            .map_or_else(|error| error.said().0, |()| 200)
    }

    #[test]
    fn over_tcp_the_token_decides() {
        const HOME: (&str, &str) = ("host", "localhost:7317");
        let cases: [(&[(&'static str, &'static str)], u16); 9] = [
            (&[HOME, ("authorization", "Bearer 0123456789abcdef")], 200),
            (&[HOME, ("authorization", "bearer 0123456789abcdef")], 200),
            (&[HOME], 401),
            (&[HOME, ("authorization", "Bearer 0123456789abcdeF")], 401),
            (&[HOME, ("authorization", "Bearer ")], 401),
            (&[HOME, ("authorization", "Bearer")], 401),
            (&[HOME, ("authorization", "Basic 0123456789abcdef")], 401),
            (&[HOME, ("authorization", "Bearer 0123456789abcdef"), ("authorization", "Bearer x")], 401),
            (&[HOME, ("authorization", "Bearer 0123456789abcdef"), ("origin", "http://localhost:7317")], 403),
        ];
        for (pairs, expected) in cases {
            assert_eq!(status(&remote(), "/v1/status", pairs), expected, "{pairs:?}");
        }
    }

    #[test]
    fn over_tcp_no_name_of_others_leads_here() {
        let cases = [
            ("localhost", 200),
            ("LocalHost:1", 200),
            ("127.0.0.1:7317", 200),
            ("127.9.9.9", 200),
            ("[::1]:7317", 200),
            ("10.0.0.1:7317", 200),
            ("10.0.0.2:7317", 403),
            ("evil.example", 403),
            ("localhost.evil.example", 403),
            ("evil.example:127.0.0.1", 403),
            ("localhost@evil.example", 403),
            ("evil.example@localhost", 403),
            ("0x7f.1", 403),
            ("", 403),
        ];
        for (host, expected) in cases {
            let pairs = [("host", host), ("authorization", "Bearer 0123456789abcdef")];
            assert_eq!(status(&remote(), "/v1/status", &pairs), expected, "{host:?}");
        }
        let token = ("authorization", "Bearer 0123456789abcdef");
        let both = [("host", "localhost"), ("host", "evil.example"), token];
        assert_eq!(status(&remote(), "/v1/status", &both), 403, "nobody knows which one counts");
        assert_eq!(status(&remote(), "/v1/status", &[token]), 403, "no Host at all");
        let home = [("host", "localhost"), token];
        assert_eq!(status(&remote(), "http://evil.example/v1/status", &home), 403);
    }

    #[test]
    fn on_the_socket_only_web_pages_are_refused() {
        let local = Peer::Local(Err("it is gone".to_owned()));
        assert_eq!(status(&local, "/v1/status", &[]), 200);
        assert_eq!(status(&local, "/v1/status", &[("host", "evil.example")]), 200);
        assert_eq!(status(&local, "/v1/status", &[("origin", "null")]), 403);
    }

    #[test]
    fn nothing_is_ended_for_a_client_that_runs_nobody_knows_where() {
        for pid in [None, Some(0), Some(-1), Some(i32::MAX)] {
            let error = Peer::local(pid).caller().expect_err("nobody");
            assert_eq!((error.said().0, error.said().1), (403, "unknown-caller"), "{pid:?}");
        }
        let own = i32::try_from(std::process::id()).ok();
        Peer::local(own).caller().expect("this process");
        remote().caller().expect("it runs on another machine");
    }

    #[test]
    fn the_command_line_is_of_the_same_version_and_local() {
        let local = Peer::local(None);
        local.command_line(&headers(&[(VERSION_HEADER, VERSION)])).expect("the same version");
        for pairs in
            [&[][..], &[(VERSION_HEADER, "0.0.0")], &[(VERSION_HEADER, VERSION), (VERSION_HEADER, "0")]]
        {
            let error = local.command_line(&headers(pairs)).expect_err("another version");
            assert_eq!((error.said().0, error.said().1), (409, "other-version"));
        }
        let error = remote().command_line(&headers(&[(VERSION_HEADER, VERSION)])).expect_err("over TCP");
        assert_eq!(error.said().0, 403);
    }
}
