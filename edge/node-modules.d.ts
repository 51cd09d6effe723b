/**
 * The parts of Node's modules that the Worker uses, which workerd provides from the compatibility
 * date of wrangler.toml on. @types/node would declare far more than workerd has.
 */
declare module "node:zlib" {
  /** Inflates all members of `data`, one after another. */
  export function gunzipSync(
    data: Uint8Array,
    options?: { readonly maxOutputLength?: number },
  ): Uint8Array<ArrayBuffer>;
  /** CRC-32 as in gzip (RFC 1952, 8), unsigned. */
  export function crc32(data: Uint8Array): number;
}

declare module "node:crypto" {
  interface Hash {
    update(data: Uint8Array): Hash;
    digest(encoding: "hex"): string;
  }
  export function createHash(algorithm: "sha256"): Hash;
}
