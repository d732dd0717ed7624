//! How the stand-in misbehaves.

/// One misbehaviour. Those that name a method wait for its next request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trap {
    /// Accepts a connection, and never says a word.
    Deaf,
    /// Answers the upgrade with the status 401.
    Unauthorized,
    /// Opens the websocket, and sends no challenge.
    NoChallenge,
    /// So many logins are answered with "starting", and a close.
    Starting(u32),
    /// Never answers this method.
    Silent(&'static str),
    /// Closes the connection where it should answer this method for the n-th time.
    CloseAt(&'static str, u32),
    /// So many requests of this method are answered with UNAVAILABLE, half of them
    /// without the word that they may be tried again.
    Storm(&'static str, u32),
    /// Answers this method with a frame of so many bytes.
    Huge(&'static str, usize),
    /// Answers this method with a frame that is no JSON.
    Garbage(&'static str),
    /// Answers in the opposite order whatever was asked at once.
    Backwards,
    /// A deleted or archived session with this key is back for the next so many looks.
    Revenant(String, u32),
    /// `sessions.usage` shows what it showed the last time.
    StaleUsage,
    /// It is an old gateway: protocol 3, and none of the methods that came later.
    Old,
}
