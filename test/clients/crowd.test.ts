/**
 * A hundred pulls at once, by every client: mixed names, none of which was asked for before, most
 * of them wanted by several clients. All of them succeed, and every client holds the same bytes.
 */
import assert from "node:assert/strict";
import { after, afterEach, before, describe, test } from "node:test";
import { inspect } from "node:util";
import pLimit from "p-limit";
import type { TestEdge } from "../edge/registry/support.ts";
import { unavailable } from "../harness/available.ts";
import { type Client, PULLERS } from "../harness/clients/index.ts";
import { expectedImage, PACKAGES, startRegistry } from "./images.ts";

const PULLS = 100;
/** How many of the pulled images are read back and hashed, the last ones, and how many at once. */
const READ_BACK = 30;
const READERS = 2;

/** Every two packages in both orders, some with a shell: 30 names, 19 images. */
const NAMES = PACKAGES.flatMap((first, row) =>
  PACKAGES.filter((second) => second !== first).map((second, column) =>
    [...((row + column) % 3 === 0 ? ["shell"] : []), first, second].join("/"),
  ),
);
const skip = await unavailable(
  PULLERS.flatMap(({ needs }) => needs),
  { root: true },
);

describe("many at once", { skip }, () => {
  let firn: TestEdge;
  let clients: Client[] = [];
  before(async () => {
    firn = await startRegistry();
    clients = await Promise.all(PULLERS.map((kind) => kind.open()));
  });
  after(async () => {
    await Promise.all(clients.map((client) => client.close()));
    await firn?.stop();
  });

  afterEach((context) => {
    if ("passed" in context && !context.passed) process.stderr.write(`${inspect(firn.log)}\n`);
  });

  test(`${PULLS} pulls`, async () => {
    const { host } = new URL(firn.url);
    // No client pulls a name twice, and two clients have most of their names in common.
    const pulls = Array.from({ length: PULLS }, (_, index) => {
      const which = index % PULLERS.length;
      const turn = Math.floor(index / PULLERS.length);
      const client = clients[which];
      const name = NAMES[(turn + 5 * which) % NAMES.length];
      assert.ok(client !== undefined && name !== undefined);
      return { client, name };
    });
    await Promise.all(pulls.map(({ client, name }) => client.pull(`${host}/${name}`)));

    const limit = pLimit(READERS);
    await Promise.all(
      pulls.slice(-READ_BACK).map(({ client, name }) =>
        limit(async () => {
          const [held, { diffIds }] = await Promise.all([
            client.diffIds(`${host}/${name}`),
            expectedImage(firn, name),
          ]);
          assert.deepEqual(held, diffIds, `${client.name}: ${name}`);
        }),
      ),
    );
  });
});
