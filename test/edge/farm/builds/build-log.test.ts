import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { BuildLog } from "../../../../edge/farm/builds/build-log.ts";

const readAll = async (stream: ReadableStream<Uint8Array>): Promise<string> =>
  new Response(stream).text();

function open() {
  const followed: boolean[] = [];
  const log = new BuildLog((on) => void followed.push(on));
  return { log, followed };
}

describe("the log of a build", () => {
  test("a follower gets what is kept, then each line, then the end", async () => {
    const { log } = open();
    log.add({ source: "a", first: 0, lines: ["one", "two"] });
    const read = readAll(log.follow("text", -1));
    log.add({ source: "a", first: 2, lines: ["three"] });
    log.end({ state: "failed", message: "git does not build" });
    assert.equal(await read, "one\ntwo\nthree\nfailed: git does not build\n");
  });

  test("as server-sent events, from after the line that the browser had last", async () => {
    const { log } = open();
    log.add({ source: "a", first: 0, lines: ["one", "two", "three"] });
    log.end({ state: "done" });
    assert.equal(
      await readAll(log.follow("events", 1)),
      'id: 2\ndata: three\n\nevent: end\ndata: {"state":"done"}\n\n',
    );
  });

  test("lines that come twice are told once, gaps are told; each source counts alone", async () => {
    const { log } = open();
    log.add({ source: "a", first: 0, lines: ["one", "two"] });
    log.add({ source: "a", first: 1, lines: ["two", "three"] });
    log.add({ source: "a", first: 0, lines: ["one"] });
    log.add({ source: "b", first: 5, lines: ["six"] });
    log.end({ state: "done" });
    assert.equal(
      await readAll(log.follow("text", -1)),
      "one\ntwo\nthree\n… 5 lines left out\nsix\ndone\n",
    );
  });

  test("the last 2,000 lines are kept, and half a million characters", async () => {
    const { log } = open();
    log.add({ source: "a", first: 0, lines: Array.from({ length: 2_500 }, (_, at) => `${at}`) });
    log.end({ state: "done" });
    const lines = (await readAll(log.follow("text", -1))).split("\n");
    assert.deepEqual([lines[0], lines.length], ["500", 2_002]);

    const long = open().log;
    for (let first = 0; first < 1_000; first++)
      long.add({ source: "a", first, lines: ["x".repeat(2_000)] });
    long.end({ state: "done" });
    assert.ok((await readAll(long.follow("text", -1))).length < 600_000);
  });

  test("whether anybody follows is told when it changes; who goes away is forgotten", async () => {
    const { log, followed } = open();
    const first = log.follow("text", -1).getReader();
    const second = log.follow("text", -1).getReader();
    assert.deepEqual([followed, log.followers], [[true], 2]);
    await first.cancel();
    assert.deepEqual(followed, [true]);
    await second.cancel();
    assert.deepEqual([followed, log.followers], [[true, false], 0]);
    log.note("nobody hears it");
  });

  test("a follower that does not read is let go, and the others are not held up", async () => {
    const { log } = open();
    const idle = log.follow("text", -1).getReader();
    const read = readAll(log.follow("text", -1));
    for (let number = 0; number < 6_000; number++) {
      log.note(`${number}`);
      // Let the one that reads keep up.
      if (number % 100 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    log.end({ state: "done" });
    assert.match(await read, /\n5999\ndone\n$/);
    await assert.rejects(async () => {
      while (!(await idle.read()).done);
    }, /read too slowly/);
  });

  test("no line can end an event or command a terminal", async () => {
    const { log } = open();
    const line = "a\u001b[31mb\r\nevent: end\u0000\u009bc\td";
    log.add({ source: "a", first: 0, lines: [line] });
    log.end({ state: "done" });
    assert.equal(await readAll(log.follow("text", -1)), "a[31mbevent: endc\td\ndone\n");
  });
});
