//! The parameters of a message as a manifest spells them out: JSON with holes.
//!
//! A hole is filled with a value and never with a piece of JSON, so that nothing can
//! be hidden in it. `{name}` stands for a value; where it is the whole of a text, a
//! number stays a number. `{{secret:NAME}}` stands for a secret, and `{{sign:...}}`,
//! as a whole text, for the signature over what is in it.

use std::borrow::Cow;
use std::collections::BTreeSet;

use crate::template::{Part, Template};

/// The deepest that JSON may be nested, either way.
pub(crate) const DEEPEST: usize = 32;

/// JSON with holes.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Form(Node);

#[derive(Debug, Clone, PartialEq)]
enum Node {
    /// What has no holes: a number or a flag, as JSON.
    Fixed(String),
    Text(Vec<Piece>),
    Signature(Vec<Piece>),
    List(Vec<Node>),
    /// A list with such an element for each session.
    Repeat(Box<Node>),
    Object(Vec<(String, Node)>),
}

#[derive(Debug, Clone, PartialEq)]
enum Piece {
    Plain(String),
    Hole(String),
    Secret(String),
}

/// What a hole is filled with.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value<'a> {
    Text(Cow<'a, str>),
    Number(i64),
    Flag(bool),
    Texts(Vec<String>),
}

/// Where a form gets its values from, and where its text goes.
pub(crate) trait Filler {
    /// Why something cannot be filled.
    type Error;
    /// Takes a piece of JSON.
    fn write(&mut self, json: &str);
    /// The value of a hole, in the element for this session.
    fn value(&mut self, hole: &str, session: usize) -> Result<Value<'_>, Self::Error>;
    /// Writes a secret: as a part of a JSON text, or to what is to be signed.
    fn secret(&mut self, name: &str) -> Result<(), Self::Error>;
    /// Begins to take what is to be signed in the place of JSON.
    fn begin_signing(&mut self);
    /// Ends that, and writes the signature as JSON.
    fn end_signing(&mut self) -> Result<(), Self::Error>;
}

impl Form {
    /// Reads the parameters of a manifest.
    pub(crate) fn parse(params: &toml::Table) -> Result<Self, String> {
        object(params, 1).map(Self)
    }

    /// The form with the list at this pointer, which has one element, repeated for
    /// each session.
    pub(crate) fn repeating(mut self, pointer: &str) -> Option<Self> {
        let list = self.at(pointer)?;
        let Node::List(elements) = list else { return None };
        let [element] = elements.as_slice() else { return None };
        *list = Node::Repeat(Box::new(element.clone()));
        Some(self)
    }

    /// What is left of the form without the list at this pointer.
    pub(crate) fn repeated(&self, pointer: &str) -> Option<Self> {
        let mut rest = self.clone().repeating(pointer)?;
        *rest.at(pointer)? = Node::List(Vec::new());
        Some(rest)
    }

    fn at(&mut self, pointer: &str) -> Option<&mut Node> {
        pointer.split('/').skip(1).try_fold(&mut self.0, |node, name| match node {
            Node::Object(fields) => fields.iter_mut().find(|(known, _)| known == name).map(|(_, node)| node),
            _ => None,
        })
    }

    /// The names of its holes.
    pub(crate) fn holes(&self) -> Vec<String> {
        self.pieces(|piece| if let Piece::Hole(name) = piece { Some(name.clone()) } else { None })
    }

    /// The names of its secrets.
    pub(crate) fn secrets(&self) -> BTreeSet<String> {
        let of = |piece: &Piece| if let Piece::Secret(name) = piece { Some(name.clone()) } else { None };
        self.pieces(of).into_iter().collect()
    }

    /// Whether it holds a signature.
    pub(crate) fn signs(&self) -> bool {
        let mut found = false;
        self.0.walk(&mut |node| found |= matches!(node, Node::Signature(_)));
        found
    }

    fn pieces<T>(&self, pick: impl Fn(&Piece) -> Option<T>) -> Vec<T> {
        let mut all = Vec::new();
        self.0.walk(&mut |node| {
            if let Node::Text(pieces) | Node::Signature(pieces) = node {
                all.extend(pieces.iter().filter_map(&pick));
            }
        });
        all
    }

    /// Writes it as JSON, for so many sessions.
    pub(crate) fn fill<F: Filler>(&self, filler: &mut F, sessions: usize) -> Result<(), F::Error> {
        self.0.fill(filler, 0, sessions)
    }
}

impl Node {
    fn walk(&self, see: &mut impl FnMut(&Self)) {
        see(self);
        match self {
            Self::List(nodes) => nodes.iter().for_each(|node| node.walk(see)),
            Self::Object(fields) => fields.iter().for_each(|(_, node)| node.walk(see)),
            Self::Repeat(node) => node.walk(see),
            Self::Fixed(_) | Self::Text(_) | Self::Signature(_) => {}
        }
    }

