//! The records, each in a place that it keeps.
//!
//! A pass goes through all of them, and the order in which it does so decides
//! what it costs: looked up one by one, a hundred thousand records are as many
//! misses of the processor's cache. So a record stays where it was put, and a
//! [`Site`] remembers the places in the order of its last listing. The next
//! listing is mostly the same, and [`Walk`] finds its sessions by going along.

use std::collections::{HashMap, HashSet};

use crate::hash::Quick;
use crate::ids::{Handle, Instance, Key, PluginName};
use crate::listing::Listing;
use crate::record::Record;

/// Where a record is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place(usize);

/// All records, by place and by handle.
#[derive(Debug, Clone, Default)]
pub(crate) struct Records {
    places: Vec<Option<Record>>,
    free: Vec<Place>,
    by_handle: HashMap<Handle, Place, Quick>,
}

impl Records {
    /// Where the record with this handle is.
    pub fn find(&self, handle: &Handle) -> Option<Place> {
        self.by_handle.get(handle).copied()
    }

    pub fn at(&self, place: Place) -> Option<&Record> {
        self.places.get(place.0)?.as_ref()
    }

    pub fn at_mut(&mut self, place: Place) -> Option<&mut Record> {
        self.places.get_mut(place.0)?.as_mut()
    }

    pub fn iter(&self) -> impl Iterator<Item = &Record> {
        self.places.iter().flatten()
    }

    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut Record> {
        self.places.iter_mut().flatten()
    }

    /// Puts a record in, or in the place of the one with its handle.
    pub fn put(&mut self, record: Record) -> Place {
        let place = self.find(&record.handle).or_else(|| self.free.pop()).unwrap_or(Place(self.places.len()));
        self.by_handle.insert(record.handle.clone(), place);
        match self.places.get_mut(place.0) {
            Some(kept) => *kept = Some(record),
            None => self.places.push(Some(record)),
        }
        place
    }

    pub fn remove(&mut self, place: Place) -> Option<Record> {
        let record = self.places.get_mut(place.0)?.take()?;
        self.by_handle.remove(&record.handle);
        self.free.push(place);
        Some(record)
    }
}

/// One instance, with the sessions that are to be found there.
#[derive(Debug, Clone)]
pub(crate) struct Site {
    backend: PluginName,
    instance: Instance,
    /// Each session that is present, by its key.
    present: HashMap<Key, Place, Quick>,
    /// The places in the order of the last listing. One that came since is not
    /// in it, and one that left still may be.
    order: Vec<Place>,
    /// How many of those that are present were seen in this pass.
    pub seen: usize,
    /// Why it is not known what the instance holds, where that is so.
    pub doubt: Option<String>,
}

impl Site {
    pub fn new(backend: PluginName, instance: Instance) -> Self {
        let (present, order) = (HashMap::default(), Vec::new());
        Self { backend, instance, present, order, seen: 0, doubt: None }
    }

    /// Its backend and its instance.
    pub fn name(&self) -> (PluginName, Instance) {
        (self.backend.clone(), self.instance.clone())
    }

    /// The places of all that are present, in no order.
    pub fn places(&self) -> impl ExactSizeIterator<Item = Place> {
        self.present.values().copied()
    }

    /// Whether nothing is to be found here.
    pub fn is_empty(&self) -> bool {
        self.present.is_empty()
    }

    /// Where the session is that is present under this key.
    pub fn find(&self, key: &Key) -> Option<Place> {
        self.present.get(key).copied()
    }

    /// The sessions that none of these listings shows.
    pub fn hidden<'a>(&self, records: &'a Records, listings: &[&Listing]) -> Vec<&'a Record> {
        let shown = || listings.iter().flat_map(|listing| listing.seen());
        let mut walk = Walk::along(self);
        let known = shown().filter(|session| walk.find(records, &session.key).is_some()).count();
        if listings.len() == 1 && known == self.present.len() {
            return Vec::new(); // the rule, and cheaper to find out than which are hidden
        }
        let shown: HashSet<&Key, Quick> = shown().map(|session| &session.key).collect();
        let all = self.places().filter_map(|place| records.at(place));
        all.filter(|record| !shown.contains(&record.address.key)).collect()
    }

    /// A session is to be found here from now on.
    pub fn enter(&mut self, key: Key, place: Place) {
        self.present.insert(key, place);
    }

    /// A session is not to be found here any more.
    pub fn leave(&mut self, key: &Key) {
        self.present.remove(key);
    }

    /// Takes over the order of a listing.
    pub fn reorder(&mut self, order: Vec<Place>) {
        self.order = order;
    }

    /// Whether this place holds the session that is present under this key.
    fn holds(&self, records: &Records, place: Place, key: &Key) -> bool {
        records.at(place).is_some_and(|record| {
            let at = &record.address;
            record.present() && at.key == *key && at.instance == self.instance && at.backend == self.backend
        })
    }
}

