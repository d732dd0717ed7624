//! Makes a listing of each kiro home.
//!
//! Where there is no home, kiro-cli was never used: then nobody's processes are
//! looked at, which would be most of the cost.

use std::time::{SystemTime, UNIX_EPOCH};

use reap_plugin::files::{entries, read};
use reap_plugin::{Error, Extent, Listing, Session, Timestamp};

use crate::argv::file_name;
use crate::homes::Home;
use crate::rows::{Scene, living};
use crate::store::{Locked, Store};
use crate::table::Table;
use crate::third;
use crate::trees::{Tree, Trees};

/// A home does not start and end; its keys are given once and never again.
const GENERATION: &str = "1";

/// The listings of these homes.
pub fn of_all(homes: &[Home]) -> Vec<Listing> {
    let found: Vec<Result<Option<Found>, Error>> = homes.iter().map(look).collect();
    let table = table_for(&found);
    let of = |(home, found)| match (found, &table) {
        (Ok(Some(found)), Ok(table)) => of_home(home, &found, table, homes),
        (Ok(Some(_)), Err(error)) => bare(home, Extent::Failed(error.clone())),
        (Err(error), _) => bare(home, Extent::Failed(error)),
        (Ok(None), _) => bare(home, Extent::Absent("there is no such folder".to_owned())),
    };
    homes.iter().zip(found).map(of).collect()
}

/// What was found in a home.
struct Found {
    store: Store,
    locked: Vec<Locked>,
}

/// The process table, as far as somebody needs it.
fn table_for(found: &[Result<Option<Found>, Error>]) -> Result<Table, Error> {
    let homes: Vec<&Found> = found.iter().filter_map(|found| found.as_ref().ok()?.as_ref()).collect();
    if homes.is_empty() {
        return Ok(Table::default());
    }
    let mut table = Table::read()?;
    let locks = homes.iter().flat_map(|found| &found.locked).filter_map(|one| one.lock.as_ref().ok());
    table.look_for(locks.map(|lock| lock.pid))?;
    let now = now();
    let held =
        homes.iter().flat_map(|found| living(&found.locked, &table, now)).map(|(pid, _)| pid).collect();
    let loose = Trees::new(&table, &held).loose().into_iter().flat_map(|tree| tree.pids).collect();
    table.learn_homes(&loose)?;
    Ok(table)
}

/// The listing of one of these homes.
pub fn of_one(homes: &[Home], instance: &str) -> Result<Listing, Error> {
    let listings = of_all(homes).into_iter();
    let mut one = listings.filter(|listing| listing.instance == instance);
    one.next()
        .ok_or_else(|| Error::NotFound(format!("{instance} is none of the kiro homes that are looked into")))
}

/// What a home holds; nothing where there is none.
fn look(home: &Home) -> Result<Option<Found>, Error> {
    match entries(&home.sessions()) {
        Ok(_) => {
            let mut store = Store::look(&home.sessions())?;
            let locked = store.locked();
            Ok(Some(Found { store, locked }))
        }
        // A link and a file are no folder either, and something may be behind them.
        Err(Error::NotFound(_)) => match read(&home.sessions(), 0, 1) {
            Err(Error::NotFound(_)) => Ok(None),
            Err(error) => Err(error),
            Ok(_) => Err(Error::Unavailable(format!("{} is no folder", home.sessions()))),
        },
        Err(error) => Err(error.reworded(|why| format!("the folder of its sessions cannot be read: {why}"))),
    }
}

fn of_home(home: &Home, found: &Found, table: &Table, homes: &[Home]) -> Listing {
    let Found { store, locked } = found;
    let scene = Scene::new(home, table, locked, now());
    let mut sessions: Vec<Session> =
        locked.iter().map(|one| scene.session(one, store.record(&one.id))).collect();
    let first = homes.first() == Some(home);
    let here = |tree: &Tree| is_of(tree, table, home, homes, first);
    let third = |since| third::written_since(&home.sessions(), since);
    sessions.extend(scene.runtimes(here, |id| store.record(id), third));
    sessions.extend(scene.left_behind());
    let unread = table.unread.iter().filter(|why| home.holds(why)).cloned();
    let flaws: Vec<String> = store.flaws.iter().cloned().chain(unread).collect();
    Listing { generation: Some(GENERATION.to_owned()), sessions, ..bare(home, extent(&flaws)) }
}

/// Whether a runtime works in this home. One of a home that is not looked into is
/// listed with the first, so that it is listed at all. Where nobody can tell, as of one
/// in a container, it is for others to look after.
fn is_of(tree: &Tree, table: &Table, home: &Home, homes: &[Home], first: bool) -> bool {
    let Some(path) = tree.pids.iter().find_map(|pid| table.kin(*pid)?.home.as_deref()) else { return false };
    match homes.iter().find(|home| home.is_at(path)) {
        Some(of) => of == home,
        None => first,
    }
}

fn extent(flaws: &[String]) -> Extent {
    match flaws {
        [] => Extent::Complete,
        [one] => Extent::Partial(one.clone()),
        [first, rest @ ..] => Extent::Partial(format!("{first} (and {} more)", rest.len())),
    }
}

fn bare(home: &Home, extent: Extent) -> Listing {
    Listing {
        instance: home.path.clone(),
        label: file_name(&home.path).to_owned(),
        generation: None,
        server: None,
        extent,
        sessions: Vec::new(),
    }
}

fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