    fn fill<F: Filler>(&self, filler: &mut F, session: usize, sessions: usize) -> Result<(), F::Error> {
        match self {
            Self::Fixed(json) => filler.write(json),
            Self::Text(pieces) => match pieces.as_slice() {
                [Piece::Hole(name)] => whole(filler, name, session)?,
                pieces => {
                    filler.write("\"");
                    text(filler, pieces, session, escaped)?;
                    filler.write("\"");
                }
            },
            Self::Signature(pieces) => {
                filler.begin_signing();
                // What is signed is the text itself, not its JSON.
                text(filler, pieces, session, str::to_owned)?;
                filler.end_signing()?;
            }
            Self::List(nodes) => {
                let each = nodes.iter().map(|node| (node, session));
                list(filler, each, sessions)?;
            }
            Self::Repeat(node) => {
                let each = (0..sessions).map(|session| (node.as_ref(), session));
                list(filler, each, sessions)?;
            }
            Self::Object(fields) => {
                let mut before = "{";
                for (name, node) in fields {
                    filler.write(before);
                    filler.write(&quoted(name));
                    filler.write(":");
                    node.fill(filler, session, sessions)?;
                    before = ",";
                }
                filler.write(if fields.is_empty() { "{}" } else { "}" });
            }
        }
        Ok(())
    }
}

fn list<'n, F: Filler>(
    filler: &mut F,
    nodes: impl Iterator<Item = (&'n Node, usize)>,
    sessions: usize,
) -> Result<(), F::Error> {
    filler.write("[");
    for (place, (node, session)) in nodes.enumerate() {
        if place > 0 {
            filler.write(",");
        }
        node.fill(filler, session, sessions)?;
    }
    filler.write("]");
    Ok(())
}

/// A value that stands by itself.
fn whole<F: Filler>(filler: &mut F, hole: &str, session: usize) -> Result<(), F::Error> {
    let json = match filler.value(hole, session)? {
        Value::Text(text) => quoted(&text),
        Value::Number(number) => number.to_string(),
        Value::Flag(flag) => flag.to_string(),
        Value::Texts(texts) => {
            format!("[{}]", texts.iter().map(|text| quoted(text)).collect::<Vec<_>>().join(","))
        }
    };
    filler.write(&json);
    Ok(())
}

fn text<F: Filler>(
    filler: &mut F,
    pieces: &[Piece],
    session: usize,
    spell: fn(&str) -> String,
) -> Result<(), F::Error> {
    for piece in pieces {
        match piece {
            Piece::Plain(plain) => filler.write(&spell(plain)),
            Piece::Secret(name) => filler.secret(name)?,
            Piece::Hole(name) => {
                let word = match filler.value(name, session)? {
                    Value::Text(text) => spell(&text),
                    Value::Number(number) => number.to_string(),
                    Value::Flag(flag) => flag.to_string(),
                    Value::Texts(texts) => spell(&texts.join(" ")),
                };
                filler.write(&word);
            }
        }
    }
    Ok(())
}

fn object(table: &toml::Table, depth: usize) -> Result<Node, String> {
    let fields = table.iter().map(|(name, value)| Ok((name.clone(), node(value, depth + 1)?)));
    fields.collect::<Result<_, String>>().map(Node::Object)
}

fn node(value: &toml::Value, depth: usize) -> Result<Node, String> {
    if depth > DEEPEST {
        return Err(format!("`params` is nested more than {DEEPEST} deep"));
    }
    match value {
        toml::Value::String(text) => string(text),
        toml::Value::Integer(number) => Ok(Node::Fixed(number.to_string())),
        toml::Value::Float(number) if number.is_finite() => Ok(Node::Fixed(number.to_string())),
        toml::Value::Boolean(flag) => Ok(Node::Fixed(flag.to_string())),
        toml::Value::Array(values) => {
            values.iter().map(|value| node(value, depth + 1)).collect::<Result<_, _>>().map(Node::List)
        }
        toml::Value::Table(table) => object(table, depth),
        toml::Value::Float(_) | toml::Value::Datetime(_) => {
            Err(format!("{value} in `params` is no value of JSON; write it as a text in quotes"))
        }
    }
}

fn string(text: &str) -> Result<Node, String> {
    match text.strip_prefix("{{sign:") {
        None => pieces(text).map(Node::Text),
        Some(rest) => match rest.strip_suffix("}}") {
            Some(signed) => pieces(signed).map(Node::Signature),
            None => Err(format!("{text:?}: a signature is a whole text, and ends with }}}}")),
        },
    }
}

fn pieces(text: &str) -> Result<Vec<Piece>, String> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some((plain, after)) = rest.split_once("{{") {
        let inner =
            after.split_once("}}").and_then(|(inner, rest)| Some((inner.strip_prefix("secret:")?, rest)));
        let Some((name, left)) = inner else {
            return Err(format!("{text:?}: after {{{{ comes `secret:NAME}}}}`; a signature is a whole text"));
        };
        add_plain(plain, &mut pieces);
        pieces.push(Piece::Secret(name.to_owned()));
        rest = left;
    }
    add_plain(rest, &mut pieces);
    Ok(pieces)
}

fn add_plain(text: &str, pieces: &mut Vec<Piece>) {
    pieces.extend(Template::parse(text).into_parts().into_iter().map(|part| match part {
        Part::Plain(plain) => Piece::Plain(plain),
        Part::Hole(name) => Piece::Hole(name),
    }));
}

/// A text as JSON.
pub(crate) fn quoted(text: &str) -> String {
    format!("\"{}\"", escaped(text))
}

/// A text as it stands between the quotes of JSON.
pub(crate) fn escaped(text: &str) -> String {
    let long = |c: char| match c {
        '"' | '\\' => 2,
        c if c < ' ' => 6,
        c => c.len_utf8(),
    };
    // Large enough from the start: it may be a secret, and what a text grows out of is not
    // wiped.
    let mut out = String::with_capacity(text.chars().map(long).sum());
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if c < ' ' => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests;
