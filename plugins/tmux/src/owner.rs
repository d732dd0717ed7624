//! The owner tag: `@reap-owner` names the session that made this one.
//!
//! Whoever starts a tmux session for a worker sets it to the address of the
//! session that the worker works for:
//!
//! ```text
//! tmux set-option -t NAME @reap-owner 'openclaw/ws://127.0.0.1:18789/agent:main:main'
//! ```
//!
//! The backend stands before the first slash, the key behind the last one, and
//! the instance between them: an instance is often a path, while no key of the
//! bundled backends has a slash in it.

use reap_plugin::Address;

use crate::rows::OwnerTag;

/// The session that a tag names, where it names one. A tag that was cut or
/// changed on its way names none: half an address would point to a session that
/// does not exist, and so make a worker look forsaken.
pub fn address(tag: &OwnerTag) -> Option<Address> {
    if !tag.exact {
        return None;
    }
    let (backend, rest) = tag.text.split_once('/')?;
    let (instance, key) = rest.rsplit_once('/')?;
    let whole = is_backend(backend) && !instance.is_empty() && !key.is_empty();
    whole.then(|| Address { backend: backend.to_owned(), instance: instance.to_owned(), key: key.to_owned() })
}

/// Lower-case letters, digits and dashes, a letter first, as plugins are named.
fn is_backend(name: &str) -> bool {
    name.len() <= 40
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Option<(String, String, String)> {
        let tag = OwnerTag { text: text.to_owned(), exact: true };
        address(&tag).map(|address| (address.backend, address.instance, address.key))
    }

    #[test]
    fn addresses() {
        let cases = [
            ("tmux//tmp/tmux-0/default/$3", ("tmux", "/tmp/tmux-0/default", "$3")),
            (
                "openclaw/ws://127.0.0.1:18789/agent:main:main",
                ("openclaw", "ws://127.0.0.1:18789", "agent:main:main"),
            ),
            ("kiro-cli//home/me/.kiro/1b9d6bcd", ("kiro-cli", "/home/me/.kiro", "1b9d6bcd")),
            ("a/b/c d", ("a", "b", "c d")),
        ];
        for (text, (backend, instance, key)) in cases {
            assert_eq!(parse(text), Some((backend.into(), instance.into(), key.into())), "{text}");
        }
    }

    #[test]
    fn what_is_no_address() {
        for text in
            ["", "me", "me/you", "tmux//", "tmux/x/", "tmux//$3", "/x/y", "Tmux/x/y", "t mux/x/y", "4/5/1234"]
        {
            assert_eq!(parse(text), None, "{text:?}");
        }
        let cut = OwnerTag { text: "tmux/x/$3".to_owned(), exact: false };
        assert_eq!(address(&cut), None, "a tag that was cut");
    }
}
