//! Compiled plugins, kept between runs.
//!
//! Loading compiled code is as good as running it, so the folder must be this
//! user's alone, and a file is used only when its name fits the plugin and the
//! engine and its content fits its checksum: that of code lies beside it, that of a
//! description is its first line. Anything else is a miss: the plugin is compiled
//! again and the file replaced. A file is never overwritten in place: it is mapped
//! into memory, and another run may run it.
//!
//! The checksum finds accidents, a cut or a flipped bit. Whoever may write into the
//! folder could have any checksum fit, so a cryptographic one would add nothing but
//! time: SHA-256 took as long as loading the code.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use wasmtime::Engine;
use wasmtime::component::Component;

use crate::error::CacheError;
use crate::host::Description;

/// The folder of compiled plugins, for one engine. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Cache {
    /// None: everything is compiled each time, and nothing known of earlier runs.
    folder: Option<PathBuf>,
    /// The engine's version and settings.
    engine: u64,
}

/// A component, and why it could not be kept, where that is so.
pub(crate) struct Compiled {
    pub(crate) component: Component,
    pub(crate) problem: Option<CacheError>,
}

/// A plugin's own answer is small; a larger file is none of ours.
const LARGEST_DESCRIPTION: u64 = 1 << 20;

impl Cache {
    pub(crate) fn new(engine: &Engine, folder: Option<PathBuf>) -> Self {
        let mut hash = DefaultHasher::new();
        engine.precompile_compatibility_hash().hash(&mut hash);
        Self { folder, engine: hash.finish() }
    }

    /// The component of these bytes, from the folder or from the compiler. That it
    /// could not be kept is told beside it and no failure.
    pub(crate) fn component(&self, engine: &Engine, wasm: &[u8], digest: &str) -> wasmtime::Result<Compiled> {
        let Some(folder) = &self.folder else {
            return Ok(Compiled { component: Component::from_binary(engine, wasm)?, problem: None });
        };
        let path = self.path(folder, digest, "cwasm");
        if let Err(problem) = safe_folder(folder) {
            let component = Component::from_binary(engine, wasm)?;
            return Ok(Compiled { component, problem: Some(problem) });
        }
        if let Some(component) = load(engine, &path) {
            return Ok(Compiled { component, problem: None });
        }
        let component = Component::from_binary(engine, wasm)?;
        forget_old(folder);
        let kept = component
            .serialize()
            .map_err(|error| CacheError { folder: folder.clone(), why: format!("{error:#}") });
        let problem = kept.and_then(|code| keep_code(folder, &path, &code)).err();
        Ok(Compiled { component, problem })
    }

    /// What the plugin with this digest said of itself in an earlier run, in which it
    /// was loaded and took its own fallbacks for settings.
    pub(crate) fn recall(&self, digest: &str) -> Option<Description> {
        let folder = self.folder.as_ref()?;
        safe_folder(folder).ok()?;
        let path = self.path(folder, digest, "json");
        let size = fs::metadata(&path).ok()?.len();
        if size > LARGEST_DESCRIPTION {
            return None;
        }
        let bytes = fs::read(path).ok()?;
        let (noted, text) = bytes.split_at(bytes.iter().position(|byte| *byte == b'\n')? + 1);
        // A flipped digit in a fallback still reads well, and would change votes.
        if noted != checksum(text).as_bytes() {
            return None;
        }
        serde_json::from_slice(text).ok()
    }

    /// Keeps that for the next run. It only saves that one some time: where it cannot
    /// be kept, neither can the code, which is told.
    pub(crate) fn remember(&self, digest: &str, description: &Description) {
        let Some(folder) = &self.folder else { return };
        if self.recall(digest).as_ref() == Some(description) || safe_folder(folder).is_err() {
            return;
        }
        if let Ok(text) = serde_json::to_vec(description) {
            let summed = [checksum(&text).as_bytes(), text.as_slice()].concat();
            let _ = keep(folder, &self.path(folder, digest, "json"), &summed); // see above
        }
    }

    fn path(&self, folder: &Path, digest: &str, ending: &str) -> PathBuf {
        let digest = digest.get(..32).unwrap_or(digest);
        folder.join(format!("{digest}-{:016x}.{ending}", self.engine))
    }
}

