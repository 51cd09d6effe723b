/** The operator's commands where the edge does not answer, or something else does. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import { CommandFailed } from "../../../origin/commands/exit-codes.ts";
import { OperatorClient } from "../../../origin/operator/client.ts";

const clientOf = (edge: string): OperatorClient =>
  new OperatorClient({ edge: new URL(edge), user: "root", password: "secret" });

for (const [what, edge, kind, says] of [
  ["nobody listens there", "http://127.0.0.1:22222", "later", /cannot be reached: .*ECONNREFUSED/],
  ["it speaks no TLS", "https://127.0.0.1:PORT", "later", /no(t speak)? TLS: is it plain HTTP\?/],
  ["it is no registry", "http://127.0.0.1:PORT", "failed", /is not a Firn registry/],
] as const)
  test(`${what}: that is said, with the host, and at once`, async (t) => {
    const server = createServer((_, response) => response.end("<html>")).listen(0, "127.0.0.1");
    await once(server, "listening");
    t.after(() => (server.close(), server.closeAllConnections()));
    const { port } = server.address() as AddressInfo;
    const url = edge.replace("PORT", String(port));
    const begun = performance.now();
    await assert.rejects(clientOf(url).farm(), (error) => {
      assert.ok(error instanceof CommandFailed, String(error));
      assert.equal(error.kind, kind);
      assert.match(error.message, says);
      assert.ok(error.message.startsWith(new URL(url).host), error.message);
      return true;
    });
    // Further attempts take half a minute.
    assert.ok(performance.now() - begun < 10_000, "it was tried again");
  });
