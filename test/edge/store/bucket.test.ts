/**
 * What every Bucket owes the edge: over the R2 binding, over the S3 protocol to R2 and to a
 * directory, and with the data centre's cache in front, all in workerd.
 */
import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { after, before, describe, test } from "node:test";
import { join } from "node:path";
import type { Edge } from "../../../origin/server/edge.ts";
import { startOwnEdge } from "../../harness/start-edge.ts";
import { type EmulatedEdge, startEmulatedEdge } from "../../harness/emulated-edge.ts";
import { removeTree, tempDir } from "../../harness/temp.ts";
import { nearbyBucket } from "../../../edge/store/cache.ts";
import type { Operation } from "./operation.ts";
import { bundled } from "../../harness/bundle.ts";

let stateDir: string;
let edge: EmulatedEdge;
let server: Edge;
before(async () => {
  stateDir = await tempDir("bucket");
  const module = bundled(fileURLToPath(new URL("worker.ts", import.meta.url)));
  edge = await startEmulatedEdge({ stateDir, env: {}, module });
  server = await startOwnEdge({
    stateDir: join(stateDir, "server"),
    env: {},
    module,
    site: false,
  });
});
after(async () => {
  await edge?.stop();
  await server?.stop();
  await removeTree(stateDir);
});

async function runBy(kind: string, operation: Operation): Promise<unknown> {
  const url = kind === "directory" ? `${server.url}/s3` : `${edge.url}/${kind}`;
  const response = await fetch(url, {
    method: "POST",
    body: JSON.stringify(operation),
  });
  const { value, error } = (await response.json()) as { value?: unknown; error?: string };
  assert.equal(error, undefined);
  return value;
}

/** Each kind, and another that reaches the same data. */
for (const [kind, other] of [
  ["r2", "s3"],
  ["s3", "r2"],
  ["nearby", "s3"],
  ["directory", "directory"],
] as const) {
  const run = (operation: Operation, by = kind): Promise<unknown> => runBy(by, operation);
  const put = (key: string, text: string, ifAbsent: boolean) =>
    run({ op: "put", key: `${kind}/${key}`, text, contentType: "text/x-test", ifAbsent });
  const get = (key: string, range?: Extract<Operation, { op: "get" }>["range"]) =>
    run({ op: "get", key: `${kind}/${key}`, ...(range ? { range } : {}) });

  describe(`bucket over ${kind}`, () => {
    test("an absent object is null", async () => {
      assert.equal(await run({ op: "head", key: `${kind}/absent` }), null);
      assert.equal(await get("absent"), null);
      assert.equal(await get("absent", { offset: 0, length: 1 }), null);
    });

    test("what was put is there, with its size and content type, for the other form too", async () => {
      await put("there", "0123456789", false);
      assert.deepEqual(await run({ op: "head", key: `${kind}/there` }), {
        size: 10,
        contentType: "text/x-test",
      });
      assert.deepEqual(await get("there"), {
        size: 10,
        contentType: "text/x-test",
        text: "0123456789",
      });
      assert.deepEqual(await run({ op: "get", key: `${kind}/there` }, other), {
        size: 10,
        contentType: "text/x-test",
        text: "0123456789",
      });
    });

    for (const [what, range, text] of [
      ["a range from the start", { offset: 0, length: 2 }, "01"],
      ["a range in the middle", { offset: 3, length: 4 }, "3456"],
      ["a suffix", { suffix: 3 }, "789"],
    ] as const) {
      test(`${what} is read with the size of the whole`, async () => {
        await put("ranges", "0123456789", false);
        assert.deepEqual(await get("ranges", range), {
          size: 10,
          contentType: "text/x-test",
          text,
        });
      });
    }

    test("if absent, the first one stays; else the last", async () => {
      assert.equal(await put("once", "first", true), true);
      assert.equal(await put("once", "second", true), false);
      assert.equal(((await get("once")) as { text: string }).text, "first");
      assert.equal(await put("once", "third", false), true);
      assert.equal(((await get("once")) as { text: string }).text, "third");
    });

    test("of ten writers at once one wins, and nobody fails", async () => {
      const written = await Promise.all(
        Array.from({ length: 10 }, (_, n) => put("race", `writer ${n}`, true)),
      );
      assert.equal(written.filter((each) => each === true).length, 1);
      assert.match(((await get("race")) as { text: string }).text, /^writer \d$/);
    });

    test("keys of every kind that Firn makes", async () => {
      for (const key of [
        "packages/git-0123/rev/x86_64-linux/none/7zz~12.json",
        "tags/channel/v1.0_x-Y.json",
        "packages/p/r/s/none/xorg.xev.json",
        "packages/p/r/s/none/a__b.json",
      ]) {
        await put(key, key, true);
        assert.equal(((await get(key)) as { text: string }).text, key);
      }
    });
  });
}

const putBehind = (key: string, text: string) =>
  runBy("r2", { op: "put", key, text, contentType: "text/x-test", ifAbsent: false });
const textNearby = async (key: string): Promise<unknown> =>
  ((await runBy("nearby", { op: "get", key })) as { text: string } | null)?.text;

describe("the data centre's cache", () => {
  test("keeps what never changes, and nothing else", async () => {
    // Written over behind its back: what is still the old text came from the cache.
    for (const [key, kept] of [
      ["images/a.json", true],
      ["packages/s/r/x/none/a.json", true],
      ["blobs/sha256/aa", true],
      ["tags/s/latest.json", false],
      ["plans/s.json", false],
    ] as const) {
      await putBehind(key, "old");
      assert.equal(await textNearby(key), "old");
      await putBehind(key, "new");
      assert.equal(await textNearby(key), kept ? "old" : "new", key);
    }
  });

  test("does not keep absence, nor large objects", async () => {
    assert.equal(await textNearby("blobs/sha256/bb"), undefined);
    await putBehind("blobs/sha256/bb", "there");
    assert.equal(await textNearby("blobs/sha256/bb"), "there");
    await putBehind("blobs/sha256/cc", "x".repeat(2_000_000));
    assert.equal(String(await textNearby("blobs/sha256/cc")).length, 2_000_000);
    await putBehind("blobs/sha256/cc", "y");
    assert.equal(await textNearby("blobs/sha256/cc"), "y");
  });

  test("does not take a copy without a length", async () => {
    const bucket = {
      get: () =>
        Promise.resolve({
          size: "whole".length,
          contentType: "text/x-test",
          body: new Response("whole").body,
        }),
    };
    // A stream has no length of its own.
    const lengthless = new Response(new Response("whole").body, {
      headers: { "X-Firn-Asked-At": String(Date.now()) },
    });
    const cache = {
      match: () => Promise.resolve(lengthless as never),
      put: () => Promise.resolve(),
      delete: () => Promise.resolve(true),
    };
    const nearby = nearbyBucket(bucket as never, cache as never, () => undefined);
    assert.equal((await nearby.get("images/c.json"))?.size, "whole".length);
  });

  test("gives up a copy that is found to be damaged, or that is replaced", async () => {
    await putBehind("images/b.json", "damaged");
    assert.equal(await textNearby("images/b.json"), "damaged");
    await putBehind("images/b.json", "good");
    await runBy("nearby", { op: "dropCopy", key: "images/b.json" });
    assert.equal(await textNearby("images/b.json"), "good");
    await runBy("nearby", {
      op: "put",
      key: "images/b.json",
      text: "better",
      contentType: "text/x-test",
      ifAbsent: false,
    });
    assert.equal(await textNearby("images/b.json"), "better");
  });
});
