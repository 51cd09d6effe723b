/**
 * Closures in the form in which a derivation gets them (exportReferencesGraph with structured
 * attributes): a list of objects, of which these fields are used.
 *
 *   { "path": "/nix/store/…", "narHash": "sha256:1b3c…", "narSize": 120,
 *     "references": ["/nix/store/…"] }
 *
 * Nix writes the hash in its own base 32; newer ones also in hex, or as SRI (`sha256-<base 64>`).
 */
import * as v from "valibot";
import { type Digest, HEX256_PATTERN } from "../../edge/contract/digest.ts";
import type { StorePathInfo } from "../nix/types.ts";

export const ReferenceGraphSchema = v.array(
  v.object({
    path: v.pipe(v.string(), v.startsWith("/")),
    narHash: v.string(),
    narSize: v.pipe(v.number(), v.safeInteger(), v.minValue(0)),
    references: v.array(v.string()),
  }),
);

/** The closure by path. Throws an Error for a hash of an unknown form. */
export function closureOf(
  graph: v.InferOutput<typeof ReferenceGraphSchema>,
): Map<string, StorePathInfo> {
  return new Map(
    graph.map(({ path, narHash, narSize, references }) => [
      path,
      {
        path,
        narHash: digestOf(narHash),
        narSize,
        references: [...new Set(references)].filter((reference) => reference !== path).sort(),
      },
    ]),
  );
}

function digestOf(text: string): Digest {
  const [, separator, value = ""] = /^sha256([:-])(.*)$/.exec(text) ?? [];
  const hex = separator === "-" ? Buffer.from(value, "base64").toString("hex") : hexOfHash(value);
  if (!HEX256_PATTERN.test(hex)) throw new Error(`Nix gives a hash of an unknown form: ${text}`);
  return `sha256:${hex}`;
}

/** The digits of Nix's base 32 (libutil, base-nix-32). */
const DIGITS = "0123456789abcdfghijklmnpqrsvwxyz";
/** Characters of 256 bits in it. */
const BASE32_LENGTH = 52;

const hexOfHash = (value: string): string =>
  value.length === BASE32_LENGTH ? hexOf32(value) : value;

/** The hex digits; empty for other text. The number's lowest byte is the hash's first. */
function hexOf32(text: string): string {
  let number = 0n;
  for (const character of text) {
    const digit = DIGITS.indexOf(character);
    if (digit === -1) return "";
    number = number * 32n + BigInt(digit);
  }
  return Buffer.from(number.toString(16).padStart(64, "0"), "hex").reverse().toString("hex");
}
