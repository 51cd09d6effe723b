/**
 * Composing in workerd: the same image is the same bytes as in Node, so the edge and the command
 * line give one digest; and the largest images stay within the memory of a Worker.
 */
import assert from "node:assert/strict";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { fileURLToPath } from "node:url";
import { after, before, test } from "node:test";
import { Miniflare } from "miniflare";
import { type ComposedImage, compose, type ComposeInput } from "../../../edge/compose/compose.ts";
import type { Digest } from "../../../edge/contract/digest.ts";
import type { ListingTree } from "../../../edge/contract/listing.ts";
import { MAX_IMAGE_BYTES } from "../../../edge/contract/image-budget.ts";
import { type InvalidName, parseImageName } from "../../../edge/contract/names.ts";
import { compatibilityDate } from "../../../origin/server/bundle.ts";
import { Blobs, random, randomTree, record, SCOPE, tree } from "./sample.ts";
import type { Order } from "./workerd-entry.ts";
import { bundled } from "../../harness/bundle.ts";

/**
 * V8 ends a workerd whose JavaScript heap grows above this: what an image may take
 * (MAX_IMAGE_BYTES), and as much for the runtime, the Worker's code and the record that it answers.
 */
const HEAP_MIB = 32;

const blobs = new Blobs();
const listings = createServer((request, response) => {
  const [, from, to] = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? "") ?? [];
  const offset = Number(from);
  blobs
    .read((request.url ?? "").slice(1) as Digest, { offset, length: Number(to) + 1 - offset })
    .then(
      (bytes) => response.writeHead(206).end(bytes),
      (error: unknown) => response.writeHead(500).end(String(error)),
    );
});
let miniflare: Miniflare | undefined;
let worker: URL;

before(async () => {
  listings.listen(0, "127.0.0.1");
  const contents = bundled(fileURLToPath(new URL("workerd-entry.ts", import.meta.url)));
  process.env["MINIFLARE_WORKERD_V8_FLAGS"] = `--max-heap-size=${HEAP_MIB}`;
  miniflare = new Miniflare({
    host: "127.0.0.1",
    port: 0,
    cf: false,
    telemetry: { enabled: false },
    workers: [
      {
        config: {
          name: "compose",
          compatibilityDate: await compatibilityDate(),
          manifest: {
            mainModule: "index.js",
            modulesRoot: "/",
            modules: { "index.js": { type: "esm", contents } },
          },
        },
      },
    ],
  });
  worker = await miniflare.ready;
});
after(async () => {
  await miniflare?.dispose();
  listings.close();
});

async function composeInWorkerd(input: ComposeInput): Promise<Response> {
  const { port } = listings.address() as AddressInfo;
  const order: Order = { input, listings: `http://127.0.0.1:${port}/` };
  return fetch(worker, { method: "POST", body: JSON.stringify(order) });
}

const namesOf = ({ image, origins, blobs: made }: ComposedImage) => ({
  image,
  origins,
  blobs: made.map(({ digest, mediaType, size }) => ({ digest, mediaType, size })),
});

function inputOf(name: string, treeOf: (name: string) => ListingTree): ComposeInput {
  const request = parseImageName(name);
  const packages = request.names.map((each) => ({ record: record(blobs, each, treeOf(each)) }));
  return { scope: SCOPE, request, packages };
}

test("workerd composes the bytes that Node composes", async () => {
  for (let seed = 0; seed < 10; seed++) {
    const next = random(seed);
    const input = inputOf("shell/git/curl/tmux", () => randomTree(next, 6));
    const response = await composeInWorkerd(input);
    assert.equal(response.status, 200, await response.clone().text());
    assert.deepEqual(await response.json(), namesOf(await compose(input, blobs.read)));
  }
});

const files = (prefix: string, count: number): ListingTree =>
  Array.from({ length: count }, (_, n) => ({ name: `${prefix}-${n}` }));
/** Directories of 1,000 files, four below the root. */
const deep = (prefix: string, directories: number): ListingTree => [
  {
    name: "share",
    entries: [
      {
        name: "all",
        entries: [
          {
            name: "of",
            entries: Array.from({ length: directories }, (_, n) => ({
              name: `d${n}`,
              entries: files(`${prefix}${n}`, 1_000),
            })),
          },
        ],
      },
    ],
  },
];

/** Shared directories of 1,000 files each, in two packages: two more are too many. */
const DIRECTORIES = 18;

test("the most links that an image may have: composed within the memory of one image", async () => {
  // Every directory is read: the shared ones to link what is in them, bin for env and sh.
  const trees = new Map([
    ["aaa", [...deep("a", DIRECTORIES), { name: "bin", entries: files("tool", 5_000) }]],
    ["bbb", deep("b", DIRECTORIES)],
  ]);
  const input = inputOf("aaa/bbb", (name) => trees.get(name) ?? tree(`etc/${name}`));
  const response = await composeInWorkerd(input);
  assert.equal(response.status, 200, await response.clone().text());
  assert.deepEqual(await response.json(), namesOf(await compose(input, blobs.read)));
});

test("a few more links than that: refused, by the limit's name", async () => {
  const trees = new Map([
    ["aaa", deep("a", DIRECTORIES + 3)],
    ["bbb", deep("b", DIRECTORIES + 3)],
  ]);
  const input = inputOf("aaa/bbb", (name) => trees.get(name) ?? tree(`etc/${name}`));
  await assert.rejects(compose(input, blobs.read), (error: InvalidName) => {
    assert.deepEqual([error.name, error.detail?.["rule"]], ["InvalidName", "memory"]);
    assert.equal(error.detail?.["limit"], MAX_IMAGE_BYTES);
    return true;
  });
});

test("one directory of 200,000 short names: refused before it takes the memory", async () => {
  const input = inputOf("aaa", (name) =>
    name === "aaa" ? [{ name: "bin", entries: files("t", 200_000) }] : tree(`etc/${name}`),
  );
  await assert.rejects(compose(input, blobs.read), /overlap in too many files/);
});

test("200,000 files in two packages, all of them to be linked: refused, and the Worker lives", async () => {
  const trees = new Map([
    ["aaa", deep("a", 100)],
    ["bbb", deep("b", 100)],
  ]);
  const response = await composeInWorkerd(
    inputOf("aaa/bbb", (name) => trees.get(name) ?? tree(`etc/${name}`)),
  );
  assert.equal(response.status, 400, await response.clone().text());
  assert.match(await response.text(), /overlap in too many files/);
});
