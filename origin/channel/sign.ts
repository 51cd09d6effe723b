/** Signatures of what an origin states of packages, layers and indexes. */
import { type KeyObject, sign } from "node:crypto";
import { type Sign, signedText } from "../../edge/contract/signatures.ts";

/** Returns what signs a statement with this key: Ed25519, base64url, over `signedText`. */
export const signer =
  (key: KeyObject): Sign =>
  (kind, statement) =>
    sign(null, Buffer.from(signedText(kind, statement)), key).toString("base64url");
