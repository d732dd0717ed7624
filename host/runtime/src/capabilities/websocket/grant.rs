//! What a plugin may say to which gateways: its manifest's asks, completed with its
//! settings and with what the operator says of its network.

use std::collections::{BTreeMap, BTreeSet};

use reap_core::session::{Fact, Value};

use super::address::Address;
use super::secrets::is_set;
use crate::capabilities::grants::surroundings;
use crate::manifest::{Asks, EndingMessageAsk, Lift, MessageAsk, WebsocketAsk};
use crate::message::Form;
use crate::network::{Network, SecretPlace, SecretSource};
use crate::template::{Template, expand};

/// What a plugin may say to which gateways.
#[derive(Debug)]
pub(crate) struct WebsocketGrant {
    pub(crate) addresses: Vec<Address>,
    pub(crate) reads: BTreeSet<String>,
    /// The methods of all messages: nothing of these is to be hidden in a question.
    pub(crate) acts: BTreeSet<String>,
    pub(crate) messages: BTreeMap<String, Message>,
    pub(crate) endings: BTreeMap<String, EndingMessage>,
    /// Those whose environment variables the manifest names, and which addresses
    /// it names itself.
    variables: BTreeMap<String, String>,
    own: BTreeSet<String>,
    sources: Vec<SecretSource>,
}

/// A message that ends nothing.
#[derive(Debug)]
pub(crate) struct Message {
    pub(crate) method: String,
    pub(crate) form: Form,
    pub(crate) hide: Vec<String>,
}

/// A message that ends a session.
#[derive(Debug)]
pub(crate) struct EndingMessage {
    pub(crate) method: String,
    pub(crate) form: Form,
    pub(crate) lifts: Option<Lift>,
    pub(crate) each: Option<String>,
    pub(crate) many: Option<Many>,
}

/// How one message names several sessions.
#[derive(Debug)]
pub(crate) struct Many {
    pub(crate) most: usize,
    pub(crate) answers: String,
}

/// Why a grant cannot be completed, and whose mistake that is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Incomplete {
    Manifest(String),
    Operator(String),
}

impl WebsocketGrant {
    /// Completes what the manifest asks for. Nothing where it asks for nothing.
    pub(crate) fn complete(
        asks: &Asks,
        settings: &[Fact],
        network: &Network,
    ) -> Result<Option<Self>, Incomplete> {
        let Some(ask) = &asks.websocket else {
            return match *network == Network::default() {
                true => Ok(None),
                false => Err(Incomplete::Operator(
                    "it talks to no gateway: remove `secrets` and `websocket`".to_owned(),
                )),
            };
        };
        let (addresses, own) = addresses(ask, settings, network)?;
        let messages = ask.logins.iter().chain(&ask.messages);
        let messages: BTreeMap<String, Message> = messages
            .map(|(name, ask)| Ok((name.clone(), message(ask)?)))
            .collect::<Result<_, Incomplete>>()?;
        let endings = asks.ending.messages.iter();
        let endings: BTreeMap<String, EndingMessage> =
            endings.map(|(name, ask)| Ok((name.clone(), ending(ask)?))).collect::<Result<_, Incomplete>>()?;
        let methods = messages.values().map(|message| &message.method);
        let acts = methods.chain(endings.values().map(|message| &message.method)).cloned().collect();
        Ok(Some(Self {
            sources: sources(ask, network, &addresses)?,
            addresses,
            reads: ask.reads.iter().cloned().collect(),
            acts,
            messages,
            endings,
            variables: ask.secrets.clone(),
            own,
        }))
    }

    /// Where a secret for an address is: as the operator says for this address, or
    /// for all. The manifest's own variable is for the manifest's own addresses: a
    /// gateway that was added later must not be sent the first one's token.
    pub(crate) fn source(&self, address: &str, name: &str) -> Option<SecretPlace> {
        let named = |one: Option<&str>| {
            self.sources.iter().find(|source| source.name == name && source.address.as_deref() == one)
        };
        let said = named(Some(address)).or_else(|| named(None)).map(|source| source.place.clone());
        said.or_else(|| {
            let variable = self.variables.get(name).filter(|variable| !variable.is_empty())?;
            self.own.contains(address).then(|| SecretPlace::Environment(variable.clone()))
        })
    }

