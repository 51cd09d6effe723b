/**
 * What origins say, changed in one or two places at random: messages, results, statements and
 * signatures, listings; and what the edge says to origins. Nothing throws but the error that its
 * reader names, and nothing that was signed stays valid when it is changed.
 *
 * FUZZ_CASES and FUZZ_SEED as in fuzz.test.ts.
 */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import * as fc from "fast-check";
import * as v from "valibot";
import {
  type FromEdge,
  FromEdgeSchema,
  type FromOrigin,
  MAX_MESSAGE,
} from "../../edge/contract/messages.ts";
import { type Item, type Result } from "../../edge/contract/items.ts";
import { encodeListing } from "../../edge/contract/listing.ts";
import { ImageBudget } from "../../edge/contract/image-budget.ts";
import { ListingReader } from "../../edge/contract/listing-reader.ts";
import { InvalidName } from "../../edge/contract/names.ts";
import { InvalidRecord } from "../../edge/contract/records.ts";
import { isSignedBy } from "../../edge/contract/signatures.ts";
import { checkResults, InvalidResult } from "../../edge/farm/publication/check-results.ts";
import { readMessage } from "../../edge/farm/read-message.ts";
import { keys, signOf } from "../edge/farm/keys.ts";
import {
  indexItem,
  indexResult,
  indexStatement,
  levelResult,
  packageItems,
  packageResult,
  REVISION,
  statedPackage,
  tagItems,
} from "../edge/farm/records.ts";

const CASES = Number(process.env["FUZZ_CASES"] ?? 10_000);
const SEED = Number(process.env["FUZZ_SEED"] ?? Date.now() % 2 ** 31);
/** Readers below, which share half as many cases as fuzz.test.ts has. */
const READERS = 5;
const options = { seed: SEED, numRuns: Math.ceil(CASES / 2 / READERS) };

const nowhere = { put: () => Promise.resolve() };
const sign = signOf("a");
const git = await statedPackage(nowhere, "git");
const results: readonly (readonly [readonly Item[], readonly Result[]])[] = [
  [tagItems(), [{ kind: "revision", revision: REVISION }]],
  [packageItems(["git"]), [packageResult(git, sign)]],
  [packageItems(["curl~1"]), [await levelResult(nowhere, 1, sign)]],
  [[indexItem(["a"])], [indexResult(await indexStatement(nowhere, indexItem(["a"])), sign)]],
];
const job = "00000000-0000-4000-8000-000000000000";
const digest = `sha256:${"a".repeat(64)}` as const;
const blob = { digest, size: 3, contentType: "text/plain; charset=utf-8" } as const;
const failure = { reason: "failed", message: "no", log: ["a", "b"], logBlob: { digest, size: 3 } };
const messages: readonly object[] = [
  { type: "accepted", job },
  { type: "refused", job, message: "no" },
  { type: "status", accepting: false, reason: "the disk is full", freeBytes: 1 },
  { type: "log", job, first: 0, lines: ["a", "b"] },
  ...results.map(([, made]) => ({ type: "done", job, results: made })),
  { type: "failed", job, failure },
  { type: "revision", tag: "latest", revision: REVISION },
  { type: "bye" },
  { type: "upload", id: "1", job, blobs: [blob] },
  { type: "layers", id: "2", job, keys: ["a".repeat(64)], zstd: true },
  { type: "read", id: "3", job, digest },
];

/** What stands in the place of something in a message. */
const nasty = fc.oneof(
  fc.constantFrom<unknown>(
    null,
    "",
    -1,
    1.5,
    2 ** 53,
    1e308,
    [],
    {},
    true,
    "\ud800",
    "../../x",
    "__proto__",
    "\u0000",
    "x".repeat(3_000),
    Array.from({ length: 3_000 }, () => "x"),
    { __proto__: null },
    "\n",
    [[[]]],
  ),
  fc.jsonValue({ maxDepth: 3 }),
);
interface Change {
  /** Chooses the place: a number for each step down. */
  readonly way: readonly number[];
  readonly value: unknown;
  readonly how: "replace" | "remove" | "add" | "repeat";
}
const changes = fc.array(
  fc.record<Change>({
    way: fc.array(fc.nat(50), { maxLength: 6 }),
    value: nasty,
    how: fc.constantFrom("replace", "replace", "remove", "add", "repeat"),
  }),
  { minLength: 1, maxLength: 2 },
);

/** A copy with one place changed. */
function changed(value: unknown, { way, value: other, how }: Change): unknown {
  if (typeof value !== "object" || value === null) return other;
  const [step, ...rest] = way;
  const entries = Object.entries(value);
  const at = step === undefined ? -1 : step % (entries.length + 1);
  const chosen = entries[at];
  if (chosen === undefined) {
    if (how === "add") entries.push([["extra", "constructor", "0"][way.length % 3] ?? "", other]);
    else if (step === undefined) return other;
  } else if (rest.length > 0 && typeof chosen[1] === "object") {
    entries[at] = [chosen[0], changed(chosen[1], { way: rest, value: other, how })];
  } else if (how === "remove") entries.splice(at, 1);
  else if (how === "repeat" && Array.isArray(value)) entries.push(["", chosen[1]]);
  else entries[at] = [chosen[0], other];
  return Array.isArray(value) ? entries.map(([, entry]) => entry) : Object.fromEntries(entries);
}
const changedAll = (value: unknown, all: readonly Change[]): unknown =>
  all.reduce<unknown>(changed, value);

