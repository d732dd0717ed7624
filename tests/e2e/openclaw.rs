//! The OpenClaw gateway, by its stand-in: the cases that a real one has to pass too
//! (`tests/openclaw`), and what a real one does not do on demand.

#[path = "../openclaw/mod.rs"]
mod cases;
mod traps;

use cases::{Gateway, for_all_cases};
use reap_openclaw_stand_in::StandIn;

impl Gateway for StandIn {
    fn url(&self) -> String {
        Self::url(self)
    }

    fn token(&self) -> &str {
        Self::token(self)
    }

    fn crash(&mut self) {
        Self::crash(self);
        self.revive();
    }
}

macro_rules! tests {
    ($($topic:ident::$case:ident),* $(,)?) => {
        $(
            #[test]
            fn $case() {
                cases::$topic::$case(&mut StandIn::start());
            }
        )*
    };
}

for_all_cases!(tests);
