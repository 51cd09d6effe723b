/**
 * What the Worker uses of Node's modules, which workerd has from the compatibility date of
 * wrangler.toml on: the types of all of Node would offer far more than it has.
 */
declare module "node:zlib" {
  /** All members of `data`, one after another. */
  export function gunzipSync(
    data: Uint8Array,
    options?: { readonly maxOutputLength?: number },
  ): Uint8Array<ArrayBuffer>;
}

declare module "node:crypto" {
  interface Hash {
    update(data: Uint8Array): Hash;
    digest(encoding: "hex"): string;
  }
  export function createHash(algorithm: "sha256"): Hash;
}