describe("what origins say", () => {
  test("the samples are what they are taken for", () => {
    for (const message of messages)
      assert.equal(readMessage(JSON.stringify(message)).kind, "message", JSON.stringify(message));
    for (const [items, made] of results) assert.doesNotThrow(() => checkResults(items, made));
  });

  test("messages: one within the schema, a bad result of a job, or nonsense with a reason", () => {
    fc.assert(
      fc.property(fc.constantFrom(...messages), changes, (message, all) => {
        const data = JSON.stringify(changedAll(message, all)) ?? "undefined";
        const read = readMessage(data);
        if (read.kind !== "message")
          return void assert.ok(read.problem.length > 0 && read.problem.length <= 500);
        assert.ok(data.length <= MAX_MESSAGE);
        const { type } = read.message satisfies FromOrigin;
        assert.equal(typeof type, "string");
        assert.equal(Object.getPrototypeOf(read.message), Object.prototype);
      }),
      options,
    );
  });

  test("results: taken for their items, or InvalidResult", () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...results),
        fc.constantFrom(...results),
        changes,
        ([items], [, made], all) => {
          const data = JSON.stringify({ type: "done", job, results: changedAll(made, all) });
          const read = readMessage(data);
          if (read.kind !== "message" || read.message.type !== "done") return;
          try {
            checkResults(items, read.message.results);
          } catch (error) {
            if (!(error instanceof InvalidResult)) throw error;
          }
        },
      ),
      options,
    );
  });

  test("signatures: a statement that was changed is signed by nobody", async () => {
    const { statement } = git;
    const signature = sign("package", statement);
    const x = keys["a"]?.publicKey ?? "";
    assert.equal(await isSignedBy(x, "package", { statement, signature }), true);
    const original = JSON.stringify(statement);
    await fc.assert(
      fc.asyncProperty(changes, fc.oneof(fc.constant(signature), fc.string()), async (all, by) => {
        const other = changedAll(statement, all) as typeof statement;
        const same = JSON.stringify(other) === original && by === signature;
        const canonical = typeof other === "object" && other !== null;
        if (!canonical || same) return;
        // An order of keys is no change: what is signed is canonical.
        assert.equal(await isSignedBy(x, "package", { statement: other, signature: by }), false);
        assert.equal(await isSignedBy(x, "layer", { statement: git.layers[0]!, signature }), false);
      }),
      { ...options, numRuns: Math.ceil(options.numRuns / 4) },
    );
  });

  test("listings: directories, or InvalidRecord or InvalidName, whatever the bytes are", async () => {
    const sound = encodeListing([
      { name: "bin", entries: [{ name: "git" }, { name: "curl" }] },
      { name: "share", entries: [{ name: "man", entries: [{ name: "x" }] }] },
    ]);
    const flips = fc.array(fc.tuple(fc.nat(sound.length - 1), fc.nat(255)), { maxLength: 8 });
    const spoilt = flips.map((all) => {
      const bytes = sound.slice();
      for (const [at, value] of all) bytes[at] = value;
      return bytes;
    });
    await fc.assert(
      fc.asyncProperty(fc.oneof(spoilt, fc.uint8Array({ maxLength: 500 })), async (bytes) => {
        const read = (_: unknown, range: { offset: number; length: number }) =>
          Promise.resolve(bytes.slice(range.offset, range.offset + range.length));
        const listing = { digest, size: bytes.length };
        const reader = new ListingReader("git", listing, read, new ImageBudget());
        try {
          const refs = [...(await reader.root()).values()].filter((ref) => ref !== null);
          await reader.directories(refs);
        } catch (error) {
          if (!(error instanceof InvalidRecord || error instanceof InvalidName)) throw error;
        }
      }),
      options,
    );
  });
});

describe("what the edge says", () => {
  const said: readonly FromEdge[] = [
    { type: "job", job, items: packageItems(["git", "curl~1"]) } as FromEdge,
    { type: "settled", job },
    { type: "cancel", job },
    { type: "uploads", id: "1", grants: [{ kind: "present" }] },
    { type: "url", id: "2", url: "https://bucket.example/x" },
  ];
  test("messages: within the schema, or none, so that a lying edge breaks no origin", () => {
    fc.assert(
      fc.property(fc.constantFrom(...said), changes, (message, all) => {
        const text = JSON.stringify(changedAll(message, all)) ?? "null";
        const { success, output } = v.safeParse(FromEdgeSchema, JSON.parse(text));
        if (!success) return;
        if ((output as FromEdge).type === "job")
          for (const item of (output as Extract<FromEdge, { type: "job" }>).items)
            if (item.kind === "package") assert.match(item.name, /^[a-z0-9][a-z0-9._-]*$/);
      }),
      options,
    );
  });
});
