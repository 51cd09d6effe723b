/**
 * A real Worker in workerd with a bucket of its own, what an origin would have put there (real
 * layers, listings and records), and a bare HTTP client.
 */
import { createHash } from "node:crypto";
import { type IncomingHttpHeaders, request as httpRequest } from "node:http";
import { fileURLToPath } from "node:url";
import { gunzipSync, gzipSync } from "node:zlib";
import type { Bucket } from "../../../edge/store/bucket.ts";
import { s3Bucket } from "../../../edge/store/s3.ts";
import type { Digest } from "../../../edge/contract/digest.ts";
import {
  blobPath,
  imageNameKey,
  imagesPrefix,
  indexPath,
  layerKey,
  levelPath,
  packagePath,
  planPath,
  revisionPath,
  type Scope,
  tagPath,
} from "../../../edge/contract/keys.ts";
import { parseImageName } from "../../../edge/contract/names.ts";
import { encodeListing, type ListingTree } from "../../../edge/contract/listing.ts";
import type {
  Descriptor,
  IndexRecord,
  Layer,
  LevelRecord,
  PackageRecord,
} from "../../../edge/contract/records.ts";
import { type ClosureEntry, closureParts } from "../../../edge/contract/closure.ts";
import { encodeClosure } from "../../../edge/contract/closure-blob.ts";
import { RECORD_FORMAT } from "../../../edge/contract/records.ts";
import { tarEnd, tarHeader, tarPadding } from "../../../edge/contract/tar.ts";
import { generateOriginKey } from "../../../origin/channel/index.ts";
import type { Edge, EdgeOptions } from "../../../origin/server/edge.ts";
import { startOwnEdge } from "../../harness/start-edge.ts";
import { samplePackage } from "../closures.ts";
import { bundled } from "../../harness/bundle.ts";
import { until } from "../../harness/until.ts";
import { removeTree, tempDir } from "../../harness/temp.ts";

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}
export type RequestHeaders = Readonly<Record<string, string | string[]>>;

/** One request with exactly these headers (fetch would add an Accept), redirects not followed. */
export function send(method: string, url: string, headers: RequestHeaders = {}): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const request = httpRequest(url, { method, headers, agent: false }, (response) => {
      const chunks: Buffer[] = [];
      response.on("data", (chunk: Buffer) => chunks.push(chunk));
      response.on("error", reject);
      response.on("end", () =>
        resolve({
          status: response.statusCode ?? 0,
          headers: response.headers,
          body: Buffer.concat(chunks),
        }),
      );
    });
    request.on("error", reject);
    request.end();
  });
}

