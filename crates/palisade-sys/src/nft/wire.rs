//! The numbers of linux/netfilter/nf_tables.h and linux/netfilter/nfnetlink.h that are used here.

pub const SUBSYSTEM: u16 = 10 << 8;
pub const BATCH_BEGIN: u16 = 16;
pub const BATCH_END: u16 = 17;

pub const NEW_TABLE: u16 = SUBSYSTEM;
pub const GET_TABLE: u16 = SUBSYSTEM | 1;
pub const DEL_TABLE: u16 = SUBSYSTEM | 2;
pub const NEW_CHAIN: u16 = SUBSYSTEM | 3;
pub const GET_CHAIN: u16 = SUBSYSTEM | 4;
pub const DEL_CHAIN: u16 = SUBSYSTEM | 5;
pub const NEW_RULE: u16 = SUBSYSTEM | 6;
pub const GET_RULE: u16 = SUBSYSTEM | 7;
pub const DEL_RULE: u16 = SUBSYSTEM | 8;
pub const NEW_SET: u16 = SUBSYSTEM | 9;
pub const GET_SET: u16 = SUBSYSTEM | 10;
pub const DEL_SET: u16 = SUBSYSTEM | 11;
pub const NEW_ELEMENTS: u16 = SUBSYSTEM | 12;
pub const GET_ELEMENTS: u16 = SUBSYSTEM | 13;
pub const DEL_ELEMENTS: u16 = SUBSYSTEM | 14;
pub const NEW_GENERATION: u16 = SUBSYSTEM | 15;
pub const GET_GENERATION: u16 = SUBSYSTEM | 16;

pub const NEW_OBJECT: u16 = SUBSYSTEM | 18;
pub const GET_OBJECT: u16 = SUBSYSTEM | 19;
pub const DEL_OBJECT: u16 = SUBSYSTEM | 20;

/// Of a batch's begin (`NFNL_BATCH_GENID`): it is refused if the ruleset has another generation.
pub const BATCH_GENERATION: u16 = 1;
pub const GENERATION_ID: u16 = 1;
pub const GENERATION_PID: u16 = 2;
pub const GENERATION_PROCESS: u16 = 3;

pub const TABLE_NAME: u16 = 1;
pub const TABLE_FLAGS: u16 = 2;
pub const TABLE_OWNER: u16 = 7;

pub const CHAIN_TABLE: u16 = 1;
pub const CHAIN_NAME: u16 = 3;
pub const CHAIN_HOOK: u16 = 4;
pub const CHAIN_POLICY: u16 = 5;
pub const CHAIN_TYPE: u16 = 7;
pub const HOOK_NUMBER: u16 = 1;
pub const HOOK_PRIORITY: u16 = 2;

pub const RULE_TABLE: u16 = 1;
pub const RULE_CHAIN: u16 = 2;
pub const RULE_HANDLE: u16 = 3;
pub const RULE_EXPRESSIONS: u16 = 4;

pub const LIST_ELEM: u16 = 1;
pub const EXPR_NAME: u16 = 1;
pub const EXPR_DATA: u16 = 2;
pub const DATA_VALUE: u16 = 1;
pub const DATA_VERDICT: u16 = 2;
pub const VERDICT_CODE: u16 = 1;
pub const VERDICT_CHAIN: u16 = 2;

pub const SET_TABLE: u16 = 1;
pub const SET_NAME: u16 = 2;
pub const SET_FLAGS: u16 = 3;
pub const SET_KEY_TYPE: u16 = 4;
pub const SET_KEY_LEN: u16 = 5;
pub const SET_DATA_TYPE: u16 = 6;
pub const SET_DESC: u16 = 9;
pub const SET_ID: u16 = 10;
pub const SET_DESC_SIZE: u16 = 1;
pub const SET_FLAG_INTERVAL: u32 = 0x4;
pub const SET_FLAG_MAP: u32 = 0x8;
pub const SET_FLAG_TIMEOUT: u32 = 0x10;
/// `NFT_DATA_VERDICT`: the elements of the map say what becomes of the packet.
pub const DATA_TYPE_VERDICT: u32 = 0xffff_ff00;
/// nft's own numbers (`TYPE_NFPROTO`, `TYPE_INET_SERVICE`, `TYPE_MARK`).
pub const KEY_TYPE_FAMILY: u32 = 2;
pub const KEY_TYPE_PORT: u32 = 13;
pub const KEY_TYPE_MARK: u32 = 19;
/// nft's own numbers of the types (its `TYPE_IPADDR` and `TYPE_IP6ADDR`), which its listing shows.
pub const KEY_TYPE_IPV4: u32 = 7;
pub const KEY_TYPE_IPV6: u32 = 8;

pub const ELEMENTS_TABLE: u16 = 1;
pub const ELEMENTS_SET: u16 = 2;
pub const ELEMENTS_LIST: u16 = 3;
pub const ELEM_KEY: u16 = 1;
pub const ELEM_DATA: u16 = 2;
pub const ELEM_FLAGS: u16 = 3;
pub const ELEM_TIMEOUT: u16 = 4;
pub const ELEM_EXPIRATION: u16 = 5;
pub const ELEM_FLAG_END: u32 = 0x1;

pub const OBJECT_TABLE: u16 = 1;
pub const OBJECT_NAME: u16 = 2;
pub const OBJECT_TYPE: u16 = 3;
pub const OBJECT_DATA: u16 = 4;
pub const OBJECT_TYPE_COUNTER: u32 = 1;
pub const COUNTER_BYTES: u16 = 1;
pub const COUNTER_PACKETS: u16 = 2;

/// The header after netlink's own (`struct nfgenmsg`): family, version 0, and for a batch the
/// subsystem that it is for.
pub fn header(family: u8, resource: u16) -> [u8; 4] {
    let resource = resource.to_be_bytes();
    [family, 0, resource[0], resource[1]]
}

/// What follows that header; nothing if it is missing.
pub fn after_header(body: &[u8]) -> Option<(u8, &[u8])> {
    Some((*body.first()?, body.get(4..)?))
}
