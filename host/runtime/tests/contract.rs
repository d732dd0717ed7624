//! The contract in `wit/` against what was published of it.
//!
//! A record cannot grow inside a major version: one new field, even an optional
//! one, breaks the linking of every plugin that was built before. `wit/frozen/`
//! keeps every published shape, a line each; a line may be added and none may
//! change. To publish new ones: `BLESS=1 cargo test -p reap-runtime --test
//! contract`, and read the difference.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use wit_parser::{
    Docs, Function, FunctionKind, Handle, Interface, InterfaceId, Resolve, Stability, Type, TypeDef,
    TypeDefKind, WorldItem,
};

fn wit() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../wit")
}

fn contract() -> Resolve {
    let mut resolve = Resolve::default();
    resolve.push_dir(wit()).expect("wit/ parses");
    resolve
}

#[test]
fn nothing_published_has_changed() {
    let frozen = wit().join("frozen/0.1.0.txt");
    let now = shapes(&contract());
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&frozen, now.iter().map(|line| format!("{line}\n")).collect::<String>())
            .expect("written");
    }
    let published = std::fs::read_to_string(&frozen).expect("wit/frozen/0.1.0.txt is there");
    let published: BTreeSet<String> = published.lines().map(str::to_owned).collect();
    assert!(published.len() > 50, "the file of published shapes is nearly empty");
    let lost: Vec<&String> = published.difference(&now).collect();
    assert!(lost.is_empty(), "published shapes that changed or went away: {lost:#?}");
    let new: Vec<&String> = now.difference(&published).collect();
    assert!(new.is_empty(), "shapes that are not published yet (see the head of this file): {new:#?}");
}

#[test]
fn a_changed_record_is_seen() {
    let before = shapes(&contract());
    let mut resolve = contract();
    let session =
        resolve.types.iter().find(|(_, ty)| ty.name.as_deref() == Some("session")).expect("there is one").0;
    let TypeDefKind::Record(record) = &mut resolve.types[session].kind else { panic!("it is a record") };
    record.fields.pop();
    assert_ne!(before, shapes(&resolve));
}

#[test]
fn every_item_is_documented_and_gated() {
    let resolve = contract();
    let mut bare = Vec::new();
    let mut check = |what: String, docs: &Docs, gate: Option<&Stability>| {
        if docs.contents.as_deref().is_none_or(|text| text.trim().is_empty()) {
            bare.push(format!("{what}: no documentation"));
        }
        if gate.is_some_and(|gate| !matches!(gate, Stability::Stable { .. })) {
            bare.push(format!("{what}: no @since"));
        }
    };
    for (_, world) in resolve.worlds.iter() {
        check(world.name.clone(), &world.docs, Some(&world.stability));
    }
    for (id, interface) in resolve.interfaces.iter() {
        let place = name(&resolve, id);
        check(place.clone(), &interface.docs, Some(&interface.stability));
        for (called, function) in &interface.functions {
            // A method takes the gate of its resource.
            let gate = matches!(function.kind, FunctionKind::Freestanding).then_some(&function.stability);
            check(format!("{place}.{called}"), &function.docs, gate);
        }
        for (called, ty) in &interface.types {
            let ty = &resolve.types[*ty];
            if matches!(ty.kind, TypeDefKind::Type(Type::Id(_))) {
                continue; // a name taken over by `use`
            }
            check(format!("{place}.{called}"), &ty.docs, Some(&ty.stability));
            for (part, docs) in parts(ty) {
                check(format!("{place}.{called}.{part}"), docs, None);
            }
        }
    }
    assert!(bare.is_empty(), "{bare:#?}");
}

fn parts(ty: &TypeDef) -> Vec<(&str, &Docs)> {
    match &ty.kind {
        TypeDefKind::Record(record) => record.fields.iter().map(|f| (f.name.as_str(), &f.docs)).collect(),
        TypeDefKind::Variant(variant) => variant.cases.iter().map(|c| (c.name.as_str(), &c.docs)).collect(),
        TypeDefKind::Enum(cases) => cases.cases.iter().map(|c| (c.name.as_str(), &c.docs)).collect(),
        TypeDefKind::Flags(flags) => flags.flags.iter().map(|f| (f.name.as_str(), &f.docs)).collect(),
        _ => Vec::new(),
    }
}

