//! The contract in Rust, generated from `wit/`.
//!
//! Two worlds, two modules, one set of types: the backend's world takes the
//! words and the log from the policy's. They are apart because a component
//! imports what its world lists and its code calls; a policy that is built on
//! this crate imports the log and nothing else of ours.

/// The world of a policy.
#[allow(missing_docs, reason = "generated; the documented names are re-exported by the crate")]
pub mod policy {
    wit_bindgen::generate!({
        path: "../../wit",
        world: "policy-plugin",
        additional_derives: [PartialEq],
        generate_unused_types: true,
        pub_export_macro: true,
        export_macro_name: "export_policy_world",
        runtime_path: "::reap_plugin::bindings::wit_bindgen::rt",
    });
}

/// The world of a backend.
#[allow(missing_docs, reason = "generated; the documented names are re-exported by the crate")]
pub mod backend {
    wit_bindgen::generate!({
        path: "../../wit",
        world: "backend-plugin",
        with: {
            "reap:plugin/types@0.1.0": super::policy::reap::plugin::types,
            "reap:plugin/log@0.1.0": super::policy::reap::plugin::log,
        },
        additional_derives: [PartialEq],
        pub_export_macro: true,
        export_macro_name: "export_backend_world",
        runtime_path: "::reap_plugin::bindings::wit_bindgen::rt",
    });
}

#[doc(hidden)]
pub use wit_bindgen;