export const digestOf = (bytes: Uint8Array | string): Digest =>
  `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
export const errorsOf = (answer: Answer): { code: string; message: string; detail?: unknown }[] =>
  (JSON.parse(String(answer.body)) as { errors: { code: string; message: string }[] }).errors;

export const REVISION = "0123456789".repeat(4);
export const SCOPE: Scope = {
  packageSet: "starter",
  revision: REVISION,
  system: "x86_64-linux",
  plan: "none",
};

/** The origins that test edges let in; most tests need the first alone. */
export const ORIGIN = { name: "test", ...generateOriginKey() };
export const OTHER_ORIGIN = { name: "other", ...generateOriginKey() };

export interface TestEdge {
  readonly edge: Edge;
  readonly url: string;
  readonly bucket: Bucket;
  /** Where it keeps its bucket and its objects. */
  readonly stateDir: string;
  /** Structured lines that the Worker logged. */
  readonly log: Record<string, unknown>[];
  /**
   * The first `count` lines of an event, once the Worker's console has brought them: they come
   * beside its answers, sometimes after.
   */
  logged(event: string, count?: number): Promise<Record<string, unknown>[]>;
  stop(): Promise<void>;
}

/** A Worker for tests in which a job fails: it is tried again after half a second, not five. */
export const IMPATIENT = fileURLToPath(new URL("../../farm/worker.ts", import.meta.url));

export async function startTestEdge(
  env: Readonly<Record<string, string>> = {},
  {
    worker,
    ...more
  }: Pick<EdgeOptions, "bucket" | "site"> & { readonly worker?: string | undefined } = {},
): Promise<TestEdge> {
  const stateDir = await tempDir("edge");
  const log: Record<string, unknown>[] = [];
  const edge = await startOwnEdge({
    stateDir,
    site: false,
    env: {
      PACKAGE_SET: "starter",
      // Longer than any answer of a test's origin takes on a machine that is busy.
      BUILD_WAIT: "60",
      ORIGINS: JSON.stringify(
        Object.fromEntries(
          [ORIGIN, OTHER_ORIGIN].map(({ name, publicKey }) => [name, { key: publicKey }]),
        ),
      ),
      ...env,
    },
    ...more,
    module: bundled(worker),
    log: ({ level, message }) =>
      void log.push(
        message.startsWith("{")
          ? (JSON.parse(message) as Record<string, unknown>)
          : { level, message },
      ),
  });
  return {
    edge,
    url: edge.url,
    bucket: s3Bucket(edge.s3),
    stateDir,
    log,
    logged: (event, count = 1) =>
      until(`${count} log lines of the event ${event}`, () => {
        const found = log.filter((line) => line["event"] === event);
        return found.length >= count ? found.slice(0, count) : undefined;
      }),
    stop: async () => {
      await edge.stop();
      await removeTree(stateDir);
    },
  };
}

export async function putBlob(
  bucket: Bucket,
  bytes: Uint8Array<ArrayBuffer>,
  contentType = "application/octet-stream",
): Promise<Descriptor> {
  const digest = digestOf(bytes);
  await bucket.put(blobPath(digest), bytes, { contentType, ifAbsent: true });
  return { digest, size: bytes.length };
}

/** The names of the package set, or of a nested one, as an origin would list them. */
export async function putIndex(
  bucket: Bucket,
  names: readonly string[],
  { scope = SCOPE, path = [] }: { scope?: Scope; path?: readonly string[] } = {},
): Promise<void> {
  const { packageSet, revision, system } = scope;
  const record: IndexRecord = {
    format: RECORD_FORMAT,
    packageSet,
    revision,
    system,
    path: [...path],
    names: await putBlob(bucket, new TextEncoder().encode(JSON.stringify(names))),
    signed: [{ origin: ORIGIN.name, signature: "A".repeat(86) }],
  };
  await bucket.put(indexPath(scope, path), JSON.stringify(record), {
    contentType: "application/json",
    ifAbsent: true,
  });
}

/** A tag that was resolved before. */
export async function putTag(
  bucket: Bucket,
  tag: string,
  revision: string,
  resolvedAt: number = Date.now(),
  packageSet = "starter",
): Promise<void> {
  await putRevision(bucket, revision, tag, packageSet);
  await bucket.put(tagPath(packageSet, tag), JSON.stringify({ revision, resolvedAt }), {
    contentType: "application/json",
    ifAbsent: false,
  });
}

/** A revision that a tag was seen at. */
export const putRevision = (
  bucket: Bucket,
  revision: string,
  tag = "latest",
  packageSet = "starter",
): Promise<unknown> =>
  bucket.put(revisionPath(packageSet, revision), JSON.stringify({ tag, seenAt: 0 }), {
    contentType: "application/json",
    ifAbsent: true,
  });

export const putPlan = (bucket: Bucket, plan: string, packageSet = "starter"): Promise<unknown> =>
  bucket.put(planPath(packageSet), JSON.stringify({ plan }), {
    contentType: "application/json",
    ifAbsent: false,
  });

/** Store paths of a test: made from the name, so that two packages may share one. */
export const storePath = (name: string): string =>
  `/nix/store/${createHash("sha256").update(name).digest("hex").replace(/[e]/g, "z").slice(0, 32)}-${name}`;

/** A layer with one store path of one file, in the bucket; `level` is zlib's. */
export async function putLayer(
  bucket: Bucket,
  name: string,
  level?: number,
  contents: Uint8Array = Buffer.from(`#!/bin/sh\necho ${name}\n`),
): Promise<Layer> {
  const path = storePath(name);
  const file = {
    path: `${path.slice(1)}/bin/${name}`,
    type: "file" as const,
    mode: 0o555,
    size: contents.length,
  };
  const directories = ["nix", "nix/store", path.slice(1), `${path.slice(1)}/bin`].map((directory) =>
    tarHeader({ path: directory, type: "directory", mode: 0o555 }),
  );
  const tar = Buffer.concat([
    ...directories,
    tarHeader(file),
    contents,
    new Uint8Array(tarPadding(contents.length)),
    tarEnd,
  ]);
  const bytes = new Uint8Array(gzipSync(tar, level === undefined ? {} : { level }));
  const blob = await putBlob(bucket, bytes, "application/vnd.oci.image.layer.v1.tar+gzip");
  return {
    key: await layerKey([{ path, narHash: digestOf(name) }]),
    ...blob,
    diffId: digestOf(gunzipSync(bytes)),
  };
}

/** A small part: a store path of one file for each name, compressed each for itself. */
export async function putSmall(bucket: Bucket, names: readonly string[]): Promise<Layer> {
  const trees = names.map((name) => {
    const path = storePath(name).slice(1);
    const contents = Buffer.from(`contents of ${name}`);
    const tar = Buffer.concat([
      tarHeader({ path, type: "directory", mode: 0o555 }),
      tarHeader({ path: `${path}/file`, type: "file", mode: 0o444, size: contents.length }),
      contents,
      new Uint8Array(tarPadding(contents.length)),
    ]);
    return { name: path.slice("nix/store/".length), tar, blob: gzipSync(tar) };
  });
  const blob = Buffer.concat(trees.map((tree) => tree.blob));
  const paths = names.map((name) => ({ path: storePath(name), narHash: digestOf(name) }));
  return {
    key: await layerKey(paths, true),
    ...(await putBlob(bucket, new Uint8Array(blob))),
    diffId: digestOf(Buffer.concat(trees.map(({ tar }) => tar))),
    trees: trees.map(({ name, tar, blob }) => ({ name, size: blob.length, tarSize: tar.length })),
  };
}

