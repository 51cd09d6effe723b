/**
 * The same image is the same bytes in workerd as in Node: the edge and the command line give one
 * digest.
 */
import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { test } from "node:test";
import { Miniflare } from "miniflare";
import { compose } from "../../../edge/compose/compose.ts";
import { parseImageName } from "../../../edge/contract/names.ts";
import { bundleWorker, compatibilityDate } from "../../../origin/local/bundle.ts";
import { Blobs, random, randomTree, record, SCOPE } from "./sample.ts";
import type { Order } from "./workerd-entry.ts";

test("workerd composes the bytes that Node composes", async (t) => {
  const contents = await bundleWorker(fileURLToPath(new URL("workerd-entry.ts", import.meta.url)));
  const miniflare = new Miniflare({
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
  t.after(() => miniflare.dispose());
  const url = await miniflare.ready;
  for (let seed = 0; seed < 10; seed++) {
    const next = random(seed);
    const blobs = new Blobs();
    const request = parseImageName("shell/git/curl/tmux");
    const packages = request.names.map((name) => ({
      record: record(blobs, name, randomTree(next, 6), { shared: ["libc"] }),
    }));
    const input = { scope: SCOPE, request, packages };
    const image = await compose(input, blobs.read);
    const order: Order = { input, blobs: Object.fromEntries(blobs.entries()) };
    const response = await fetch(url, { method: "POST", body: JSON.stringify(order) });
    assert.equal(response.status, 200, await response.clone().text());
    assert.deepEqual(await response.json(), {
      record: image.record,
      blobs: image.blobs.map(({ digest, mediaType, size }) => ({ digest, mediaType, size })),
    });
  }
});
