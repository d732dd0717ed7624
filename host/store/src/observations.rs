//! What was seen, pass by pass, so that a back-test can see it again.
//!
//! A keyframe holds a whole observation, and each pass after it what changed
//! since the one before. A keyframe and what leans on it are let go together.
//! A new keyframe is due when what changed outweighs it, so that all of it stays
//! within about twice the size of what happened, and reading never has to go
//! far back.

use std::ops::ControlFlow;
use std::sync::Arc;

use reap_core::listing::Observation;
use reap_core::time::Timestamp;
use rusqlite::params;
use serde::{Deserialize, Serialize};

use crate::delta::{Delta, canonical, diff, is_plain};
use crate::error::{StoreError, explain};
use crate::sealed::{self, int, json, uint};
use crate::store::{Txn, View};

/// Passes after which a keyframe is due in any case: eight hours of them at one
/// in thirty seconds.
const FRAME_PASSES: u32 = 960;

/// What changed may weigh this much, whatever its keyframe weighs: an empty world
/// must not get a keyframe each time a session comes.
const FRAME_BYTES: u64 = 64 << 10;

/// What the next observation is compared with.
#[derive(Debug, Clone)]
pub(crate) struct Basis {
    last: Arc<Observation>,
    /// Whether the next one can be told by what changed.
    plain: bool,
    frame_bytes: u64,
    since_bytes: u64,
    since_passes: u32,
}

impl Basis {
    fn keyframe_due(&self) -> bool {
        self.since_passes >= FRAME_PASSES || self.since_bytes > self.frame_bytes.max(FRAME_BYTES)
    }
}

#[derive(Serialize)]
#[serde(rename_all = "lowercase")]
enum BodyOut<'a> {
    Whole(&'a Observation),
    Changes(Delta),
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum BodyIn {
    Whole(Observation),
    Changes(Delta),
}

impl Txn<'_> {
    /// Keeps what was seen in a pass. The observation is compared with the next
    /// one, so it is shared and not copied.
    pub fn observe(&mut self, seen: &Arc<Observation>) -> Result<(), StoreError> {
        let changes = match &self.basis {
            Some(basis) if basis.plain && !basis.keyframe_due() => diff(&basis.last, seen),
            _ => None,
        };
        let keyframe = changes.is_none();
        let plain = !keyframe || is_plain(seen);
        let body = changes.map_or(BodyOut::Whole(seen), BodyOut::Changes);
        let body = json("an observation", &body)?;
        let bytes = body.len() as u64;
        let at = int(seen.at.millis());
        let sum = sealed::sum(&[&at.to_string(), &body]);
        let sql = "INSERT INTO pass (at, keyframe, bytes, body, sum) VALUES (?1, ?2, ?3, ?4, ?5)";
        self.run("keep an observation", sql, params![at, keyframe, int(bytes), body, sum])?;
        let last = Arc::clone(seen);
        self.basis = Some(match self.basis.take() {
            Some(basis) if !keyframe => Basis {
                last,
                plain,
                since_bytes: basis.since_bytes + bytes,
                since_passes: basis.since_passes + 1,
                ..basis
            },
            _ => Basis { last, plain, frame_bytes: bytes, since_bytes: 0, since_passes: 0 },
        });
        Ok(())
    }
}

impl View<'_> {
    /// Shows every kept observation from `from` up to before `until`, oldest
    /// first, until `show` breaks off. Listings come by backend and instance,
    /// sessions by key.
    pub fn replay(
        &self,
        from: Timestamp,
        until: Timestamp,
        mut show: impl FnMut(&Observation) -> ControlFlow<()>,
    ) -> Result<(), StoreError> {
        let explain = |error| explain("replay observations", &self.files.database, error);
        // By number and not by time: a clock that was set back must not hide the
        // keyframe that a pass leans on.
        let sql = "WITH first AS (SELECT min(seq) AS seq FROM pass WHERE at >= ?1)
            SELECT seq, at, body, sum FROM pass WHERE seq >= coalesce(
                (SELECT max(pass.seq) FROM pass, first WHERE keyframe AND pass.seq <= first.seq),
                (SELECT seq FROM first))
            ORDER BY seq";
        let mut statement = self.conn.prepare(sql).map_err(explain)?;
        let mut rows = statement.query([int(from.millis())]).map_err(explain)?;
        let mut last: Option<Observation> = None;
        while let Some(row) = rows.next().map_err(explain)? {
            let (seq, at): (i64, i64) = (row.get(0).map_err(explain)?, row.get(1).map_err(explain)?);
            let body = row.get_ref(2).and_then(|body| Ok(body.as_str()?)).map_err(explain)?;
            let what = format!("pass {seq}");
            let sum = row.get(3).map_err(explain)?;
            let body = sealed::open(&self.files.database, &what, &[&at.to_string()], body, sum)?;
            let seen = canonical(self.follow(last.take(), body, &what)?);
            let at = uint(at);
            if (from.millis()..until.millis()).contains(&at) && show(&seen).is_break() {
                return Ok(());
            }
            last = Some(seen);
        }
        Ok(())
    }

    fn follow(&self, last: Option<Observation>, body: BodyIn, what: &str) -> Result<Observation, StoreError> {
        let damaged = |why: String| StoreError::Damaged {
            path: self.files.database.clone(),
            what: format!("{what} of the observations: {why}"),
        };
        match (body, last) {
            (BodyIn::Whole(seen), _) => Ok(seen),
            (BodyIn::Changes(delta), Some(mut seen)) => {
                delta.apply(&mut seen).map_err(|why| damaged(why.to_string()))?;
                Ok(seen)
            }
            (BodyIn::Changes(_), None) => Err(damaged("its keyframe is missing".to_owned())),
        }
    }
}
