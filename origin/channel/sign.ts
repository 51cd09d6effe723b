/** Signs what an origin states, with the key that it opens the channel with. */
import { type KeyObject, sign } from "node:crypto";
import { type Sign, signedText } from "../../edge/contract/signatures.ts";

export const signer =
  (key: KeyObject): Sign =>
  (kind, statement) =>
    sign(null, Buffer.from(signedText(kind, statement)), key).toString("base64url");
