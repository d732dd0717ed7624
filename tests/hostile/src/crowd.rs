//! A gateway with many sessions, whose answers the test changes between two looks:
//! they are read from the file that the attack names.

use reap_plugin::{Error, Extent, Listing, Session, commands, files};

use crate::backend::{listing, session};

/// More than any test writes.
const MOST: u32 = 100;

/// What the file says: how many sessions there are, or one of
///
/// - `down`: it cannot be reached;
/// - `late`: it answers when nobody waits any more;
/// - `cut N`: it shows so many and says that there are more.
pub(crate) fn answer(file: &str) -> Result<Vec<Listing>, Error> {
    let told = String::from_utf8_lossy(&files::read(file, 0, MOST)?).into_owned();
    let words: Vec<&str> = told.split_whitespace().collect();
    match words[..] {
        ["down"] => Err(Error::Unavailable("the gateway does not answer".to_owned())),
        ["late"] => commands::run("sleep", &[]).map(|_| Vec::new()),
        ["cut", count] => {
            let extent = Extent::Partial("the gateway was cut short".to_owned());
            Ok(vec![Listing { extent, ..listing("gateway", sessions(count)?) }])
        }
        [count] => Ok(vec![listing("gateway", sessions(count)?)]),
        _ => Err(Error::Invalid(format!("{told:?} is no answer"))),
    }
}

fn sessions(count: &str) -> Result<Vec<Session>, Error> {
    let count: u32 = count.parse().map_err(|_| Error::Invalid(format!("{count:?} is no number")))?;
    Ok((0..count).map(|number| session(&format!("s{number}"), Vec::new())).collect())
}
