//! Compiled plugins, kept between runs.
//!
//! Loading compiled code is as good as running it, so the folder must be this
//! user's alone, and a file is used only when its name fits the plugin and the
//! engine and its content fits the checksum that lies beside it. Anything else is a
//! miss: the plugin is compiled again and the file replaced. A file is never
//! overwritten in place: it is mapped into memory, and another run may run it.
//!
//! The checksum finds accidents, a cut or a flipped bit. Whoever may write into the
//! folder could have any checksum fit, so a cryptographic one would add nothing but
//! time: of the engine of scripts, which is large, it took half of the load.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use wasmtime::Engine;
use wasmtime::component::Component;

use crate::error::CacheError;
use crate::manifest::digest;

/// Where a component came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum From {
    Cache,
    Compiler,
}

/// The component of these bytes, from the folder or from the compiler. That it
/// could not be kept is told beside it and no failure.
pub(crate) fn component(
    engine: &Engine,
    wasm: &[u8],
    folder: Option<&Path>,
) -> wasmtime::Result<(Component, From, Option<CacheError>)> {
    let Some(folder) = folder else {
        return Ok((Component::from_binary(engine, wasm)?, From::Compiler, None));
    };
    let path = folder.join(file_name(engine, wasm));
    if let Err(problem) = safe_folder(folder) {
        return Ok((Component::from_binary(engine, wasm)?, From::Compiler, Some(problem)));
    }
    if let Some(component) = load(engine, &path) {
        return Ok((component, From::Cache, None));
    }
    let component = Component::from_binary(engine, wasm)?;
    forget_old(folder);
    let problem = keep(&component, folder, &path).err();
    Ok((component, From::Compiler, problem))
}

fn file_name(engine: &Engine, wasm: &[u8]) -> String {
    let mut hash = DefaultHasher::new();
    engine.precompile_compatibility_hash().hash(&mut hash);
    format!("{}-{:016x}.cwasm", &digest(wasm)[..32], hash.finish())
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
        let ours = [".cwasm", ".sum", ".new"].iter().any(|ending| name.to_string_lossy().ends_with(ending));
        if ours && old.is_some_and(|age| age > KEPT) {
            let _ = fs::remove_file(entry.path()); // see above
        }
    }
}

fn load(engine: &Engine, path: &Path) -> Option<Component> {
    let noted = fs::read_to_string(sum_path(path)).ok()?;
    if noted != sum(path).ok()? {
        return None;
    }
    // SAFETY: the file is in a folder that only this user may enter, was written
    // by `keep` and never changed since, and is whole as its checksum says. The
    // engine checks besides that it was compiled by this version with these
    // settings.
    unsafe { Component::deserialize_file(engine, path) }.ok()
}

fn sum_path(path: &Path) -> PathBuf {
    path.with_extension("sum")
}

/// The checksum of a file, with its length.
fn sum(path: &Path) -> std::io::Result<String> {
    let mut file = fs::File::open(path)?;
    let mut part = vec![0; 256 << 10];
    let mut sum = Checksum::default();
    loop {
        match file.read(&mut part)? {
            0 => return Ok(sum.shown()),
            read => sum.take(&part[..read]),
        }
    }
}

/// Mixes each eight bytes in, in four lanes that do not wait for each other.
struct Checksum {
    lanes: [u64; 4],
    bytes: usize,
}

impl Default for Checksum {
    fn default() -> Self {
        Self { lanes: [1, 2, 3, 4], bytes: 0 }
    }
}

impl Checksum {
    /// Takes the next part. All but the last one must be of a multiple of 32 bytes.
    fn take(&mut self, part: &[u8]) {
        self.bytes += part.len();
        let (whole, rest) = part.as_chunks::<32>();
        whole.iter().for_each(|chunk| self.mix(chunk));
        if !rest.is_empty() {
            let mut chunk = [0; 32];
            chunk[..rest.len()].copy_from_slice(rest);
            self.mix(&chunk);
        }
    }

    fn mix(&mut self, chunk: &[u8; 32]) {
        let (words, _) = chunk.as_chunks();
        for (lane, word) in self.lanes.iter_mut().zip(words) {
            let product = u128::from(*lane ^ u64::from_le_bytes(*word)) * 0x9e37_79b9_7f4a_7c15;
            *lane = (product as u64).rotate_left(29) ^ (product >> 64) as u64;
        }
    }

    fn shown(&self) -> String {
        let [a, b, c, d] = self.lanes;
        format!("{a:016x}{b:016x}{c:016x}{d:016x} {}\n", self.bytes)
    }
}

