//! What `wit/` looks like in Rust: generated, never edited.

#[allow(missing_docs, clippy::all, reason = "generated code")]
pub(crate) mod backend {
    wasmtime::component::bindgen!({
        path: "../../wit",
        world: "backend-plugin",
        imports: {
            "reap:plugin/commands.[method]running.finish": async | trappable,
            "reap:plugin/ending.run": async | trappable,
            "reap:plugin/ending.terminate": async | trappable,
            "reap:plugin/websocket.open": async | trappable,
            "reap:plugin/websocket.wait": async | trappable,
            "reap:plugin/websocket.[method]connection.ask": async | trappable,
            "reap:plugin/websocket.[method]connection.end": async | trappable,
            "reap:plugin/websocket.[method]connection.next-event": async | trappable,
            "reap:plugin/websocket.[method]connection.send": async | trappable,
            default: trappable,
        },
        exports: { default: async },
        with: {
            "reap:plugin/commands.running": crate::capabilities::commands::Running,
            "reap:plugin/ending.permit": crate::capabilities::ending::PermitHandle,
            "reap:plugin/websocket.connection": crate::capabilities::websocket::Connection,
        },
        require_store_data_send: true,
    });
}

#[allow(missing_docs, clippy::all, reason = "generated code")]
pub(crate) mod policy {
    wasmtime::component::bindgen!({
        path: "../../wit",
        world: "policy-plugin",
        imports: { default: trappable },
        exports: { default: async },
        with: {
            "reap:plugin/types": super::backend::reap::plugin::types,
            "reap:plugin/log": super::backend::reap::plugin::log,
        },
        require_store_data_send: true,
    });
}

/// What an engine of scripts has beside the world of a policy.
#[allow(missing_docs, clippy::all, reason = "generated code")]
pub(crate) mod engine {
    wasmtime::component::bindgen!({
        path: "../../wit",
        inline: "
            package reap:host;
            world engine-side {
                import reap:plugin/script@0.1.0;
                export reap:plugin/outline@0.1.0;
            }
        ",
        world: "reap:host/engine-side",
        imports: { default: trappable },
        exports: { default: async },
        with: {
            "reap:plugin/types": super::backend::reap::plugin::types,
        },
        require_store_data_send: true,
    });
}

pub(crate) use backend::exports::reap::plugin::backend as backend_exports;
pub(crate) use backend::reap::plugin::{
    commands, ending, files, leftovers, liveness, log, processes, settings, types, websocket,
};
pub(crate) use engine::reap::plugin::script;
pub(crate) use policy::exports::reap::plugin::policy as policy_exports;