/// Makes the folder, or checks that it is this user's alone.
fn safe_folder(folder: &Path) -> Result<(), CacheError> {
    let problem = |why: String| CacheError { folder: folder.to_owned(), why };
    if let Err(error) = fs::DirBuilder::new().recursive(true).mode(0o700).create(folder) {
        return Err(problem(error.to_string()));
    }
    let seen = fs::symlink_metadata(folder).map_err(|error| problem(error.to_string()))?;
    if !seen.is_dir() {
        return Err(problem("it is no folder".to_owned()));
    }
    if seen.uid() != rustix::process::geteuid().as_raw() {
        return Err(problem(format!("it belongs to user {}", seen.uid())));
    }
    if seen.mode() & 0o077 != 0 {
        return Err(problem(format!("others may use it (mode {:o}); chmod 700 it", seen.mode() & 0o777)));
    }
    Ok(())
}

/// How long a compiled plugin is kept after it was written. One that is still in
/// use is then compiled once more.
const KEPT: Duration = Duration::from_secs(30 * 24 * 3600);

/// Removes what no version of a plugin or of Reap may ever ask for again. What
/// cannot be removed stays: it is only in the way.
fn forget_old(folder: &Path) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let old = entry.metadata().and_then(|seen| seen.modified()).ok().and_then(|at| at.elapsed().ok());
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let ours = [".cwasm", ".sum", ".json", ".new"].iter().any(|ending| name.ends_with(ending));
        if ours && old.is_some_and(|age| age > KEPT) {
            let _ = fs::remove_file(entry.path()); // see above
        }
    }
}

fn load(engine: &Engine, path: &Path) -> Option<Component> {
    let noted = fs::read_to_string(path.with_extension("sum")).ok()?;
    if noted != checksum_of(path).ok()? {
        return None;
    }
    // SAFETY: the file is in a folder that only this user may enter, was written
    // by `keep` and never changed since, and is whole as its checksum says. The
    // engine checks besides that it was compiled by this version with these
    // settings.
    unsafe { Component::deserialize_file(engine, path) }.ok()
}

/// The checksum of a file, read part by part: the whole is mapped later.
fn checksum_of(path: &Path) -> std::io::Result<String> {
    let mut file = fs::File::open(path)?;
    let mut part = vec![0; 64 << 10];
    let (mut sum, mut bytes) = (crc32fast::Hasher::new(), 0);
    loop {
        match file.read(&mut part)? {
            0 => return Ok(shown(sum, bytes)),
            read => {
                sum.update(&part[..read]);
                bytes += read;
            }
        }
    }
}

fn checksum(bytes: &[u8]) -> String {
    let mut sum = crc32fast::Hasher::new();
    sum.update(bytes);
    shown(sum, bytes.len())
}

fn shown(sum: crc32fast::Hasher, bytes: usize) -> String {
    format!("{:08x} {bytes}\n", sum.finalize())
}

/// Writes the code, and then its checksum: what is cut in between is a miss.
fn keep_code(folder: &Path, path: &Path, code: &[u8]) -> Result<(), CacheError> {
    keep(folder, path, code)?;
    keep(folder, &path.with_extension("sum"), checksum(code).as_bytes())
}

