//! The tables of groups, lists, policies and isolated hosts.
