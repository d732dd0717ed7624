//! kiro-cli, by its stand-in: what is found, what is ended, and above all what is not.
//!
//! No real kiro-cli was at hand. The stand-in has the processes, the store and the
//! misbehaviour that public reports tell of; see `docs/kiro-cli.md`.

mod denied;
mod ending;
mod leaked;
mod load;
mod locks;
mod owners;
mod shapes;
mod stage;
mod stores;
mod strangers;
mod terminals;
mod third;