fn shapes(resolve: &Resolve) -> BTreeSet<String> {
    let mut lines = BTreeSet::new();
    for (id, interface) in resolve.interfaces.iter() {
        lines.extend(interface_shapes(resolve, &name(resolve, id), interface));
    }
    for (_, world) in resolve.worlds.iter() {
        for (kind, items) in [("imports", &world.imports), ("exports", &world.exports)] {
            for item in items.values() {
                if let WorldItem::Interface { id, .. } = item {
                    lines.insert(format!("world {} {kind} {}", world.name, name(resolve, *id)));
                }
            }
        }
    }
    lines
}

fn interface_shapes(resolve: &Resolve, place: &str, interface: &Interface) -> Vec<String> {
    let mut lines = Vec::new();
    for (called, id) in &interface.types {
        let ty = &resolve.types[*id];
        if !matches!(ty.kind, TypeDefKind::Type(Type::Id(_))) {
            lines.push(format!("{place}.{called} = {}", definition(resolve, ty)));
        }
    }
    lines.extend(interface.functions.values().map(|function| signature(resolve, place, function)));
    lines
}

fn signature(resolve: &Resolve, place: &str, function: &Function) -> String {
    let params: Vec<String> = function
        .params
        .iter()
        .map(|param| format!("{}: {}", param.name, spell(resolve, &param.ty)))
        .collect();
    let result = function.result.as_ref().map_or("()".to_owned(), |ty| spell(resolve, ty));
    format!("{place}.{}: ({}) -> {result}", function.name, params.join(", "))
}

fn definition(resolve: &Resolve, ty: &TypeDef) -> String {
    let join = |parts: Vec<String>| parts.join(", ");
    match &ty.kind {
        TypeDefKind::Record(record) => {
            let fields = record.fields.iter().map(|f| format!("{}: {}", f.name, spell(resolve, &f.ty)));
            format!("record {{ {} }}", join(fields.collect()))
        }
        TypeDefKind::Variant(variant) => {
            let cases = variant.cases.iter().map(|case| match &case.ty {
                Some(ty) => format!("{}({})", case.name, spell(resolve, ty)),
                None => case.name.clone(),
            });
            format!("variant {{ {} }}", join(cases.collect()))
        }
        TypeDefKind::Enum(cases) => {
            format!("enum {{ {} }}", join(cases.cases.iter().map(|c| c.name.clone()).collect()))
        }
        TypeDefKind::Flags(flags) => {
            format!("flags {{ {} }}", join(flags.flags.iter().map(|f| f.name.clone()).collect()))
        }
        TypeDefKind::Resource => "resource".to_owned(),
        other => spell_kind(resolve, other),
    }
}

fn spell(resolve: &Resolve, ty: &Type) -> String {
    match ty {
        Type::Id(id) => match &resolve.types[*id] {
            TypeDef { name: Some(name), .. } => name.clone(),
            unnamed => spell_kind(resolve, &unnamed.kind),
        },
        plain => format!("{plain:?}").to_lowercase(),
    }
}

fn spell_kind(resolve: &Resolve, kind: &TypeDefKind) -> String {
    let maybe = |ty: &Option<Type>| ty.as_ref().map_or("_".to_owned(), |ty| spell(resolve, ty));
    match kind {
        TypeDefKind::List(ty) => format!("list<{}>", spell(resolve, ty)),
        TypeDefKind::Option(ty) => format!("option<{}>", spell(resolve, ty)),
        TypeDefKind::Result(result) => format!("result<{}, {}>", maybe(&result.ok), maybe(&result.err)),
        TypeDefKind::Tuple(tuple) => {
            format!(
                "tuple<{}>",
                tuple.types.iter().map(|ty| spell(resolve, ty)).collect::<Vec<_>>().join(", ")
            )
        }
        TypeDefKind::Handle(Handle::Borrow(id)) => format!("borrow<{}>", spell(resolve, &Type::Id(*id))),
        TypeDefKind::Handle(Handle::Own(id)) => format!("own<{}>", spell(resolve, &Type::Id(*id))),
        TypeDefKind::Type(ty) => spell(resolve, ty),
        other => format!("{other:?}"),
    }
}

fn name(resolve: &Resolve, id: InterfaceId) -> String {
    resolve.interfaces[id].name.clone().unwrap_or_else(|| "unnamed".to_owned())
}