    /// The names of the secrets that there are for an address.
    pub(crate) fn secrets(&self, address: &str) -> Vec<String> {
        let there = |name: &&String| self.source(address, name).is_some_and(|place| is_set(&place));
        self.variables.keys().filter(there).cloned().collect()
    }
}

/// Those of the manifest and of the settings, each once, and which the manifest names
/// itself.
fn addresses(
    ask: &WebsocketAsk,
    settings: &[Fact],
    network: &Network,
) -> Result<(Vec<Address>, BTreeSet<String>), Incomplete> {
    let operator = |why: String| Incomplete::Operator(why);
    let plain: Vec<String> = network
        .plain
        .iter()
        .map(|text| Address::parse(text).map(|address| address.text))
        .collect::<Result<_, _>>()
        .map_err(|why| operator(format!("`plain` in its table `websocket`: {why}")))?;
    let (mut all, mut own): (Vec<Address>, BTreeSet<String>) = Default::default();
    for text in &ask.addresses {
        let hole = Template::parse(text).holes().next().map(str::to_owned);
        let texts = match &hole {
            None => vec![expand(text, surroundings).map_err(Incomplete::Manifest)?],
            Some(name) => match settings.iter().find(|fact| fact.name == *name).map(|fact| &fact.value) {
                Some(Value::Texts(texts)) => texts.clone(),
                _ => {
                    return Err(Incomplete::Manifest(format!(
                        "[asks.websocket] names {{{name}}}, which is no setting of several texts"
                    )));
                }
            },
        };
        for (place, one) in texts.iter().enumerate() {
            let told = |why: String| match &hole {
                Some(name) => operator(format!("the setting {name}, text {}: {why}", place + 1)),
                None => operator(format!("the address {text:?} of its manifest, completed: {why}")),
            };
            let mut address = Address::parse(one).map_err(told)?;
            address.plain = plain.contains(&address.text);
            address.check().map_err(told)?;
            if hole.is_none() {
                own.insert(address.text.clone());
            }
            match all.iter_mut().find(|known| known.text == address.text) {
                Some(known) => known.chosen |= hole.is_some(),
                None => all.push(Address { chosen: hole.is_some(), ..address }),
            }
        }
    }
    match plain.iter().find(|text| all.iter().all(|address| address.text != **text)) {
        Some(text) => Err(operator(format!("`plain` names {text}, which is none of its addresses"))),
        None => Ok((all, own)),
    }
}

/// What the operator says of secrets, held against what there is.
fn sources(
    ask: &WebsocketAsk,
    network: &Network,
    addresses: &[Address],
) -> Result<Vec<SecretSource>, Incomplete> {
    let known = |names: Vec<&str>| if names.is_empty() { "none".to_owned() } else { names.join(", ") };
    let checked = network.secrets.iter().map(|source| {
        if !ask.secrets.contains_key(&source.name) {
            let names = known(ask.secrets.keys().map(String::as_str).collect());
            return Err(format!("it has no secret {}; there are: {names}", source.name));
        }
        let Some(text) = &source.address else { return Ok(source.clone()) };
        let address = Address::parse(text).map_err(|why| format!("its table `secrets`: {why}"))?;
        if addresses.iter().all(|one| one.text != address.text) {
            let names = known(addresses.iter().map(|one| one.text.as_str()).collect());
            return Err(format!("`secrets` names {}, which is none of its addresses: {names}", address.text));
        }
        Ok(SecretSource { address: Some(address.text), ..source.clone() })
    });
    checked.collect::<Result<_, _>>().map_err(Incomplete::Operator)
}

fn message(ask: &MessageAsk) -> Result<Message, Incomplete> {
    let form = Form::parse(&ask.params).map_err(Incomplete::Manifest)?;
    Ok(Message { method: ask.method.clone(), form, hide: ask.hide.clone() })
}

