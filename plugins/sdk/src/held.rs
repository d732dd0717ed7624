//! Where the configured plugin is kept between the calls of one instance.
//!
//! The contract's functions are free ones, so something has to remember what
//! `configure` made. A component has one thread; one slot of it is enough.

use std::cell::RefCell;
use std::rc::Rc;
use std::thread::LocalKey;

use crate::Error;

/// A type whose one configured value is kept. The export macros implement it.
#[doc(hidden)]
pub trait Held: Sized + 'static {
    /// The place it is kept in.
    fn slot() -> &'static LocalKey<RefCell<Option<Rc<Self>>>>;
}

/// Keeps the value that `configure` made.
pub(crate) fn keep<T: Held>(value: T) {
    T::slot().set(Some(Rc::new(value)));
}

/// The value that was kept.
pub(crate) fn held<T: Held>() -> Result<Rc<T>, Error> {
    let held = T::slot().with_borrow(Clone::clone);
    held.ok_or_else(|| {
        Error::Failed(
            "the host called the plugin before it called `configure`; it must do that first".to_owned(),
        )
    })
}

/// Makes a type that implements [`Backend`](crate::Backend) the plugin's export.
#[macro_export]
macro_rules! export_backend {
    ($plugin:ty) => {
        $crate::__export!($plugin, BackendExport, export_backend_world, $crate::bindings::backend);
    };
}

/// Makes a type that implements [`Policy`](crate::Policy) the plugin's export.
#[macro_export]
macro_rules! export_policy {
    ($plugin:ty) => {
        $crate::__export!($plugin, PolicyExport, export_policy_world, $crate::bindings::policy);
    };
}

/// The common part of the two. The exported symbols exist on wasm alone: natively
/// two plugins in one test binary would define them twice.
#[doc(hidden)]
#[macro_export]
macro_rules! __export {
    ($plugin:ty, $export:ident, $world:ident, $($bindings:tt)*) => {
        impl $crate::Held for $plugin {
            fn slot() -> &'static ::std::thread::LocalKey<::std::cell::RefCell<Option<::std::rc::Rc<Self>>>> {
                ::std::thread_local! {
                    static HELD: ::std::cell::RefCell<Option<::std::rc::Rc<$plugin>>> =
                        const { ::std::cell::RefCell::new(None) };
                }
                &HELD
            }
        }

        const _: () = {
            #[allow(dead_code, reason = "used by the exports, which exist on wasm alone")]
            type Exported = $crate::$export<$plugin>;

            #[cfg(target_arch = "wasm32")]
            $($bindings)*::$world!(Exported with_types_in $($bindings)*);
        };
    };
}
