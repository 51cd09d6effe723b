/** What the farm signs for the binary cache that origins share. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import {
  MAX_NAR_BYTES,
  MAX_NARINFO_BYTES,
  narKey,
} from "../../../../edge/contract/binary-cache.ts";
import { digestOf } from "../../../../edge/contract/digest.ts";
import { CLOSE } from "../../../../edge/contract/messages.ts";
import { type CacheFile, type Grant } from "../../../../edge/contract/bucket-requests.ts";
import { sendSigned } from "../../../harness/send-signed.ts";
import { type FarmEdge, startFarm } from "../farm-edge.ts";
import { originKeys } from "../origins.ts";
import { hello, type RawOrigin, rawOrigin } from "../raw-origin.ts";

const vars = { ORIGINS: originKeys("a", "b"), BINARY_CACHE: "on" };
let edge: FarmEdge;
before(async () => {
  edge = await startFarm({ signs: true, times: { reconnect: 500 }, vars });
});
after(() => edge.stop());

async function connected(name = "a"): Promise<RawOrigin> {
  const origin = await rawOrigin(edge, name);
  origin.say({ ...hello, ownBucket: false });
  await origin.heard("welcome");
  return origin;
}
const bye = (origin: RawOrigin): void => {
  origin.say({ type: "bye" });
  origin.cut();
};
async function nar(text: string): Promise<CacheFile> {
  const digest = await digestOf(text);
  return { key: narKey(digest), digest, size: text.length };
}
async function narinfo(text: string, digit = "a"): Promise<CacheFile> {
  const key = `cache/${digit.repeat(32)}.narinfo`;
  return { key, digest: await digestOf(text), size: text.length };
}
async function grant(origin: RawOrigin, file: CacheFile): Promise<Grant | undefined> {
  origin.say({ type: "cache-store", id: "c", file });
  return (await origin.heard("uploads")).grants[0];
}
async function refusal(origin: RawOrigin, file: CacheFile): Promise<string> {
  origin.say({ type: "cache-store", id: "c", file });
  const { message, passing } = await origin.heard("error");
  assert.equal(passing, false);
  return message;
}
async function put(given: Grant | undefined, body: string): Promise<string> {
  assert.equal(given?.kind, "put");
  return sendSigned(given, body);
}

test("without a job: a file is stored once, and read as it was signed", async () => {
  const origin = await connected();
  const file = await nar("packed");
  const given = await grant(origin, file);
  assert.equal(await put(given, "forged"), "400 XAmzContentSHA256Mismatch");
  assert.equal(await put(given, "packed"), "200");
  assert.deepEqual(await grant(origin, file), { kind: "present" });
  origin.say({ type: "cache-read", id: "r", key: file.key });
  const { url } = await origin.heard("url");
  assert.equal(await (await fetch(url)).text(), "packed");
  bye(origin);
});

test("the first narinfo of a store path stands", async () => {
  const origin = await connected();
  const [first, second] = await Promise.all([narinfo("first"), narinfo("second")]);
  const late = await grant(origin, second);
  assert.equal(await put(await grant(origin, first), "first"), "200");
  assert.equal(await put(late, "second"), "412 PreconditionFailed");
  assert.deepEqual(await grant(origin, second), { kind: "present" });
  bye(origin);
});

test("nothing else is signed: a NAR under another's name, what is too large, too much in a day", async () => {
  const origin = await connected("b");
  const file = await nar("mine");
  const { key } = await nar("other");
  assert.match(await refusal(origin, { ...file, key }), /is not the name of a file/);
  assert.match(await refusal(origin, { ...file, size: MAX_NAR_BYTES + 1 }), /the most is/);
  const info = await narinfo("", "b");
  assert.match(await refusal(origin, { ...info, size: MAX_NARINFO_BYTES + 1 }), /the most is/);
  for (let day = 0; day < 10; day += 1) {
    const large = await nar(`large ${day}`);
    assert.equal((await grant(origin, { ...large, size: MAX_NAR_BYTES }))?.kind, "put");
  }
  assert.match(await refusal(origin, file), /in a day; the count starts again at 00:00 UTC/);
  bye(origin);
});

test("a key outside the cache is no message of the protocol", async () => {
  const origin = await connected();
  const file = await nar("x");
  origin.say({ type: "cache-store", id: "c", file: { ...file, key: "images/x.json" } });
  assert.equal(await origin.closed(), CLOSE.protocol);
});

test("an edge without BINARY_CACHE signs nothing for it", async () => {
  await edge.restart({ ...vars, BINARY_CACHE: "off" });
  const origin = await connected();
  assert.match(await refusal(origin, await nar("more")), /BINARY_CACHE/);
  origin.say({ type: "cache-read", id: "r", key: (await nar("packed")).key });
  assert.match((await origin.heard("error")).message, /BINARY_CACHE/);
  bye(origin);
});
