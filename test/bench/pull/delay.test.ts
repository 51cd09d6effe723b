import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server } from "node:net";
import { buffer } from "node:stream/consumers";
import { after, before, test } from "node:test";
import { type Delay, startDelay } from "./delay.ts";

const RTT = 60;
const LIMIT = { timeout: 20_000 };
let server: Server;
let delay: Delay;

before(async () => {
  server = createServer({ allowHalfOpen: true }, (socket) => socket.pipe(socket));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  delay = await startDelay((server.address() as AddressInfo).port, RTT);
});
after(async () => {
  await delay.stop();
  server.close();
});

const open = () => connect({ host: "127.0.0.1", port: delay.port, allowHalfOpen: true });

test("every byte comes through in order, both ways, and so does the end", LIMIT, async () => {
  // More than is held at once.
  const sent = randomBytes(40 * 2 ** 20);
  const socket = open();
  socket.end(sent);
  assert.ok(sent.equals(await buffer(socket)));
});

test("an answer comes no sooner than two round trips, the next than one", LIMIT, async () => {
  const socket = open();
  for (const trips of [2, 1]) {
    const start = performance.now();
    socket.write("a");
    await once(socket, "data");
    // Node's timers may be early by a fraction of a millisecond.
    assert.ok(performance.now() - start >= trips * RTT - 5, `${trips} round trips`);
  }
  socket.destroy();
});
