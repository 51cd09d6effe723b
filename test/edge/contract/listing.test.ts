import assert from "node:assert/strict";
import { test } from "node:test";
import {
  decodeDirectory,
  decodeTrailer,
  encodeListing,
  type ListingEntry,
  type ListingTree,
} from "../../../edge/contract/listing.ts";
import { ListingReader, TAIL_BYTES } from "../../../edge/contract/listing-reader.ts";
import { ImageBudget, MAX_IMAGE_BYTES } from "../../../edge/contract/image-budget.ts";
import { InvalidName } from "../../../edge/contract/names.ts";
import { InvalidRecord } from "../../../edge/contract/records.ts";
import { Blobs, random, randomTree, shuffled, tree } from "../compose/sample.ts";

const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);
const reader = (bytes: Uint8Array, blobs = new Blobs(), left = MAX_IMAGE_BYTES) =>
  new ListingReader("p", blobs.add(bytes), blobs.read, new ImageBudget(MAX_IMAGE_BYTES - left));

test("the example of the header", () => {
  const lines = [
    '["git.1"]',
    '[["man1",0,9]]',
    '["git","git-shell"]',
    '[["man",10,14]]',
    '[["bin",25,19],["share",45,15]]',
    "[1,61,31]",
    "",
  ];
  assert.equal(
    text(encodeListing(tree("share/man/man1/git.1", "bin/git-shell", "bin/git"))),
    lines.join("\n"),
  );
});

/** The whole tree back, directory by directory. */
async function readAll(bytes: Uint8Array): Promise<ListingTree> {
  const listing = reader(bytes);
  const walk = async (
    directory: Awaited<ReturnType<ListingReader["root"]>>,
  ): Promise<ListingTree> =>
    Promise.all(
      Array.from(directory, async ([name, ref]): Promise<ListingEntry> => {
        if (ref === null) return { name };
        const [below] = await listing.directories([ref]);
        assert.ok(below);
        return { name, entries: await walk(below) };
      }),
    );
  return walk(await listing.root());
}
const sorted = (entries: ListingTree): ListingTree =>
  [...entries]
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .map((entry) => (entry.entries ? { name: entry.name, entries: sorted(entry.entries) } : entry));

test("any tree comes back as it was, and is the same bytes in any order", async () => {
  for (let seed = 0; seed < 200; seed++) {
    const next = random(seed);
    const files = randomTree(next, 6);
    const shuffle = (entries: ListingTree): ListingTree =>
      shuffled(entries, next).map((entry) =>
        entry.entries ? { name: entry.name, entries: shuffle(entry.entries) } : entry,
      );
    const bytes = encodeListing(files);
    assert.deepEqual(await readAll(bytes), sorted(files));
    assert.deepEqual(encodeListing(shuffle(files)), bytes);
  }
});

test("an empty package, and one that is a single file, has an empty root", async () => {
  assert.deepEqual(await readAll(encodeListing([])), []);
});

test("a directory reached by several links is written once, whatever their number", async () => {
  let shared: ListingTree = tree("file");
  for (let depth = 0; depth < 60; depth++)
    shared = [
      { name: "a", entries: shared },
      { name: "b", entries: shared },
    ];
  const bytes = encodeListing([
    { name: "deep", entries: [{ name: "x", entries: shared }] },
    { name: "near", entries: shared },
  ]);
  assert.ok(bytes.length < 4_000);
});

test("names that no image can hold are refused when writing", () => {
  for (const name of ["", ".", "..", "a/b", "a\0b", "\ud800", "é".repeat(128), ".wh.x"])
    assert.throws(() => encodeListing([{ name }]), TypeError, JSON.stringify(name));
  assert.throws(() => encodeListing([{ name: "a" }, { name: "a", entries: [] }]), /occurs twice/);
  const loop: ListingEntry[] = [];
  loop.push({ name: "self", entries: [{ name: "deeper", entries: loop }] });
  assert.throws(() => encodeListing(loop), /contains itself/);
  encodeListing([{ name: "é".repeat(127) }, { name: "..." }, { name: "-" }, { name: "\u{1f600}" }]);
});

const ref = (line: string, offset = 1_000) => ({ offset, length: Buffer.byteLength(line) });
const lies: [what: string, line: string][] = [
  ["no JSON", "[1"],
  ["no array", '{"a":1}'],
  ["a number", "[1]"],
  ["two elements", '[["a",1]]'],
  ["text for a number", '[["a","0",1]]'],
  ["a negative offset", '[["a",-1,1]]'],
  ["a fraction", '[["a",0.5,1]]'],
  ["too large a number", '[["a",1e300,1]]'],
  ["a child behind its parent", '[["a",1000,5]]'],
  ["a child that reaches its parent", '[["a",900,100]]'],
  ["a name with a slash", '["a/b"]'],
  ["..", '[["..",0,1]]'],
  ["NUL", '["a\\u0000"]'],
  ["half a character", '["\\ud800"]'],
  ["a whiteout", '[".wh..wh..opq"]'],
  ["an empty name", '[""]'],
  ["out of order", '["b","a"]'],
  ["twice", '["a","a"]'],
];
for (const [what, line] of lies) {
  test(`a listing that lies: ${what}`, () => {
    assert.throws(() => decodeDirectory(Buffer.from(line), ref(line)), TypeError);
  });
}

