//! What must hold for every input.
//!
//! [`world`] makes up listings, votes and rules, hostile ones among them; each
//! other module states what must hold of them in its own words, from the
//! sessions and votes themselves and not from what the code under test says.

mod names;
mod permits;
mod plans;
mod selectors;
mod surveys;
mod votes;
mod world;
