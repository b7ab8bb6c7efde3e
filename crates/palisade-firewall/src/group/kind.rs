//! The kinds `SecurityGroup`, `PrefixList` and `PortPolicy`.