test("bytes that are no UTF-8 and a wrong length are refused", () => {
  assert.throws(
    () => decodeDirectory(Uint8Array.of(0x5b, 0x22, 0xff, 0x22, 0x5d), { offset: 0, length: 5 }),
    /not JSON/,
  );
  assert.throws(
    () => decodeDirectory(Buffer.from("[]"), { offset: 0, length: 3 }),
    /not where it should be/,
  );
});

test("trailers that lie are refused", () => {
  for (const tail of [
    "",
    "\n",
    "[]\n",
    "[2,0,2]\n",
    "[]\n[1,0]\n",
    "[]\n[1,0,3]\n",
    "[]\n[1,3,2]\n",
    "[]\n[1,-1,2]\n",
    "no trailer",
  ]) {
    assert.throws(() => decodeTrailer(Buffer.from(tail), tail.length), TypeError, tail);
  }
  assert.deepEqual(decodeTrailer(Buffer.from("[]\n[1,0,2]\n"), 11), { offset: 0, length: 2 });
});

const isError = (error: unknown): boolean =>
  error instanceof InvalidRecord && /package "p"/.test(error.message);

test("a broken listing is an error that names the package, never a crash", async () => {
  const good = encodeListing(tree("bin/git", "share/man/man1/git.1", "share/doc/git/README"));
  for (let seed = 0; seed < 500; seed++) {
    const next = random(seed);
    const bytes = good.slice(0, next() < 0.3 ? Math.floor(next() * good.length) : good.length);
    if (bytes.length > 0) bytes[Math.floor(next() * bytes.length)] = Math.floor(next() * 256);
    await readAll(bytes).catch((error: unknown) => assert.ok(isError(error), String(error)));
  }
  const blobs = new Blobs();
  const listing = blobs.add(good);
  await assert.rejects(
    new ListingReader(
      "p",
      listing,
      () => Promise.resolve(new Uint8Array()),
      new ImageBudget(),
    ).root(),
    isError,
  );
});

test("a small listing is one read, whatever is asked of it", async () => {
  const blobs = new Blobs();
  const listing = reader(encodeListing(tree("a/b/c/d", "e/f")), blobs);
  const root = await listing.root();
  const [a] = await listing.directories(
    [...root.values()].flatMap((child) => (child ? [child] : [])),
  );
  await listing.directories([a?.get("b") as { offset: number; length: number }]);
  assert.equal(blobs.reads, 1);
});

const wide = (name: string, count: number): ListingEntry => ({
  name,
  entries: Array.from({ length: count }, (_, n) => ({ name: `file-${n}` })),
});

test("a large listing is read in the parts asked for, never beyond the budget", async () => {
  const files = Array.from({ length: 20 }, (_, n) => ({
    name: `d${n}`,
    entries: [wide("big", 10_000 + n), wide("small", 3)],
  }));
  const bytes = encodeListing(files);
  const blobs = new Blobs();
  const listing = reader(bytes, blobs);
  const root = await listing.root();
  assert.deepEqual([blobs.reads, blobs.bytes], [1, TAIL_BYTES]);
  const directories = await listing.directories(
    [...root.values()].flatMap((child) => (child ? [child] : [])),
  );
  const [first, second] = [directories[0], directories[1]].map((directory) =>
    directory?.get("big"),
  );
  assert.ok(first && second);
  const bigs = await listing.directories([first, second]);
  assert.deepEqual(
    bigs.map((directory) => directory.size),
    [10_000, 10_001],
  );
  assert.ok(
    blobs.reads <= 3 && blobs.bytes < 6 * TAIL_BYTES + 2 * 150_000,
    `${blobs.reads} reads, ${blobs.bytes} bytes`,
  );

  await assert.rejects(reader(bytes, new Blobs(), TAIL_BYTES - 1).root(), InvalidName);
  const poor = reader(bytes, new Blobs(), TAIL_BYTES + 10_000);
  await poor.root();
  await assert.rejects(
    poor.directories([first]),
    (error) => error instanceof InvalidName && /too many files/.test(error.message),
  );
});

test("directories that are close together are one read, and others one each", async () => {
  const blobs = new Blobs();
  const listing = reader(
    encodeListing(Array.from({ length: 10 }, (_, n) => wide(`d${n}`, 5_000 + n))),
    blobs,
  );
  const refs = [...(await listing.root()).values()].flatMap((child) => (child ? [child] : []));
  const byOffset = refs.sort((a, b) => a.offset - b.offset);
  const readsOf = async (...numbers: number[]): Promise<number> => {
    const before = blobs.reads;
    const found = await listing.directories(numbers.map((number) => byOffset[number]!));
    assert.ok(found.every(({ size }) => size >= 5_000));
    return blobs.reads - before;
  };
  assert.equal(await readsOf(1, 0), 1);
  assert.equal(await readsOf(0, 4), 2);
  assert.equal(await readsOf(4, 0, 3, 1, 2), 1);
});
