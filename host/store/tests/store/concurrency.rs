//! One writer, ten readers: nobody waits for ever, nobody sees half of a write.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use reap_core::time::Span;
use reap_store::Reader;
use reap_store::intents::Settled;
use reap_store::journal::NewEntry;
use reap_store::retention::Limits;
use reap_store::verify::Verdict;
use serde_json::Value;

use crate::support::{NOW, folder, intend, later, open, settle};

#[test]
fn readers_see_whole_writes_only() {
    let folder = folder();
    let mut store = open(folder.path());
    store.write(|txn| txn.remember("clock", [("count", &0)])).expect("begun");
    let done = AtomicBool::new(false);
    let limits = Limits { journal_age: Span::from_secs(1), journal_floor: 60, ..Limits::default() };
    let looks: u32 = thread::scope(|scope| {
        let readers: Vec<_> = (0..10)
            .map(|_| {
                scope.spawn(|| {
                    let mut reader = Reader::open(folder.path()).expect("a reader");
                    let mut looks = 0;
                    while looks < 3 || !done.load(Ordering::Relaxed) {
                        let (count, rows) = reader
                            .snapshot(|view| {
                                Ok((
                                    view.recall::<usize>("clock", "count")?,
                                    view.remembered::<Value>("record")?.len(),
                                ))
                            })
                            .expect("readable");
                        assert_eq!(count, Some(rows));
                        let verdict = reader.verify(None).expect("readable");
                        assert!(matches!(verdict, Verdict::Sound(_)), "{verdict:?}");
                        looks += 1;
                    }
                    looks
                })
            })
            .collect();
        for count in 1..=100_usize {
            let key = format!("${count}");
            store
                .write(|txn| {
                    txn.remember("record", [(key.as_str(), &count)])?;
                    txn.append(NOW, [NewEntry::new("session.seen", None, &count)?])?;
                    txn.remember("clock", [("count", &count)])
                })
                .expect("written");
            if count % 10 == 0 {
                let intent = intend(&mut store, &key);
                settle(&mut store, intent, Settled::Ended);
                store.prune(later(60), &limits).expect("pruned");
            }
        }
        done.store(true, Ordering::Relaxed);
        readers.into_iter().map(|reader| reader.join().expect("no panic")).sum()
    });
    assert!(looks >= 30);
    store.examine().expect("sound");
}
