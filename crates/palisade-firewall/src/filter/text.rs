//! A program as text for `nft -f`, and as its JSON.