/// Writes the code, and then its checksum: what is cut in between is a miss.
fn keep(component: &Component, folder: &Path, path: &Path) -> Result<(), CacheError> {
    let problem = |why: String| CacheError { folder: folder.to_owned(), why };
    let code = component.serialize().map_err(|error| problem(format!("{error:#}")))?;
    let mut sum = Checksum::default();
    sum.take(&code);
    put(folder, path, &code)
        .and_then(|()| put(folder, &sum_path(path), sum.shown().as_bytes()))
        .map_err(|error| problem(error.to_string()))
}

/// Puts a whole file in its place.
fn put(folder: &Path, path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let beside = folder.join(format!(".{name}.{}.new", std::process::id()));
    let write = || {
        let mut file =
            fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&beside, path)
    };
    write().inspect_err(|_| {
        // A half-written file is of no use; that it could not be removed either
        // adds nothing to the error that is told.
        let _ = fs::remove_file(&beside);
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    /// An empty component.
    const EMPTY: &[u8] = b"\0asm\x0d\0\x01\0";

    fn setup() -> (tempfile::TempDir, PathBuf, Engine) {
        let dir = tempfile::tempdir().expect("a temp folder");
        let folder = dir.path().join("plugins");
        (dir, folder, crate::engine::start().expect("an engine"))
    }

    fn from(engine: &Engine, folder: &Path) -> From {
        component(engine, EMPTY, Some(folder)).expect("compiles").1
    }

    #[test]
    fn second_time_from_the_cache() {
        let (_dir, folder, engine) = setup();
        assert_eq!(from(&engine, &folder), From::Compiler);
        assert_eq!(from(&engine, &folder), From::Cache);
        assert_eq!(fs::metadata(&folder).expect("made").permissions().mode() & 0o777, 0o700);
    }

    #[test]
    fn a_damaged_file_is_a_miss_and_is_replaced() {
        let (_dir, folder, engine) = setup();
        from(&engine, &folder);
        let path = folder.join(file_name(&engine, EMPTY));
        for damage in [Vec::new(), b"short".to_vec(), {
            let mut bytes = fs::read(&path).expect("kept");
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
            bytes
        }] {
            fs::write(&path, damage).expect("written");
            assert_eq!(from(&engine, &folder), From::Compiler);
            assert_eq!(from(&engine, &folder), From::Cache);
        }
    }

    #[test]
    fn a_checksum_sees_a_flipped_bit_and_a_cut() {
        let sum = |bytes: &[u8]| {
            let mut sum = Checksum::default();
            sum.take(bytes);
            sum.shown()
        };
        let bytes: Vec<u8> = (0..1000_u32).map(|n| n.to_le_bytes()[0]).collect();
        for at in [0, 31, 32, 500, 999] {
            let mut other = bytes.clone();
            other[at] ^= 0x10;
            assert_ne!(sum(&other), sum(&bytes), "{at}");
        }
        assert_ne!(sum(&[0; 63]), sum(&[0; 64]), "zeros at the end are not nothing");
        let mut parts = Checksum::default();
        bytes.chunks(64).for_each(|part| parts.take(part));
        assert_eq!(parts.shown(), sum(&bytes), "however it is read");
    }

    #[test]
    fn old_files_of_ours_go_and_nothing_else() {
        let (_dir, folder, engine) = setup();
        from(&engine, &folder);
        let long_ago = std::time::SystemTime::now() - KEPT - Duration::from_secs(60);
        for name in ["old.cwasm", "old.sum", ".half.1.new", "notes.txt"] {
            let file = fs::File::create(folder.join(name)).expect("made");
            file.set_modified(long_ago).expect("ours");
        }
        forget_old(&folder);
        let mut left: Vec<String> = fs::read_dir(&folder)
            .expect("ours")
            .map(|entry| entry.expect("readable").file_name().to_string_lossy().into_owned())
            .collect();
        left.sort();
        let kept = file_name(&engine, EMPTY);
        assert_eq!(left, [kept.clone(), kept.replace(".cwasm", ".sum"), "notes.txt".to_owned()]);
    }

    #[test]
    fn a_folder_that_others_may_use_is_not_used() {
        let (_dir, folder, engine) = setup();
        from(&engine, &folder);
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).expect("ours");
        let (_, from, problem) = component(&engine, EMPTY, Some(&folder)).expect("compiles");
        assert_eq!(from, From::Compiler);
        assert!(problem.expect("told").to_string().contains("chmod 700"));
    }
}
