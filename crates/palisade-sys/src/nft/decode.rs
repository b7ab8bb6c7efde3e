//! Chains, rules and sets from the kernel's answers; `None` for an answer that makes no sense.

use super::wire::*;
use super::{Base, Chain, Family, Rule, Set, SetKey, Table, TableName, expr};
use crate::netlink::{attribute, text, u32_be, u64_be};

pub fn table(family: Family, body: &[u8]) -> Option<Table> {
    let name = TableName { family, name: text(attribute(body, TABLE_NAME)?) };
    let number = |kind| attribute(body, kind).and_then(u32_be);
    Some(Table { name, flags: number(TABLE_FLAGS).unwrap_or(0), owner: number(TABLE_OWNER) })
}

pub fn chain(family: Family, body: &[u8]) -> Option<Chain> {
    let table = TableName { family, name: text(attribute(body, CHAIN_TABLE)?) };
    let base = attribute(body, CHAIN_HOOK).map(|hook| Base {
        kind: attribute(body, CHAIN_TYPE).map(text).unwrap_or_default(),
        hook: attribute(hook, HOOK_NUMBER).and_then(u32_be).unwrap_or(0),
        priority: attribute(hook, HOOK_PRIORITY).and_then(u32_be).unwrap_or(0).cast_signed(),
        accepts: attribute(body, CHAIN_POLICY).and_then(u32_be) != Some(0),
    });
    Some(Chain { table, name: text(attribute(body, CHAIN_NAME)?), base })
}

pub fn rule(family: Family, body: &[u8]) -> Option<Rule> {
    Some(Rule {
        table: TableName { family, name: text(attribute(body, RULE_TABLE)?) },
        chain: text(attribute(body, RULE_CHAIN)?),
        handle: attribute(body, RULE_HANDLE).and_then(u64_be).unwrap_or(0),
        exprs: attribute(body, RULE_EXPRESSIONS).map(expr::read_list).unwrap_or_default(),
    })
}

pub fn set_head(family: Family, body: &[u8]) -> Option<Set> {
    let flags = attribute(body, SET_FLAGS).and_then(u32_be).unwrap_or(0);
    let key = match attribute(body, SET_KEY_TYPE).and_then(u32_be).unwrap_or(0) {
        KEY_TYPE_IPV4 => SetKey::Ipv4,
        KEY_TYPE_IPV6 => SetKey::Ipv6,
        KEY_TYPE_PORT => SetKey::Port,
        KEY_TYPE_FAMILY => SetKey::Family,
        KEY_TYPE_MARK => SetKey::Mark,
        other => SetKey::Other(other),
    };
    let data = attribute(body, SET_DATA_TYPE).and_then(u32_be);
    let verdicts = flags & SET_FLAG_MAP != 0 && data == Some(DATA_TYPE_VERDICT);
    let known = SET_FLAG_INTERVAL | SET_FLAG_TIMEOUT | if verdicts { SET_FLAG_MAP } else { 0 };
    Some(Set {
        table: TableName { family, name: text(attribute(body, SET_TABLE)?) },
        name: text(attribute(body, SET_NAME)?),
        key,
        interval: flags & SET_FLAG_INTERVAL != 0,
        timeout: flags & SET_FLAG_TIMEOUT != 0,
        verdicts,
        flags_other: flags & !known,
        size_max: attribute(body, SET_DESC).and_then(|d| attribute(d, SET_DESC_SIZE)).and_then(u32_be),
    })
}

/// Name, packets and bytes; `Some(None)` for an object that is no counter.
pub fn counter(_: Family, body: &[u8]) -> Option<Option<(String, u64, u64)>> {
    if attribute(body, OBJECT_TYPE).and_then(u32_be) != Some(OBJECT_TYPE_COUNTER) {
        return Some(None);
    }
    let data = attribute(body, OBJECT_DATA)?;
    let number = |kind| attribute(data, kind).and_then(u64_be).unwrap_or(0);
    Some(Some((text(attribute(body, OBJECT_NAME)?), number(COUNTER_PACKETS), number(COUNTER_BYTES))))
}
