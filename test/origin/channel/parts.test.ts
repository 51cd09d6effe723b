/** The small parts of the origin's channel: waiting times, slots, log batches, keys. */
import assert from "node:assert/strict";
import { createPrivateKey, generateKeyPairSync } from "node:crypto";
import { describe, test } from "node:test";
import { AnnouncedTags } from "../../../origin/channel/announced-tags.ts";
import { backoff, refusedBackoff } from "../../../origin/channel/backoff.ts";
import { configuredOrigins } from "../../../edge/farm/origins/configured-origins.ts";
import { publicJwk } from "../../../edge/farm/origins/token.ts";
import { generateOriginKey, publicKeyOf, readOriginKey } from "../../../origin/channel/key.ts";
import { JobLog } from "../../../origin/channel/job-log.ts";
import { Slots } from "../../../origin/channel/slots.ts";

describe("backoff", () => {
  const table: readonly [failures: number, random: number, ms: number][] = [
    [1, 1, 1_000],
    [2, 1, 2_000],
    [5, 1, 16_000],
    [6, 1, 30_000],
    [1_000, 1, 30_000],
    [6, 0, 0],
    [3, 0.5, 2_000],
  ];
  for (const [failures, random, ms] of table) {
    test(`${failures} failures, random ${random}: ${ms} ms`, () =>
      assert.equal(backoff(failures, random), ms));
  }

  test("after a refusal: half a minute to a minute", () =>
    assert.deepEqual([refusedBackoff(0), refusedBackoff(1)], [30_000, 60_000]));
});

test("slots are shared, and given back once", () => {
  const slots = new Slots(2);
  const [first, second] = [slots.take(), slots.take()];
  assert.equal(slots.take(), undefined);
  first?.();
  first?.();
  assert.notEqual(slots.take(), undefined);
  assert.equal(slots.take(), undefined);
  second?.();
});

test("a tag is told once on a connection, all of them in a hello, a hundred at most", () => {
  const tags = new AnnouncedTags();
  tags.set("latest", "one");
  tags.set("stable", "two");
  tags.set("latest", "three");
  const both = [
    { tag: "stable", revision: "two" },
    { tag: "latest", revision: "three" },
  ];
  assert.deepEqual(tags.unsent(), both);
  assert.deepEqual(tags.unsent(), []);
  assert.deepEqual(tags.all(), both);
  for (let at = 0; at < 100; at++) tags.set(`v${at}`, "four");
  assert.equal(tags.unsent().length, 100);
  assert.deepEqual(tags.all()[0], { tag: "v0", revision: "four" });
});

const logged = () => {
  const batches: { first: number; lines: string[] }[] = [];
  return { batches, log: new JobLog((first, lines) => void batches.push({ first, lines })) };
};

describe("a job's log", () => {
  test("nothing is sent that nobody follows", () => {
    const { batches, log } = logged();
    log.add("one");
    log.end();
    assert.deepEqual(batches, []);
  });

  test("who follows gets what is kept, numbered and cut to length, a hundred lines a message", () => {
    const { batches, log } = logged();
    for (let at = 0; at < 1_500; at++) log.add(`${at} ${"x".repeat(3_000)}`);
    log.follow(true);
    log.end();
    assert.deepEqual(
      batches.map(({ first, lines }) => [first, lines.length]),
      Array.from({ length: 10 }, (_, at) => [500 + at * 100, 100]),
    );
    assert.equal(batches[0]?.lines[0]?.length, 2_000);
  });

  test("lines come by themselves while it is followed, and no longer", async () => {
    const { promise, resolve } = Promise.withResolvers<[number, string[]]>();
    const log = new JobLog((first, lines) => resolve([first, lines]));
    log.add("one");
    log.follow(true);
    log.add("two");
    assert.deepEqual(await promise, [0, ["one", "two"]]);

    const other = logged();
    other.log.follow(true);
    other.log.add("one");
    other.log.follow(false);
    other.log.end();
    assert.deepEqual(other.batches, []);
  });

  test("whoever follows anew gets it from the beginning", () => {
    const { batches, log } = logged();
    log.add("one");
    log.follow(true);
    log.follow(true);
    log.end();
    assert.deepEqual(batches, [{ first: 0, lines: ["one"] }]);
  });
});

describe("keys", () => {
  test("a generated key is a JWK whose public half is what the edge is told", () => {
    const { privateKey, publicKey } = generateOriginKey();
    assert.equal(publicKeyOf(readOriginKey(privateKey)), publicKey);
    assert.equal(
      configuredOrigins({ ORIGINS: JSON.stringify({ mine: { key: publicKey } }) }).get("mine")?.key,
      publicKey,
    );
  });

  test("PEM is read too", () => {
    const { privateKey, publicKey } = generateOriginKey();
    const pem = createPrivateKey({ key: JSON.parse(privateKey), format: "jwk" })
      .export({ format: "pem", type: "pkcs8" })
      .toString();
    assert.equal(publicKeyOf(readOriginKey(pem)), publicKey);
  });

  test("anything else is refused without being shown", () => {
    const { publicKey } = generateOriginKey();
    const rsa = generateKeyPairSync("rsa", { modulusLength: 2_048 })
      .privateKey.export({ format: "pem", type: "pkcs8" })
      .toString();
    for (const text of ["", "secret", "{", JSON.stringify(publicJwk(publicKey)), rsa])
      assert.throws(
        () => readOriginKey(text),
        /^Error: the origin's key must be an Ed25519 private key/,
      );
  });
});
