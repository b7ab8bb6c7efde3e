//! What a change opens and closes, in sentences. Pure.
