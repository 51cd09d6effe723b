/**
 * Made-up packages for the tests of edge/compose: trees, their listings in a bucket of the test's
 * own, and records with layers. Seeded: the same every time.
 */
import { createHash } from "node:crypto";
import { encodeClosure } from "../../../edge/contract/closure-blob.ts";
import {
  encodeListing,
  type ListingEntry,
  type ListingTree,
} from "../../../edge/contract/listing.ts";
import type { ReadRange } from "../../../edge/contract/listing-reader.ts";
import type { Descriptor, Layer, PackageRecord, System } from "../../../edge/contract/records.ts";
import { RECORD_FORMAT } from "../../../edge/contract/records.ts";
import type { Digest } from "../../../edge/contract/digest.ts";
import { samplePackage } from "../closures.ts";

export const hex = (text: string | Uint8Array): string =>
  createHash("sha256").update(text).digest("hex");
export const digest = (text: string | Uint8Array): Digest => `sha256:${hex(text)}`;
export const storePath = (name: string): string =>
  `/nix/store/${BigInt(`0x${hex(name)}`)
    .toString(32)
    .slice(0, 32)
    .padStart(32, "0")}-${name}`;
export const SCOPE = {
  packageSet: "starter",
  revision: "0123456789".repeat(4),
  system: "x86_64-linux" as System,
  plan: "none",
};

/** mulberry32: numbers from 0 up to 1. */
export function random(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

export function shuffled<T>(items: readonly T[], next: () => number): T[] {
  return items
    .map((item) => ({ item, at: next() }))
    .sort((a, b) => a.at - b.at)
    .map(({ item }) => item);
}

/** A tree from paths; a trailing slash makes an empty directory. */
export function tree(...paths: string[]): ListingTree {
  const names = new Map<string, string[] | null>();
  for (const path of paths) {
    const slash = path.indexOf("/");
    if (slash < 0) names.set(path, null);
    else {
      const name = path.slice(0, slash);
      const below = names.get(name) ?? [];
      if (path.length > slash + 1) below.push(path.slice(slash + 1));
      names.set(name, below);
    }
  }
  return Array.from(names, ([name, below]): ListingEntry =>
    below ? { name, entries: tree(...below) } : { name },
  );
}

/** A random tree whose names are few, so that trees overlap. */
export function randomTree(next: () => number, depth = 4): ListingTree {
  const names = [
    "bin",
    "etc",
    "share",
    "lib",
    "tmp",
    "passwd",
    "env",
    "sh",
    "bash",
    "usr",
    "ssl",
    "nix-support",
    "é",
    "a b",
    "x".repeat(120),
  ];
  return shuffled(names, next)
    .slice(0, Math.floor(next() * 7))
    .map((name) =>
      next() < depth * 0.18 ? { name, entries: randomTree(next, depth - 1) } : { name },
    );
}

/** Blobs by digest, and a count of what was read of them. */
export class Blobs {
  readonly #blobs = new Map<string, Uint8Array>();
  reads = 0;
  bytes = 0;

  add(bytes: Uint8Array): Descriptor {
    const descriptor = { digest: digest(bytes), size: bytes.length };
    this.#blobs.set(descriptor.digest, bytes);
    return descriptor;
  }

  text(name: string): string {
    return new TextDecoder().decode(this.#blobs.get(name));
  }

  readonly read: ReadRange = (name, { offset, length }) => {
    const blob = this.#blobs.get(name);
    if (!blob || offset < 0 || length < 1 || offset + length > blob.length)
      return Promise.reject(new Error(`read outside a blob: ${offset}+${length}`));
    this.reads += 1;
    this.bytes += length;
    return Promise.resolve(blob.slice(offset, offset + length));
  };
}

export function layer(name: string): Layer {
  return {
    key: hex(`key ${name}`),
    digest: digest(`layer ${name}`),
    size: name.length,
    diffId: digest(`tar ${name}`),
  };
}

/** A record of one level: its own layer, and those named in `shared`. */
export function record(
  blobs: Blobs,
  name: string,
  files: ListingTree,
  { shared = ["libc"], ...fields }: Partial<PackageRecord> & { shared?: string[] } = {},
): PackageRecord {
  const layers = [...shared, name].map(layer);
  return {
    format: RECORD_FORMAT,
    ...SCOPE,
    name,
    attribute: name,
    pname: name,
    version: "1.0",
    storePath: storePath(`${name}-1.0`),
    closureSize: 1_000,
    listing: blobs.add(encodeListing(files)),
    closure: blobs.add(encodeClosure(samplePackage(storePath(`${name}-1.0`)))),
    parts: layers.map(({ key }, index) => ({ key, rank: layers.length - index })),
    levels: [layers.map((_, index) => index)],
    level: 0,
    layers,
    origins: ["mine"],
    signed: [{ origin: "mine", signature: "A".repeat(86) }],
    ...fields,
  };
}
