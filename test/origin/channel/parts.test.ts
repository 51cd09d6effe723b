/** The small parts of the origin's channel: waiting times, slots, log batches, keys. */
import assert from "node:assert/strict";
import { createPrivateKey, generateKeyPairSync } from "node:crypto";
import { describe, test } from "node:test";
import { backoff, refusedBackoff } from "../../../origin/channel/backoff.ts";
import { configuredOrigins } from "../../../edge/farm/configured-origins.ts";
import { publicJwk } from "../../../edge/farm/token.ts";
import { generateOriginKey, publicKeyOf, readOriginKey } from "../../../origin/channel/key.ts";
import { LogLines } from "../../../origin/channel/log-lines.ts";
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

describe("log lines", () => {
  test("are sent in one batch, cut to length, with a note about what was left out", () => {
    const batches: string[][] = [];
    const lines = new LogLines((batch) => batches.push(batch));
    for (let at = 0; at < 1_000; at++) lines.add(`${at} ${"x".repeat(3_000)}`);
    lines.flush();
    assert.equal(batches.length, 1);
    assert.equal(batches[0]?.length, 100);
    assert.equal(batches[0]?.[0]?.length, 2_000);
    assert.equal(batches[0]?.[99], "… 901 lines left out");
  });

  test("nothing to say, nothing sent; a batch comes by itself", async () => {
    const { promise, resolve } = Promise.withResolvers<string[]>();
    const lines = new LogLines(resolve);
    lines.flush();
    lines.add("one");
    lines.add("two");
    assert.deepEqual(await promise, ["one", "two"]);
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
