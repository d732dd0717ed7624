//! The built program, run against real tmux servers, from the outside: what it
//! prints, what it exits with, and above all what lives and what does not
//! afterwards.
//!
//! One module a topic. Each test has a world of its own (see `support`), so that
//! they run side by side and never see a server of the user.

mod api;
mod applying;
mod approve;
mod configuration;
mod crash;
mod daemon;
mod damage;
mod documentation;
mod dry_run;
mod embedding;
mod ending;
mod evidence;
mod hostile;
mod inside;
mod journal;
mod kiro;
mod last_moment;
mod lazily;
mod leftovers;
mod locks;
mod names;
mod openclaw;
mod outage;
mod output;
mod plugins;
mod policies;
mod protection;
mod scripts;
mod shared_windows;
mod sockets;
mod status;
mod support;
