//! What is remembered, read beside whoever writes it: for questions about the
//! past, which need neither plugins nor a daemon.

use std::collections::BTreeMap;
use std::path::Path;

use reap_core::ids::{Address, Handle};
use reap_core::limits::HeldPlan;
use reap_store::{Reader, StoreError};

use super::MemoryError;
use super::keeper::state_of;

/// A session that is remembered, whether it lives or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// Its handle.
    pub handle: Handle,
    /// Where it is, or was, to be found.
    pub address: Address,
    /// The name that people know it by.
    pub title: String,
}

/// The plans that wait for the operator, by the state folder's last write.
///
/// # Errors
/// When the state folder cannot be read. One that is not there holds nothing.
pub fn held_plans(folder: &Path) -> Result<Vec<HeldPlan>, MemoryError> {
    let state = state_of(folder)?;
    Ok(state.held().values().chain(state.offered().values()).cloned().collect())
}

/// The sessions on record, and those of which a tombstone is left.
///
/// # Errors
/// When the state folder cannot be read. One that is not there knows nothing.
pub fn known_sessions(folder: &Path) -> Result<Vec<Known>, MemoryError> {
    let mut known: BTreeMap<Handle, Known> = BTreeMap::new();
    for kept in tombstones(folder)? {
        let handle = kept.handle();
        let (address, title) = (kept.address, kept.title);
        known.entry(handle.clone()).or_insert(Known { handle, address, title }); // the newest comes first
    }
    for record in state_of(folder)?.records() {
        let (handle, address) = (record.handle.clone(), record.address.clone());
        known.insert(handle.clone(), Known { handle, address, title: record.session.title.clone() });
    }
    Ok(known.into_values().collect())
}

fn tombstones(folder: &Path) -> Result<Vec<reap_store::tombstones::Tombstone>, MemoryError> {
    match Reader::open(folder) {
        Ok(reader) => Ok(reader.view().tombstones(None)?.into_iter().map(|kept| kept.tombstone).collect()),
        Err(StoreError::Missing { .. }) => Ok(Vec::new()),
        Err(error) => Err(error.into()),
    }
}
