// Time-based codes (RFC 6238: SHA-1, 30 s, 6 digits), as an authenticator app makes them.
import { createHmac } from "node:crypto";

const STEP_S = 30;
const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

function decoded(base32) {
  const bits = [...base32.replace(/[\s=]/g, "").toUpperCase()].map((c) => ALPHABET.indexOf(c).toString(2).padStart(5, "0")).join("");
  return Buffer.from((bits.match(/.{8}/g) ?? []).map((byte) => Number.parseInt(byte, 2)));
}

/** The code of now, or of some steps later. */
export function totp(secret, later = 0) {
  const counter = Buffer.alloc(8);
  counter.writeBigUInt64BE(BigInt(Math.floor(Date.now() / 1000 / STEP_S) + later));
  const mac = createHmac("sha1", decoded(secret)).update(counter).digest();
  const at = mac[mac.length - 1] & 15;
  return String((mac.readUInt32BE(at) & 0x7fffffff) % 1_000_000).padStart(6, "0");
}

/** True for the code of now and for its neighbours. */
export function fits(secret, code) {
  return [-1, 0, 1].some((later) => totp(secret, later) === code);
}