export interface TestPackage {
  readonly name: string;
  /** Layers of each level, by name, finest first. */
  readonly levels?: readonly (readonly string[])[];
  /** The level whose layers come with the record. */
  readonly level?: number;
  readonly scope?: Scope;
  readonly listing?: ListingTree;
  /** How its layers are compressed: a level of zlib. */
  readonly compression?: number;
  /** What its closure says of its own store path. */
  readonly facts?: Partial<ClosureEntry>;
  readonly utf8?: boolean;
  /** What its file holds; a script when left out. */
  readonly contents?: Uint8Array;
}

/**
 * The blobs of a package, as an origin uploads them, and its record, which the edge will write.
 * Layers of levels other than its own are not made.
 */
export async function makePackage(
  bucket: Bucket,
  {
    name,
    levels = [["libc", name]],
    level = 0,
    scope = SCOPE,
    listing,
    compression,
    facts = {},
    utf8,
    contents,
  }: TestPackage,
): Promise<PackageRecord> {
  const names = [...new Set(levels.flat())];
  const parts = await Promise.all(
    names.map(async (part, index) => ({
      key: await layerKey([{ path: storePath(part), narHash: digestOf(part) }]),
      rank: names.length - index,
    })),
  );
  const own = samplePackage(
    storePath(name),
    names.map((part) => storePath(part)),
    { pname: name, version: "1.0", ...facts },
  );
  const members = parts.map(({ key }, at) => ({ key, paths: [{ path: storePath(names[at]!) }] }));
  return {
    format: RECORD_FORMAT,
    ...scope,
    name,
    attribute: name,
    pname: name,
    version: "1.0",
    mainProgram: name,
    storePath: storePath(name),
    closureSize: 1_000,
    ...(utf8 === undefined ? {} : { utf8 }),
    listing: await putBlob(
      bucket,
      encodeListing(listing ?? [{ name: "bin", entries: [{ name }] }]),
    ),
    closure: await putBlob(
      bucket,
      encodeClosure({ ...own, parts: closureParts(own.paths, members) }),
    ),
    parts,
    levels: levels.map((members) => members.map((member) => names.indexOf(member))),
    level,
    layers: await Promise.all(
      (levels[level] ?? []).map((member) =>
        putLayer(bucket, member, compression, member === name ? contents : undefined),
      ),
    ),
    origins: [ORIGIN.name],
    signed: [{ origin: ORIGIN.name, signature: "A".repeat(86) }],
  };
}

/** A package that was built before. */
export async function putPackage(bucket: Bucket, wanted: TestPackage): Promise<PackageRecord> {
  const record = await makePackage(bucket, wanted);
  await bucket.put(packagePath(wanted.scope ?? SCOPE, wanted.name), JSON.stringify(record), {
    contentType: "application/json",
    ifAbsent: true,
  });
  return record;
}

export async function makeLevel(
  bucket: Bucket,
  level: number,
  members: readonly string[],
): Promise<LevelRecord> {
  return {
    format: RECORD_FORMAT,
    level,
    layers: await Promise.all(members.map((member) => putLayer(bucket, member))),
    origins: [ORIGIN.name],
  };
}

/** A level that was made before. */
export async function putLevel(
  bucket: Bucket,
  name: string,
  level: number,
  members: readonly string[],
  scope: Scope = SCOPE,
): Promise<void> {
  await bucket.put(
    levelPath(scope, name, level),
    JSON.stringify(await makeLevel(bucket, level, members)),
    { contentType: "application/json", ifAbsent: true },
  );
}

/** Paths of the records of all images that a name has meant. */
export async function imagesOf(bucket: Bucket, name: string): Promise<string[]> {
  const { names, shell } = parseImageName(name);
  const key = await imageNameKey(SCOPE.packageSet, names, shell);
  const { objects } = await bucket.list(imagesPrefix(key), { limit: 1_000 });
  return objects.map((object) => object.key);
}

/** What every image has. */
export async function putBase(bucket: Bucket, scope: Scope = SCOPE): Promise<void> {
  for (const name of ["cacert", "iana-etc"])
    await putPackage(bucket, {
      name,
      scope,
      levels: [[name]],
      listing: [{ name: "etc", entries: [{ name }] }],
    });
}

/** Makes the images of these packages known: the packages, what every image has, and the tag. */
export async function putKnown(bucket: Bucket, names: readonly string[]): Promise<void> {
  await putBase(bucket);
  for (const name of names) await putPackage(bucket, { name });
  await putTag(bucket, "latest", REVISION);
}

export async function putShell(bucket: Bucket, scope: Scope = SCOPE): Promise<void> {
  for (const name of ["bashinteractive", "coreutils", "moreutils", "nano"])
    await putPackage(bucket, { name, scope });
}
