//! Bans of the whole fleet that engines ask for: a bounded stream with its own sequence.
