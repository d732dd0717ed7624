//! Processes that no shell can make; see `odd.c`.

use std::path::{Path, PathBuf};

use super::run::run;
use super::world::World;

impl World {
    /// The program, compiled. It lies in the world's folder, where whoever the
    /// world belongs to can start it.
    #[track_caller]
    pub fn odd(&self) -> PathBuf {
        let program = self.path("odd");
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/e2e/support/odd.c");
        run(self.own_command("cc").args(["-O1", "-pthread", "-o"]).arg(&program).arg(source)).exits(0);
        program
    }
}