fn ending(ask: &EndingMessageAsk) -> Result<EndingMessage, Incomplete> {
    let mut form = Form::parse(&ask.params).map_err(Incomplete::Manifest)?;
    let mut many = None;
    if let (Some(pointer), Some(most), Some(answers)) = (&ask.many, ask.most, &ask.answers) {
        let wrong = || Incomplete::Manifest(format!("`many` names no list with one element: {pointer}"));
        form = form.repeating(pointer).ok_or_else(wrong)?;
        many = Some(Many { most, answers: answers.clone() });
    }
    Ok(EndingMessage { method: ask.method.clone(), form, lifts: ask.lifts, each: ask.each.clone(), many })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::Manifest;

    const ASKS: &str = "[asks.websocket]\naddresses = [\"${REAP_TEST_NO_GATEWAY:-ws://127.0.0.1:18789}\", \
                        \"{gateways}\"]\nreads = [\"list\"]\n[asks.websocket.secrets]\ntoken = \"PATH\"\n";

    fn complete(
        asks: &str,
        gateways: &[&str],
        network: &Network,
    ) -> Result<Option<WebsocketGrant>, Incomplete> {
        let head = "name = \"x\"\nversion = \"1\"\nworld = \"backend\"\nsummary = \"s\"\n";
        let manifest = Manifest::parse(&format!("{head}{asks}"), "x.toml").expect("a good manifest");
        let texts = gateways.iter().map(|text| (*text).to_owned()).collect();
        let settings = [Fact { name: "gateways".to_owned(), value: Value::Texts(texts) }];
        WebsocketGrant::complete(&manifest.asks, &settings, network)
    }

    fn source(name: &str, address: Option<&str>, variable: &str) -> SecretSource {
        let place = SecretPlace::Environment(variable.to_owned());
        SecretSource { name: name.to_owned(), address: address.map(str::to_owned), place }
    }

    #[test]
    fn each_address_has_its_own_secrets() {
        let chosen = ["WSS://gw.example/", "ws://[::1]:7", "ws://127.0.0.1:18789/"];
        let plain = complete(ASKS, &chosen, &Network::default()).expect("good").expect("asked for");
        let shown: Vec<(&str, bool)> =
            plain.addresses.iter().map(|address| (address.text.as_str(), address.chosen)).collect();
        let own = "ws://127.0.0.1:18789";
        assert_eq!(shown, [(own, true), ("wss://gw.example:443", true), ("ws://[::1]:7", true)]);
        // PATH is set wherever tests run.
        assert_eq!(plain.secrets(own), ["token"]);
        assert!(plain.secrets("ws://[::1]:7").is_empty(), "the manifest's variable is not for every gateway");
        let secrets = vec![source("token", None, "HOME"), source("token", Some("wss://gw.example"), "USER")];
        let said = Network { secrets, ..Network::default() };
        let grant = complete(ASKS, &chosen, &said).expect("good").expect("asked for");
        let place = |variable: &str| Some(SecretPlace::Environment(variable.to_owned()));
        assert_eq!(grant.source(own, "token"), place("HOME"));
        assert_eq!(grant.source("wss://gw.example:443", "token"), place("USER"));
        assert_eq!(grant.source(own, "other"), None);
    }

    #[test]
    fn what_the_operator_says_must_fit() {
        let network = |secrets, plain: &[&str]| Network {
            secrets,
            plain: plain.iter().map(|text| (*text).to_owned()).collect(),
            ..Network::default()
        };
        for (asks, gateways, network, words) in [
            (ASKS, &["ws://10.0.0.1:1"][..], network(vec![], &[]), "plain = [\"ws://10.0.0.1:1\"]"),
            (ASKS, &["http://x"], network(vec![], &[]), "the setting gateways, text 1"),
            (ASKS, &[], network(vec![], &["ws://10.0.0.1:1"]), "none of its addresses"),
            (ASKS, &[], network(vec![source("tokn", None, "X")], &[]), "it has no secret tokn"),
            (ASKS, &[], network(vec![source("token", Some("ws://a:1"), "X")], &[]), "none of its addresses"),
            ("", &[], network(vec![source("token", None, "X")], &[]), "it talks to no gateway"),
        ] {
            match complete(asks, gateways, &network) {
                Err(Incomplete::Operator(why)) => assert!(why.contains(words), "{why}"),
                other => panic!("{words}: {other:?}"),
            }
        }
        let allowed = network(vec![], &["ws://10.0.0.1:1/"]);
        assert!(complete(ASKS, &["ws://10.0.0.1:1"], &allowed).is_ok());
        assert!(matches!(complete("", &[], &Network::default()), Ok(None)));
    }
}