/// So many that left in one go are passed over without a look into the table.
const AHEAD: usize = 4;

/// Finds the sessions of a site, one key after the other, in about the order in
/// which they were listed before.
pub(crate) struct Walk<'a> {
    site: &'a Site,
    next: usize,
}

impl<'a> Walk<'a> {
    pub fn along(site: &'a Site) -> Self {
        Self { site, next: 0 }
    }

    /// Where the session is that is present under this key.
    pub fn find(&mut self, records: &Records, key: &Key) -> Option<Place> {
        let ahead = self.site.order[self.next..].iter().take(AHEAD);
        for (passed, place) in ahead.enumerate() {
            if self.site.holds(records, *place, key) {
                self.next += passed + 1;
                return Some(*place);
            }
        }
        self.site.find(key)
    }
}

/// One instance's sessions on record, for questions in the order of a listing.
pub(crate) struct Known<'a> {
    walk: Option<Walk<'a>>,
    records: &'a Records,
}

impl<'a> Known<'a> {
    pub fn of(site: Option<&'a Site>, records: &'a Records) -> Self {
        Self { walk: site.map(Walk::along), records }
    }

    /// The session that is to be found under this key.
    pub fn record(&mut self, key: &Key) -> Option<&'a Record> {
        self.records.at(self.walk.as_mut()?.find(self.records, key)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::{Address, BootId, Incarnation, Label};
    use crate::record::{Lag, Standing};
    use crate::samples::{NOW, address, session};

    fn record(instance: &str, key: &str) -> Record {
        let address = Address { instance: Instance::new(instance), ..address(key) };
        Record {
            handle: Handle::of(&address, &Incarnation::new("first")),
            address,
            label: Label::new("default"),
            generation: None,
            server: None,
            boot: BootId::new("boot"),
            session: session(key).into(),
            first_seen: NOW,
            last_seen: NOW,
            seen_times: 1,
            standing: Standing::Live,
            tally: None,
            retry: None,
            lag: Lag::default(),
            load: None,
        }
    }

    /// A site with these sessions, listed in this order.
    fn site(records: &mut Records, instance: &str, keys: &[&str]) -> Site {
        let mut site = Site::new(address("").backend, Instance::new(instance));
        let mut order = Vec::new();
        for key in keys {
            let place = records.put(record(instance, key));
            site.enter(Key::new(*key), place);
            order.push(place);
        }
        site.reorder(order);
        site
    }

    /// Which of the keys are found, one after the other.
    fn found<'a>(records: &Records, site: &Site, keys: &[&'a str]) -> Vec<&'a str> {
        let mut walk = Walk::along(site);
        let is_it = |place, key: &str| records.at(place).is_some_and(|r| r.address.key.as_str() == key);
        let found = |key: &&&str| walk.find(records, &Key::new(**key)).is_some_and(|place| is_it(place, key));
        keys.iter().filter(found).copied().collect()
    }

    #[test]
    fn sessions_are_found_in_any_order() {
        let mut records = Records::default();
        let mut site = site(&mut records, "a", &["1", "2", "3", "4", "5", "6", "7"]);
        let new = records.put(record("a", "8"));
        site.enter(Key::new("8"), new);
        let cases: [(&[&str], usize); 5] = [
            (&["1", "2", "3", "4", "5", "6", "7", "8"], 8),
            (&["8", "1", "new", "2", "7", "6"], 5),
            (&["7", "1"], 2),
            (&["6", "7", "1", "1"], 4),
            (&[], 0),
        ];
        for (keys, count) in cases {
            assert_eq!(found(&records, &site, keys).len(), count, "{keys:?}");
        }
    }

    #[test]
    fn one_that_left_is_not_found_where_it_was() {
        let mut records = Records::default();
        let mut site = site(&mut records, "a", &["1", "2"]);
        let place = site.find(&Key::new("1")).expect("it is there");
        site.leave(&Key::new("1"));
        records.at_mut(place).expect("its record is kept").standing = Standing::Ended { at: NOW };
        assert_eq!(found(&records, &site, &["1", "2"]), ["2"]);
    }

    #[test]
    fn a_place_that_another_instance_took_over_is_not_taken_for_the_old_one() {
        let mut records = Records::default();
        let mut first = site(&mut records, "a", &["1", "2"]);
        let place = first.find(&Key::new("1")).expect("it is there");
        first.leave(&Key::new("1"));
        records.remove(place);
        let second = site(&mut records, "b", &["1"]);
        assert_eq!(second.find(&Key::new("1")), Some(place), "the room was used again");
        assert_eq!(found(&records, &first, &["1", "2"]), ["2"]);
        assert_eq!(found(&records, &second, &["1"]), ["1"]);
    }
}
