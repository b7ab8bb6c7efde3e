//! Who reaches what, for all packets at once. Pure.
