/**
 * The Worker's variables: what they mean, and that a wrong one is named with what it may be, and
 * never shown.
 */
import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { after, before, describe, test } from "node:test";
import type { Edge } from "../../origin/server/edge.ts";
import { startOwnEdge } from "../harness/start-edge.ts";
import { removeTree, tempDir } from "../harness/temp.ts";
import { errorsOf, send, startTestEdge, type TestEdge } from "./registry/support.ts";
import { bundled } from "../harness/bundle.ts";

const BUCKET = {};
const S3 = {
  S3_ENDPOINT: "https://s3.example",
  S3_BUCKET: "b",
  S3_ACCESS_KEY_ID: "id",
  S3_SECRET_ACCESS_KEY: "hush",
};

interface Read {
  readonly config?: {
    readonly packageSet: { readonly kind: string; readonly id: string };
    readonly blobs: unknown;
    readonly buildWait: number;
    readonly systems: readonly string[];
    readonly platformWait: number;
    readonly tagFresh: number;
    readonly uploadsPerDay: number | null;
  };
  readonly error?: string;
}

let stateDir: string;
let edge: Edge;
before(async () => {
  stateDir = await tempDir("config");
  edge = await startOwnEdge({
    stateDir,
    env: {},
    module: bundled(fileURLToPath(new URL("config/worker.ts", import.meta.url))),
    site: false,
  });
});
after(async () => {
  await edge?.stop();
  await removeTree(stateDir);
});
const read = async (variables: Record<string, unknown>): Promise<Read> =>
  (await (
    await fetch(edge.url, { method: "POST", body: JSON.stringify(variables) })
  ).json()) as Read;

test("defaults: variables that are not set, or set to nothing", async () => {
  for (const variables of [
    { BUCKET },
    {
      BUCKET,
      PACKAGE_SET: "",
      BLOBS: "",
      BUILD_WAIT: "",
      TAG_FRESH: "",
      S3_ENDPOINT: "",
      EDGE_HOST: "",
      ORIGINS: "",
    },
  ]) {
    const { config } = await read(variables);
    assert.equal(config?.packageSet.id, "starter");
    assert.deepEqual(
      [config.blobs, config.buildWait, config.tagFresh],
      [{ kind: "stream" }, 600_000, 60_000],
    );
    assert.equal(config.uploadsPerDay, 2 ** 40);
    assert.deepEqual([config.systems, config.platformWait], [["x86_64-linux"], 10_000]);
  }
});

test("variables that are set", async () => {
  const { config } = await read({
    ...S3,
    PACKAGE_SET: "channel:nixos-unstable",
    BLOBS: "presign",
    BUILD_WAIT: "0",
    TAG_FRESH: "86400",
    EDGE_HOST: "a.example, b.example:8443",
    ZSTD: "on",
  });
  assert.equal(config?.packageSet.kind, "channel");
  assert.deepEqual(config.blobs, {
    kind: "presign",
    s3: {
      endpoint: "https://s3.example",
      bucket: "b",
      region: "auto",
      accessKeyId: "id",
      secretAccessKey: "hush",
    },
  });
  assert.deepEqual([config.buildWait, config.tagFresh], [0, 86_400_000]);
  const uploads = async (text: string): Promise<unknown> =>
    (await read({ BUCKET, UPLOADS_PER_DAY: text })).config?.uploadsPerDay;
  assert.deepEqual([await uploads("500G"), await uploads("off")], [500 * 2 ** 30, null]);
  assert.deepEqual(
    (await read({ BUCKET, BLOBS: "public:https://cdn.example/x//" })).config?.blobs,
    { kind: "public", base: "https://cdn.example/x" },
  );
});

const systems = async (variables: Record<string, unknown>): Promise<unknown> =>
  (await read({ BUCKET, ...variables })).config?.systems;

test("SYSTEMS: in their order, or what the origins are configured for", async () => {
  const both = ["aarch64-linux", "x86_64-linux"];
  assert.deepEqual(await systems({ SYSTEMS: "aarch64-linux, x86_64-linux" }), both);
  const ORIGINS = JSON.stringify({
    a: { key: "A".repeat(43), systems: ["aarch64-linux"] },
    b: { key: "B".repeat(43), systems: ["x86_64-linux"] },
    c: { key: "C".repeat(43) },
  });
  assert.deepEqual(await systems({ ORIGINS }), both.toReversed());
  assert.deepEqual(await systems({ ORIGINS, SYSTEMS: "aarch64-linux" }), ["aarch64-linux"]);
});

