/**
 * narinfo files, which describe store paths in a binary cache. The signature covers the store path,
 * hash and size of its NAR, and its references (libstore, ValidPathInfo::fingerprint). It does not
 * cover hash and size of the compressed file.
 */
import { basename } from "node:path";
import { type SigningKey, signText } from "./signing-key.ts";

export interface PackedPath {
  readonly storePath: string;
  /** SHA-256 (hex) and size of the NAR. */
  readonly narHash: string;
  readonly narSize: number;
  /** Store paths, itself included where it refers to itself. */
  readonly references: readonly string[];
  /** SHA-256 (hex) and size of the compressed file. */
  readonly fileHash: string;
  readonly fileSize: number;
}

/** The text of a narinfo, signed with the key. */
export function narinfo(path: PackedPath, key: SigningKey): string {
  const narHash = `sha256:${nixBase32(Buffer.from(path.narHash, "hex"))}`;
  const references = path.references.toSorted();
  const signed = ["1", path.storePath, narHash, path.narSize, references.join(",")].join(";");
  return `StorePath: ${path.storePath}
URL: nar/${path.fileHash}.nar.zst
Compression: zstd
FileHash: sha256:${nixBase32(Buffer.from(path.fileHash, "hex"))}
FileSize: ${path.fileSize}
NarHash: ${narHash}
NarSize: ${path.narSize}
References: ${references.map((reference) => basename(reference)).join(" ")}
Sig: ${signText(key, signed)}
`;
}

const DIGITS = "0123456789abcdfghijklmnpqrsvwxyz";

/** Nix's base 32 (libutil, printHash32): its own digits, and the last bits first. */
export function nixBase32(hash: Uint8Array): string {
  const length = Math.ceil((hash.length * 8) / 5);
  let text = "";
  for (let digit = length - 1; digit >= 0; digit -= 1) {
    const [byte, shift] = [Math.floor((digit * 5) / 8), (digit * 5) % 8];
    const bits = ((hash[byte] ?? 0) >> shift) | ((hash[byte + 1] ?? 0) << (8 - shift));
    text += DIGITS[bits & 31];
  }
  return text;
}
