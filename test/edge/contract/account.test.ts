/** Hashes of passwords. */
import assert from "node:assert/strict";
import { pbkdf2Sync } from "node:crypto";
import { describe, test } from "node:test";
import {
  hashPassword,
  PASSWORD_HASH_PATTERN,
  verifyPassword,
} from "../../../edge/contract/account.ts";

const PASSWORD = "correct horse battery";

describe("passwords", () => {
  test("a hash verifies its password and no other", async () => {
    const hash = await hashPassword(PASSWORD);
    assert.match(hash, PASSWORD_HASH_PATTERN);
    assert.equal(await verifyPassword(PASSWORD, hash), true);
    assert.equal(await verifyPassword(`${PASSWORD} `, hash), false);
    assert.equal(await verifyPassword("", hash), false);
  });

  test("it is PBKDF2 as OpenSSL computes it, with a salt of its own each time", async () => {
    const hashes = [await hashPassword(PASSWORD), await hashPassword(PASSWORD)];
    for (const hash of hashes) {
      const [, iterations, salt = "", expected] = hash.split("$");
      const bytes = Buffer.from(salt, "base64url");
      assert.equal(bytes.length, 16);
      const key = pbkdf2Sync(PASSWORD, bytes, Number(iterations), 32, "sha256");
      assert.equal(expected, key.toString("base64url"));
      assert.ok(Number(iterations) >= 100_000, "fewer iterations than a slow hash should have");
    }
    assert.notEqual(hashes[0], hashes[1]);
  });

  test("nothing verifies against an account that does not exist, or a malformed hash", async () => {
    assert.equal(await verifyPassword(PASSWORD, undefined), false);
    assert.equal(await verifyPassword(PASSWORD, "pbkdf2-sha256$1$AA$AA"), false);
    assert.equal(await verifyPassword(PASSWORD, PASSWORD), false);
  });

  test("a password that is too short or too long is refused with the limit", async () => {
    await assert.rejects(hashPassword("short"), /5 characters; it must have 12 to 256/);
    await assert.rejects(hashPassword("x".repeat(257)), /257 characters/);
    assert.equal(await verifyPassword("x".repeat(1e6), await hashPassword(PASSWORD)), false);
  });
});
