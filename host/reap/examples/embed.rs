//! A program that has Reap inside: it watches a few cycles, says what happened,
//! and would end what the policies call an orphan, if somebody told it to.
//!
//! `cargo run --release -p reap --example embed -- [CYCLES]`

#![allow(clippy::print_stdout, reason = "it is a program that prints")]

use std::error::Error;

use reap::config::DaemonMode;
use reap::core::plan::Lifts;
use reap::core::selector::Selector;
use reap::{Caller, Heard, Reap};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let cycles: u32 = std::env::args().nth(1).map_or(Ok(1), |text| text.parse())?;

    // Your own folders and configuration go into the builder; without them it is
    // what the `reap` program of this user would use.
    let reap = Reap::builder().open().await?;

    // Everything that happens is an event, and is in the journal when you hear it.
    let mut events = reap.events();
    let listener = tokio::spawn(async move {
        while let Some(heard) = events.next().await {
            match heard {
                Heard::Event(noted) => println!("{} {}", noted.seq, noted.event.name()),
                Heard::Missed(count) => println!("{count} events were missed; the journal has them"),
            }
        }
    });

    // A cycle looks, remembers and plans. In observe mode it ends nothing.
    for _ in 0..cycles {
        let cycle = reap.cycle(DaemonMode::Observe).await?;
        println!("{} sessions, {} due", cycle.pass.judged.len(), cycle.plan.items.len());
    }

    // A plan is plain data: show it, send it on, throw it away, or apply it.
    let pass = reap.look().await;
    let plan = reap.plan_cleanup(&pass, &Selector::everything(), Lifts::default());
    println!("plan {}: {} to end, {} kept", plan.id, plan.items.len(), plan.kept.len());
    if std::env::var_os("EMBED_APPLY").is_some() {
        for settled in reap.apply(&plan, &Caller::ourselves()).await?.settled {
            println!("{}: {}", settled.item.title, reap::view::outcome_word(&settled.outcome));
        }
    }

    drop(reap); // no more events come, so the listener ends
    listener.await?;
    Ok(())
}
