/** Which logins are remembered, so that no password is hashed again. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { loginKey, rememberRight, wasRight } from "../../../edge/access/logins.ts";

const HASH = "pbkdf2-sha256$600000$c2FsdA$aGFzaA";
const credentials = { user: "ci", password: "correct horse battery" };

describe("a login that was right", () => {
  test("is known by user, password and the account's hash, and by nothing less", async () => {
    rememberRight(await loginKey(credentials, HASH));
    assert.equal(wasRight(await loginKey({ ...credentials }, HASH)), true);
    const others = [
      loginKey({ ...credentials, password: "wrong" }, HASH),
      loginKey({ ...credentials, user: "root" }, HASH),
      // The operator gave the account another password.
      loginKey(credentials, `${HASH}2`),
      // The account is gone.
      loginKey(credentials, undefined),
      // What belongs to the one does not slip into the other.
      loginKey({ user: "cicorrect", password: " horse battery" }, HASH),
    ];
    assert.deepEqual(
      (await Promise.all(others)).map(wasRight),
      others.map(() => false),
    );
  });

  test("is kept as something that shows no password", async () => {
    const key = await loginKey(credentials, HASH);
    assert.doesNotMatch(key, /correct|horse|ci|pbkdf2/);
  });
});
