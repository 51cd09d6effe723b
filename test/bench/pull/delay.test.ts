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
let target: number;
let delay: Delay;

before(async () => {
  server = createServer({ allowHalfOpen: true }, (socket) => socket.pipe(socket));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  target = (server.address() as AddressInfo).port;
  delay = await startDelay(target, { rtt: RTT });
});
after(async () => {
  await delay.stop();
  server.close();
});

const open = ({ port }: Delay = delay) => connect({ host: "127.0.0.1", port, allowHalfOpen: true });

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

test("connections share the bandwidth", LIMIT, async (t) => {
  const slow = await startDelay(target, { rtt: 0, mbit: 8 });
  t.after(() => slow.stop());
  const start = performance.now();
  await Promise.all(
    [1, 2].map(async () => {
      const socket = open(slow);
      socket.end(Buffer.alloc(100_000));
      assert.equal((await buffer(socket)).length, 100_000);
    }),
  );
  // 200 kB at 1 MB/s.
  assert.ok(performance.now() - start >= 195);
});
