//! The contract's error in words.
//!
//! `Display` of the generated type prints its Rust form, and cannot be written
//! anew; people get [`Error::reason`].

use crate::Error;

impl Error {
    /// Why, in words for a person.
    pub fn reason(&self) -> String {
        match self {
            Self::Denied(denial) => {
                format!("{}: not allowed ({}); {}", denial.capability, denial.asked, denial.mend)
            }
            Self::NotFound(what)
            | Self::TimedOut(what)
            | Self::Unavailable(what)
            | Self::Invalid(what)
            | Self::Limited(what)
            | Self::Unsupported(what)
            | Self::Failed(what) => what.clone(),
        }
    }

    /// The same error with its reason put into other words, for instance with
    /// what was being done in front. A denial stays as it is: what mends it must
    /// reach the operator unchanged.
    #[must_use]
    pub fn reworded(self, words: impl FnOnce(&str) -> String) -> Self {
        match self {
            Self::Denied(denial) => Self::Denied(denial),
            Self::NotFound(what) => Self::NotFound(words(&what)),
            Self::TimedOut(what) => Self::TimedOut(words(&what)),
            Self::Unavailable(what) => Self::Unavailable(words(&what)),
            Self::Invalid(what) => Self::Invalid(words(&what)),
            Self::Limited(what) => Self::Limited(words(&what)),
            Self::Unsupported(what) => Self::Unsupported(words(&what)),
            Self::Failed(what) => Self::Failed(words(&what)),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::{Denial, Error};

    fn denied() -> Error {
        Error::Denied(Denial {
            capability: "files".to_owned(),
            asked: "to list /etc".to_owned(),
            mend: "add \"/etc\" to paths in x.toml".to_owned(),
        })
    }

    #[test]
    fn a_denial_says_what_mends_it() {
        assert_eq!(denied().reason(), "files: not allowed (to list /etc); add \"/etc\" to paths in x.toml");
    }

    #[test]
    fn rewording_keeps_the_case_and_never_touches_a_denial() {
        let words = |what: &str| format!("looking: {what}");
        assert_eq!(
            Error::TimedOut("late".to_owned()).reworded(words),
            Error::TimedOut("looking: late".to_owned())
        );
        assert_eq!(denied().reworded(words), denied());
    }
}
