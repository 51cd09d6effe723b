import assert from "node:assert/strict";
import { createPublicKey, verify } from "node:crypto";
import { test } from "node:test";
import { nixBase32, narinfo } from "../../../../origin/nix/cache/narinfo.ts";
import { isPublicKey, readSigningKey, signText } from "../../../../origin/nix/cache/signing-key.ts";

/** The seed 1, 2, … 32 and, as in Nix's files, the public key behind it. */
const SEED = Buffer.from(Array.from({ length: 32 }, (_, index) => index + 1));
const SECRET = `rack-1:${Buffer.concat([SEED, Buffer.alloc(32)]).toString("base64")}\n`;

const path = (letter: string): string => `/nix/store/${letter.repeat(32)}-${letter}`;

test("hashes are in Nix's base 32", () => {
  // nix-hash --type sha256 --to-base32
  const empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
  assert.equal(
    nixBase32(Buffer.from(empty, "hex")),
    "0mdqa9w1p6cmli6976v4wi0sw9r4p5prkj7lzfd1877wk11c9c73",
  );
});

test("a narinfo names the file, and is signed over path, hash, size and references", () => {
  const key = readSigningKey(SECRET);
  const text = narinfo(
    {
      storePath: path("a"),
      narHash: "0".repeat(64),
      narSize: 456,
      references: [path("b"), path("a")],
      fileHash: "1".repeat(64),
      fileSize: 123,
    },
    key,
  );
  const field = (name: string): string => new RegExp(`^${name}: (.*)$`, "m").exec(text)?.[1] ?? "";
  assert.equal(field("URL"), `nar/${"1".repeat(64)}.nar.zst`);
  assert.equal(field("References"), `${"a".repeat(32)}-a ${"b".repeat(32)}-b`);
  const signed = `1;${path("a")};sha256:${"0".repeat(52)};456;${path("a")},${path("b")}`;
  const [name, signature = ""] = field("Sig").split(":");
  assert.equal(name, "rack-1");
  const open = createPublicKey(key.key);
  assert.ok(verify(null, Buffer.from(signed), open, Buffer.from(signature, "base64")));
});

test("a file that is no key of Nix is refused, and not shown", () => {
  for (const text of ["", "rack-1", "rack-1:AAAA", "a b:AAAA", SECRET.replace(":", " ")])
    assert.throws(
      () => readSigningKey(text),
      (error: Error) =>
        /not a secret key of Nix/.test(error.message) && !/AAAA|AQID/.test(error.message),
    );
  assert.match(signText(readSigningKey(SECRET), "x"), /^rack-1:[A-Za-z0-9+/]{86}==$/);
});

test("public keys are told from other words", () => {
  assert.ok(isPublicKey(`rack-1:${SEED.toString("base64")}`));
  for (const word of ["rack-1", "rack-1:", "rack-1:AAAA", SECRET.trim(), SEED.toString("base64")])
    assert.equal(isPublicKey(word), false, word);
});