const wrong: [string, Record<string, unknown>, RegExp][] = [
  ["no bucket", {}, /bind an R2 bucket as BUCKET, or set S3_ENDPOINT/],
  [
    "half an S3 bucket",
    { S3_ENDPOINT: "https://s3.example", S3_BUCKET: "b" },
    /S3_ACCESS_KEY_ID is not set.*S3_SECRET_ACCESS_KEY is not set/,
  ],
  [
    "an endpoint that is no URL",
    { ...S3, S3_ENDPOINT: "s3.example" },
    /S3_ENDPOINT must be an http/,
  ],
  ["presign without S3", { BUCKET, BLOBS: "presign" }, /BLOBS=presign needs S3_ENDPOINT/],
  [
    "another way of blobs",
    { BUCKET, BLOBS: "redirect" },
    /BLOBS must be stream, presign or public:<base URL>/,
  ],
  ["a public base that is none", { BUCKET, BLOBS: "public:cdn.example" }, /BLOBS must be/],
  [
    "a wait in words",
    { BUCKET, BUILD_WAIT: "10m" },
    /BUILD_WAIT must be whole seconds from 0 to 3600/,
  ],
  [
    "too long a wait",
    { BUCKET, BUILD_WAIT: "3601" },
    /BUILD_WAIT must be whole seconds from 0 to 3600/,
  ],
  [
    "a system that is none",
    { BUCKET, SYSTEMS: "x86_64-linux,arm64" },
    /SYSTEMS must be one or more of x86_64-linux, aarch64-linux, with commas/,
  ],
  [
    "negative freshness",
    { BUCKET, TAG_FRESH: "-1" },
    /TAG_FRESH must be whole seconds from 0 to 86400/,
  ],
  [
    "a host with a scheme",
    { BUCKET, EDGE_HOST: "https://a.example" },
    /EDGE_HOST must be host or host:port/,
  ],
  ["keys that are no JSON", { BUCKET, ORIGINS: "mine=x" }, /ORIGINS must be a JSON object/],
  [
    "a private key",
    { BUCKET, ORIGINS: '{"mine":{"kty":"RSA"}}' },
    /ORIGINS: mine\.key is missing; mine\.kty is not a field of an origin/,
  ],
  [
    "a day's uploads without a unit",
    { BUCKET, UPLOADS_PER_DAY: "500" },
    /UPLOADS_PER_DAY must be a number with M, G or T behind it, or off/,
  ],
  ["another FARM_PUBLIC", { BUCKET, FARM_PUBLIC: "1" }, /FARM_PUBLIC must be on or off/],
  ["another ZSTD", { BUCKET, ZSTD: "yes" }, /ZSTD must be on or off/],
  [
    "another package set",
    { BUCKET, PACKAGE_SET: "nixpkgs" },
    /package set "nixpkgs" is unknown: use starter, channel:/,
  ],
  ["two things", { BUCKET, BUILD_WAIT: "x", ZSTD: "y" }, /BUILD_WAIT must.*ZSTD must/],
];
for (const [what, variables, message] of wrong) {
  test(`${what} is refused`, async () => {
    const { config, error } = await read(variables);
    assert.equal(config, undefined);
    assert.match(error ?? "", message);
    assert.doesNotMatch(error ?? "", /hush/);
  });
}

describe("a Worker that is configured wrongly", () => {
  let firn: TestEdge;
  before(async () => {
    firn = await startTestEdge({ BUILD_WAIT: "soon" });
  });
  after(() => firn?.stop());

  test("says so to the client, tells its log what is wrong, and still answers /v2/", async () => {
    assert.equal((await send("GET", `${firn.url}/v2/`)).status, 200);
    const answer = await send("GET", `${firn.url}/v2/git/manifests/latest`);
    assert.equal(answer.status, 500);
    assert.match(errorsOf(answer)[0]?.message ?? "", /not configured correctly; its operator/);
    assert.doesNotMatch(String(answer.body), /BUILD_WAIT/);
    const [line] = await firn.logged("request.failed");
    assert.match(JSON.stringify(line), /BUILD_WAIT must be whole seconds/);
  });
});

const agree = async (AGREE: string, origins: object): Promise<unknown> => {
  const { config, error } = await read({ BUCKET, AGREE, ORIGINS: JSON.stringify(origins) });
  return (config as { agree?: number } | undefined)?.agree ?? error;
};

test("AGREE: a small number, of owners that ORIGINS has", async () => {
  const two = { a: { key: "A".repeat(43) }, b: { key: "B".repeat(43) } };
  const one = { a: { ...two.a, owner: "x" }, b: { ...two.b, owner: "x" } };
  assert.equal(await agree("", two), 1);
  assert.equal(await agree("2", two), 2);
  assert.match(String(await agree("2", one)), /AGREE is 2, and ORIGINS has origins of 1 owner:/);
  for (const wrong of ["0", "17", "two", "1.5"])
    assert.match(String(await agree(wrong, two)), /AGREE must be a whole number from 1 to 16/);
});
