//! Makes a listing of each gateway.

use reap_plugin::{Duration, Error, Extent, Listing};

use crate::gateways::{self, Gateway};
use crate::line::{self, LOOK, Line};
use crate::scan::{self, Scene};
use crate::sessions;

/// The listings of these gateways.
pub fn of_all(gateways: &[Gateway]) -> Result<Vec<Listing>, Error> {
    let share = LOOK / u64::try_from(gateways.len().max(1)).unwrap_or(1);
    Ok(gateways.iter().filter_map(|gateway| of_one(gateway, share)).collect())
}

/// The listing of one; nothing where there is most likely none.
fn of_one(gateway: &Gateway, time: Duration) -> Option<Listing> {
    let line = match Line::to(gateway, time) {
        Ok(line) => line,
        Err(error) => {
            return gateways::unreachable(gateway, error, |error| bare(gateway, Extent::Failed(error)));
        }
    };
    let now = line::now();
    Some(match scan::all(&line, &line.hello, now) {
        Ok(scene) => of_scene(gateway, &line, &scene),
        Err(error) => bare(gateway, Extent::Failed(error)),
    })
}

/// What is known of these sessions now.
pub fn of_keys(gateway: &Gateway, keys: &[String]) -> Result<Listing, Error> {
    let line = Line::to(gateway, LOOK)?;
    let scene = scan::of_keys(&line, &line.hello, keys);
    Ok(of_scene(gateway, &line, &scene))
}

fn of_scene(gateway: &Gateway, line: &Line, scene: &Scene) -> Listing {
    Listing {
        generation: line.hello.boot.clone(),
        sessions: sessions::of(&gateway.address, scene, &line.hello, line::now()),
        ..bare(gateway, extent(&scene.gaps))
    }
}

fn extent(gaps: &[String]) -> Extent {
    match gaps {
        [] => Extent::Complete,
        [one] => Extent::Partial(one.clone()),
        [first, rest @ ..] => Extent::Partial(format!("{first} (and {} more)", rest.len())),
    }
}

/// A listing that shows nothing.
pub fn bare(gateway: &Gateway, extent: Extent) -> Listing {
    Listing {
        instance: gateway.address.clone(),
        label: gateway.label().to_owned(),
        generation: None,
        server: None,
        extent,
        sessions: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gap_makes_it_partial() {
        let gaps = |count: usize| -> Vec<String> { (0..count).map(|n| format!("gap {n}")).collect() };
        assert_eq!(extent(&gaps(0)), Extent::Complete);
        assert_eq!(extent(&gaps(1)), Extent::Partial("gap 0".to_owned()));
        assert_eq!(extent(&gaps(3)), Extent::Partial("gap 0 (and 2 more)".to_owned()));
    }
}
