//! Which gateways are looked at: those that the setting `gateways` names, or else the
//! one of the environment, or else whatever listens at the usual port.

use reap_plugin::settings::environment;
use reap_plugin::websocket::{Grant, granted};
use reap_plugin::{Error, Listing};

/// One gateway that may be talked to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gateway {
    /// Its address: the instance.
    pub address: String,
    /// Whether somebody has named it. Where nobody has and nobody answers, there is
    /// most likely none.
    pub named: bool,
    /// Whether there is a token for it.
    pub token: bool,
}

impl Gateway {
    /// Whether it is on this machine.
    pub fn is_near(&self) -> bool {
        let host = self.address.split("://").nth(1).unwrap_or_default();
        ["127.", "localhost:", "[::1]:"].iter().any(|near| host.starts_with(near))
    }

    /// A short name for tables.
    pub fn label(&self) -> &str {
        self.address.split("://").nth(1).unwrap_or(&self.address)
    }
}

/// All of them.
pub fn find() -> Result<Vec<Gateway>, Error> {
    let told = environment("OPENCLAW_GATEWAY_URL")?.is_some_and(|url| !url.is_empty());
    Ok(choose(granted(), told))
}

/// The one of this address.
pub fn one(address: &str) -> Result<Gateway, Error> {
    let mut all = granted().into_iter().filter(|grant| grant.address == address);
    let found = all.next().map(|grant| gateway(grant, true));
    found.ok_or_else(|| Error::NotFound(format!("{address} is none of the gateways that are looked at")))
}

fn choose(granted: Vec<Grant>, told: bool) -> Vec<Gateway> {
    let any_chosen = granted.iter().any(|grant| grant.chosen);
    let wanted = granted.into_iter().filter(|grant| grant.chosen || !any_chosen);
    wanted.map(|grant| gateway(grant, told)).collect()
}

fn gateway(Grant { address, chosen, secrets }: Grant, told: bool) -> Gateway {
    let token = secrets.iter().any(|name| name == "token");
    Gateway { address, named: chosen || told || token, token }
}

/// What is said of a gateway that could not be looked at. Nothing where nobody has
/// named one and none listens: most machines have none.
pub fn unreachable(gateway: &Gateway, error: Error, bare: impl FnOnce(Error) -> Listing) -> Option<Listing> {
    let silent = !gateway.named && matches!(error, Error::Unavailable(_));
    (!silent).then(|| bare(error))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grant(address: &str, chosen: bool, secrets: &[&str]) -> Grant {
        let secrets = secrets.iter().map(|name| (*name).to_owned()).collect();
        Grant { address: address.to_owned(), chosen, secrets }
    }

    #[test]
    fn those_that_are_named_or_else_the_usual_one() {
        let usual = || grant("ws://127.0.0.1:18789", false, &[]);
        let found = choose(vec![usual()], false);
        assert!(found.len() == 1 && !found[0].named && !found[0].token);
        assert!(choose(vec![usual()], true)[0].named);
        assert!(choose(vec![grant("ws://127.0.0.1:18789", false, &["token"])], false)[0].named);
        let both = choose(vec![usual(), grant("wss://gw:443", true, &["token"])], false);
        assert_eq!(both.len(), 1);
        assert_eq!(
            (both[0].address.as_str(), both[0].named, both[0].is_near()),
            ("wss://gw:443", true, false)
        );
        assert_eq!(both[0].label(), "gw:443");
        for near in ["ws://127.0.0.1:18789", "ws://[::1]:1", "ws://localhost:1"] {
            assert!(gateway(grant(near, false, &[]), false).is_near(), "{near}");
        }
        assert!(!gateway(grant("wss://127-0-0-1.example:443", false, &[]), false).is_near());
    }

    #[test]
    fn silence_where_nobody_expects_one() {
        let bare = |_| {
            crate::listing::bare(
                &gateway(grant("ws://x:1", false, &[]), false),
                reap_plugin::Extent::Complete,
            )
        };
        let said = |named, error| {
            let gateway = Gateway { address: "ws://x:1".to_owned(), named, token: false };
            unreachable(&gateway, error, bare).is_some()
        };
        let down = || Error::Unavailable("refused".to_owned());
        assert!(!said(false, down()) && said(true, down()));
        assert!(said(false, Error::Failed("it hangs up".to_owned())));
    }
}