/// Writes a file beside its place and puts it there when it is whole.
fn keep(folder: &Path, path: &Path, bytes: &[u8]) -> Result<(), CacheError> {
    let beside: PathBuf = folder.join(format!(
        ".{}.{}.new",
        path.file_name().unwrap_or_default().to_string_lossy(),
        std::process::id()
    ));
    let write = || {
        let mut file =
            fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&beside, path)
    };
    write().map_err(|error| {
        // A half-written file is of no use; that it could not be removed either
        // adds nothing to the error that is told.
        let _ = fs::remove_file(&beside);
        CacheError { folder: folder.to_owned(), why: error.to_string() }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    /// An empty component.
    const EMPTY: &[u8] = b"\0asm\x0d\0\x01\0";
    const NAME: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    struct Place {
        _dir: tempfile::TempDir,
        folder: PathBuf,
        engine: Engine,
        cache: Cache,
    }

    /// Where a component came from.
    #[derive(Debug, PartialEq, Eq)]
    enum From {
        Cache,
        Compiler,
    }

    impl Place {
        fn new() -> Self {
            let dir = tempfile::tempdir().expect("a temp folder");
            let folder = dir.path().join("plugins");
            let engine = crate::engine::start().expect("an engine");
            let cache = Cache::new(&engine, Some(folder.clone()));
            Self { _dir: dir, folder, engine, cache }
        }

        fn compiled(&self) -> Compiled {
            self.cache.component(&self.engine, EMPTY, NAME).expect("compiles")
        }

        /// A file that is written anew is another file.
        fn from(&self) -> From {
            let path = self.code();
            let file = |path: &Path| fs::metadata(path).ok().map(|seen| seen.ino());
            // Held open, so that its number is not given to the next one.
            let _held = fs::File::open(&path);
            let before = file(&path);
            self.compiled();
            if before.is_some() && file(&path) == before { From::Cache } else { From::Compiler }
        }

        fn code(&self) -> PathBuf {
            self.cache.path(&self.folder, NAME, "cwasm")
        }
    }

    fn description() -> Description {
        use crate::host::{Setting, SettingKind};
        use reap_core::session::Value;
        let setting = Setting {
            name: "after".to_owned(),
            kind: SettingKind::Span,
            fallback: Value::Text("24h".to_owned()),
            help: "How long.".to_owned(),
        };
        Description {
            name: "mine".to_owned(),
            version: "1".to_owned(),
            summary: "s".to_owned(),
            settings: vec![setting],
        }
    }

    #[test]
    fn second_time_from_the_cache() {
        let place = Place::new();
        assert_eq!(place.from(), From::Compiler);
        assert_eq!(place.from(), From::Cache);
        assert_eq!(fs::metadata(&place.folder).expect("made").permissions().mode() & 0o777, 0o700);
    }

    #[test]
    fn a_damaged_file_is_a_miss_and_is_replaced() {
        let place = Place::new();
        place.from();
        let path = place.code();
        for damage in [Vec::new(), b"short".to_vec(), {
            let mut bytes = fs::read(&path).expect("kept");
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
            bytes
        }] {
            fs::write(&path, damage).expect("written");
            assert_eq!(place.from(), From::Compiler);
            assert_eq!(place.from(), From::Cache);
        }
    }

    #[test]
    fn what_a_plugin_said_is_known_to_the_next_run() {
        let place = Place::new();
        assert_eq!(place.cache.recall(NAME), None);
        place.cache.remember(NAME, &description());
        assert_eq!(place.cache.recall(NAME), Some(description()));
        assert_eq!(place.cache.recall(&NAME.replace('0', "1")), None, "another plugin");
        let path = place.cache.path(&place.folder, NAME, "json");
        let kept = fs::read_to_string(&path).expect("kept");
        let (sum, text) = kept.split_once('\n').expect("two lines");
        let (flipped, cut) = (kept.replace("24h", "25h"), &kept[..kept.len() / 2]);
        assert_ne!(flipped, kept);
        // The last is of before there were checksums.
        for damage in ["", "{", "\n", "[]", sum, flipped.as_str(), cut, text] {
            fs::write(&path, damage).expect("written");
            assert_eq!(place.cache.recall(NAME), None, "{damage}");
        }
        let unreadable = format!("{}[]", checksum(b"[]"));
        fs::write(&path, unreadable).expect("written");
        assert_eq!(place.cache.recall(NAME), None, "another shape");
        fs::write(&path, vec![b' '; LARGEST_DESCRIPTION as usize + 1]).expect("written");
        assert_eq!(place.cache.recall(NAME), None);
        place.cache.remember(NAME, &description());
        assert_eq!(place.cache.recall(NAME), Some(description()));
    }

    #[test]
    fn old_files_of_ours_go_and_nothing_else() {
        let place = Place::new();
        place.from();
        let long_ago = std::time::SystemTime::now() - KEPT - Duration::from_secs(60);
        for name in ["old.cwasm", "old.sum", "old.json", ".half.1.new", "notes.txt"] {
            let file = fs::File::create(place.folder.join(name)).expect("made");
            file.set_modified(long_ago).expect("ours");
        }
        forget_old(&place.folder);
        let mut left: Vec<PathBuf> =
            fs::read_dir(&place.folder).expect("ours").map(|entry| entry.expect("readable").path()).collect();
        left.sort();
        assert_eq!(left, [place.code(), place.code().with_extension("sum"), place.folder.join("notes.txt")]);
    }

    #[test]
    fn a_folder_that_others_may_use_is_not_used() {
        let place = Place::new();
        place.from();
        place.cache.remember(NAME, &description());
        fs::set_permissions(&place.folder, fs::Permissions::from_mode(0o755)).expect("ours");
        assert!(place.compiled().problem.expect("told").to_string().contains("chmod 700"));
        assert_eq!(place.cache.recall(NAME), None);
    }
}
