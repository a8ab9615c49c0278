//! What a try of a key's use shows: that it can be used, that it is refused, or that we may not know.

/// Whether a key can be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UseStanding {
    /// It can.
    Usable,
    /// The cloud refuses its use, whoever asks: the key is dark.
    Refused,
    /// We are not permitted to try: what the cloud shows of the key's state is all that can be known.
    Untold,
}

/// What a try showed, and by which call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UseSeen {
    /// Whether it can be used.
    pub standing: UseStanding,
    /// The call that answered, in the cloud's own name: `Encrypt`.
    pub by: &'static str,
    /// The cloud's code: `DisabledException`; empty where it answered without one.
    pub code: String,
}
