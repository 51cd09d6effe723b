/** AGREE=2: nothing counts that the origins of one owner alone have made. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { gzipSync } from "node:zlib";
import type { Answer, Outcome } from "../../../../edge/farm/builds/answer.ts";
import {
  agreeing,
  type Candidate,
  contentOf,
  differences,
} from "../../../../edge/farm/publication/agreement.ts";
import { digestOf } from "../../../../edge/contract/digest.ts";
import { layerPath, levelPath, packagePath, tagPath } from "../../../../edge/contract/keys.ts";
import type { Item } from "../../../../edge/contract/items.ts";
import type {
  LayerRecord,
  LayerStatement,
  PackageRecord,
} from "../../../../edge/contract/records.ts";
import { isSignedBy, vouchersOf } from "../../../../edge/contract/signatures.ts";
import { statementOf } from "../../../../edge/contract/records.ts";
import { samplePackage } from "../../closures.ts";
import { generateOriginKey } from "../../../../origin/channel/index.ts";
import { until } from "../../../harness/until.ts";
import { type FarmEdge, startFarm } from "../farm-edge.ts";
import { keys, signOf } from "../keys.ts";
import { honest, startOrigin, type TestOrigin, type TestRun } from "../origins.ts";
import {
  blob,
  layerStatement,
  ownPath,
  packageItems,
  packageResult,
  REVISION,
  SCOPE,
  statedPackage,
  tagItems,
} from "../records.ts";

const candidate = (owner: string, content: Record<string, string>): Candidate => ({
  origin: `${owner}-1`,
  key: "",
  owner,
  result: { kind: "revision", revision: REVISION },
  layers: [],
  content,
});

describe("what is compared", () => {
  const nowhere = { put: () => Promise.resolve() };
  test("all that a package states, and what its layers hold; not how they were compressed", async () => {
    const result = packageResult(await statedPackage(nowhere, "git"), signOf("a"));
    assert.ok(result.kind === "package");
    const content = contentOf(result, new Map([["k", "sha256:x"]]));
    assert.deepEqual(differences(content, contentOf(result, new Map([["k", "sha256:x"]]))), []);
    assert.deepEqual(differences(content, contentOf(result, new Map([["k", "sha256:y"]]))), [
      "layer k",
    ]);
    const other = { ...result, statement: { ...result.statement, version: "6.6.6" } };
    assert.deepEqual(differences(content, contentOf(other, new Map([["k", "sha256:x"]]))), [
      "version",
    ]);
  });

  const [a, b, evil, again] = [
    candidate("a", { x: "1" }),
    candidate("b", { x: "1" }),
    candidate("evil", { x: "2" }),
    candidate("a", { x: "1" }),
  ];
  const table: readonly [string, Candidate[], Candidate, number, string[] | null][] = [
    ["one alone", [], a, 2, null],
    ["two owners", [a], b, 2, ["a", "b"]],
    ["one owner twice", [a], again, 2, null],
    ["a difference", [evil], a, 2, null],
    ["a majority against one", [evil, a], b, 2, ["a", "b"]],
    ["three are wanted", [a], b, 3, null],
    ["three are wanted, and two of them have one owner", [a, again], b, 3, null],
  ];
  for (const [what, others, latest, agree, owners] of table)
    test(what, () =>
      assert.deepEqual(agreeing(others, latest, agree)?.map(({ owner }) => owner) ?? null, owners),
    );
});

const outcomeOf = (answer: Answer) => (answer.state === "done" ? answer.results[0] : undefined);

describe("two origins of different owners", () => {
  const ORIGINS = Object.fromEntries(
    ["a", "b", "c"].map((name) => [name, { key: keys[name]?.publicKey, owner: `owner-${name}` }]),
  );
  let edge: FarmEdge;
  before(async () => {
    edge = await startFarm({
      times: { avoid: 50, reconnect: 500 },
      vars: { ORIGINS: JSON.stringify(ORIGINS), AGREE: "2" },
    });
  });
  after(() => edge.stop());

  /** An honest origin whose compressor is another one, and so is its Nix. */
  const otherCompressor: TestRun = async (items, context) =>
    Promise.all(
      items.map(async (item) => {
        if (item.kind !== "package" || item.level !== undefined)
          return (await honest(edge)([item], context))[0]!;
        const own = ownPath(item.name);
        const closure = { ...samplePackage(own, [], { deriver: undefined }), nix: "2.18.1" };
        const { statement } = await statedPackage(edge, item.name, item, closure);
        const layers = await Promise.all(
          ["libc", item.name].map((text) => layerStatement(edge, text, "pigz")),
        );
        return packageResult({ statement, layers }, context.sign);
      }),
    );
  /** One that says that a layer holds something else. */
  const lying: TestRun = async (items, { sign }) =>
    Promise.all(
      items.map(async (item) => {
        if (item.kind !== "package") throw new Error("it lies about packages alone");
        const { statement, layers } = await statedPackage(edge, item.name, item);
        const evil = layers.map((layer): LayerStatement => ({ ...layer, diffId: layer.digest }));
        return packageResult({ statement, layers: evil }, sign);
      }),
    );

  /** One whose small part holds other bytes than it says; the edge copies those into images. */
  const smuggling: TestRun = async (items, { sign }) =>
    Promise.all(
      items.map(async (item) => {
        if (item.kind !== "package") throw new Error("it lies about packages alone");
        const { statement, layers } = await statedPackage(edge, item.name, item);
        const [libc, own] = layers as readonly [LayerStatement, LayerStatement];
        const [stated, held] = ["what it states", "what it holds!"];
        const packed = await blob(edge, new Uint8Array(gzipSync(held)));
        const tree = { name: `${"1".repeat(32)}-x`, size: packed.size, tarSize: held.length };
        const small = { ...own, ...packed, diffId: await digestOf(stated), trees: [tree] };
        const parts = statement.parts.map((part) =>
          part.key === own.key ? { ...part, small: held.length } : part,
        );
        return packageResult({ statement: { ...statement, parts }, layers: [libc, small] }, sign);
      }),
    );

  /** Asks until it is there: a failure is remembered for some seconds. */
  const asked = async (items: readonly Item[]) => {
    let found: Outcome | undefined;
    await until("enough origins agree", async () => {
      found = outcomeOf(await edge.ask(items));
      return found?.kind !== "failure";
    });
    return found;
  };

  test("a small part whose blob holds something else is refused", async (t) => {
    await startOrigin(t, edge, "a", { run: smuggling }).reached("connected");
    assert.equal(outcomeOf(await edge.ask(packageItems(["smuggled"])))?.kind, "failure");
    await until("the log tells why", () =>
      edge.events("item.give-up").some(({ trouble }) => /not unpack to/.test(String(trouble))),
    );
  });

  test("one alone is not enough; two count, signed by both, whatever compressed it", async (t) => {
    const a = startOrigin(t, edge, "a");
    await a.reached("connected");
    const alone = outcomeOf(await edge.ask(packageItems(["git"])));
    assert.ok(alone?.kind === "failure");
    assert.match(alone.failure.message, /2 origins of different owners must make it/);
    assert.equal(a.jobs.length, 1, "it is not asked twice");
    assert.equal(await edge.get(packagePath(SCOPE, "git")), undefined);
    const own = await layerStatement(edge, "git");
    assert.equal(await edge.get(layerPath(own.key)), undefined, "nor are its layers for others");

    const b = startOrigin(t, edge, "b", { run: otherCompressor });
    await b.reached("connected");
    const outcome = await asked(packageItems(["git"]));
    assert.ok(outcome?.kind === "package", JSON.stringify(outcome));
    const record = (await edge.get(packagePath(SCOPE, "git"))) as PackageRecord;
    assert.deepEqual(record, outcome.record);
    assert.deepEqual(record.origins, ["a", "b"]);
    for (const vouch of record.signed)
      assert.ok(
        await isSignedBy(keys[vouch.origin]?.publicKey ?? "", "package", {
          statement: statementOf(record, vouch),
          signature: vouch.signature,
        }),
        vouch.origin,
      );
    assert.equal(record.signed.filter(({ closure }) => closure !== undefined).length, 1);
    assert.deepEqual(record.signed.map(({ origin }) => origin).sort(), ["a", "b"]);
    assert.equal(record.layers[1]?.digest, own.digest, "the first one's blob");
    const layer = (await edge.get(layerPath(own.key))) as LayerRecord;
    assert.deepEqual(await vouchersOf(layer, (name) => keys[name]?.publicKey), ["a", "b"]);

    assert.equal(outcomeOf(await edge.ask(packageItems(["git~1"])))?.kind, "level");
    assert.ok(await edge.get(levelPath(SCOPE, "git", 1)));
  });

  test("a tag means what two say", async (t) => {
    const a = startOrigin(t, edge, "a");
    await a.reached("connected");
    assert.equal(outcomeOf(await edge.ask(tagItems("agreed")))?.kind, "failure");
    assert.equal(await edge.get(tagPath("starter", "agreed")), undefined);
    const b = startOrigin(t, edge, "b");
    await b.reached("connected");
    assert.deepEqual(await asked(tagItems("agreed")), { kind: "revision", revision: REVISION });
  });

  test("what two have agreed on does not make one enough the next time", async (t) => {
    const [a, b] = [startOrigin(t, edge, "a"), startOrigin(t, edge, "b")];
    await Promise.all([a.reached("connected"), b.reached("connected")]);
    const items = tagItems("again");
    assert.equal(outcomeOf(await edge.ask(items))?.kind, "revision");
    await a.drain();
    // The farm forgets how items ended, and so does Build.
    await edge.farm("revoke", "c");
    await edge.farm("reinstate", "c");
    await edge.crashBuild(items);
    assert.equal(outcomeOf(await edge.ask(items))?.kind, "failure");
  });

  test("what an origin made before it was revoked and reinstated does not count either", async (t) => {
    const a = startOrigin(t, edge, "a");
    await a.reached("connected");
    const items = tagItems("reinstated");
    assert.equal(outcomeOf(await edge.ask(items))?.kind, "failure");
    assert.equal(a.jobs.length, 1);
    await a.drain();
    await edge.farm("revoke", "a");
    await edge.farm("reinstate", "a");
    await edge.crashBuild(items);
    const b = startOrigin(t, edge, "b");
    await b.reached("connected");
    assert.equal(outcomeOf(await edge.ask(items))?.kind, "failure");
    assert.equal(b.jobs.length, 1);
    assert.equal(await edge.get(tagPath("starter", "reinstated")), undefined);
  });

  test("one lies about a layer: the log names both, a third decides, and the lie is nowhere", async (t) => {
    const [a, b] = [startOrigin(t, edge, "a", { run: lying }), startOrigin(t, edge, "b")];
    await Promise.all([a.reached("connected"), b.reached("connected")]);
    assert.equal(outcomeOf(await edge.ask(packageItems(["contested"])))?.kind, "failure");
    const [difference] = await edge.logged("agreement.difference");
    const { origins, differs } = difference as { origins: string[]; differs: { name: string }[] };
    assert.deepEqual(origins.toSorted(), ["a", "b"]);
    assert.ok(differs.every(({ name }) => name.startsWith("layer ")));
    assert.equal(await edge.get(packagePath(SCOPE, "contested")), undefined);
    const c = startOrigin(t, edge, "c");
    await c.reached("connected");
    const outcome = await asked(packageItems(["contested"]));
    assert.equal(outcome?.kind, "package", JSON.stringify(outcome));
    const record = (await edge.get(packagePath(SCOPE, "contested"))) as PackageRecord;
    assert.deepEqual(record.signed.map(({ origin }) => origin).sort(), ["b", "c"]);
    const own = await layerStatement(edge, "contested");
    assert.equal(record.layers[1]?.diffId, own.diffId);
  });

  test("a lie about where a package came from does not count, nor what is no closure", async (t) => {
    const forge: TestRun = async (items, { sign }) =>
      Promise.all(
        items.map(async (item) => {
          if (item.kind !== "package") throw new Error("it lies about packages alone");
          const closure = samplePackage(ownPath(item.name), [], { licenses: [{ name: "mine" }] });
          return packageResult(await statedPackage(edge, item.name, item, closure), sign);
        }),
      );
    const [a, b] = [startOrigin(t, edge, "a", { run: forge }), startOrigin(t, edge, "b")];
    await Promise.all([a.reached("connected"), b.reached("connected")]);
    assert.equal(outcomeOf(await edge.ask(packageItems(["relabelled"])))?.kind, "failure");
    type Difference = { item: { name: string }; differs: { name: string }[] };
    let found: Difference | undefined;
    await until("the difference in the log", () => {
      const all = edge.events("agreement.difference") as Difference[];
      found = all.find(({ item }) => item.name === "relabelled");
      return found !== undefined;
    });
    assert.deepEqual(
      found?.differs.map(({ name }) => name),
      ["closure"],
    );
    assert.equal(await edge.get(packagePath(SCOPE, "relabelled")), undefined);

    const junk: TestRun = async (items, { sign }) =>
      Promise.all(
        items.map(async (item) => {
          if (item.kind !== "package") throw new Error("it lies about packages alone");
          const stated = await statedPackage(edge, item.name, item);
          const closure = stated.statement.listing;
          return packageResult({ ...stated, statement: { ...stated.statement, closure } }, sign);
        }),
      );
    const c = startOrigin(t, edge, "c", { run: junk });
    await c.reached("connected");
    await edge.ask(packageItems(["junk"]));
    assert.equal(await edge.get(packagePath(SCOPE, "junk")), undefined);
  });

  test("the bucket fails when enough agree: they agree when it works again, nothing is made twice", async (t) => {
    const [a, b] = [startOrigin(t, edge, "a"), startOrigin(t, edge, "b")];
    await Promise.all([a.reached("connected"), b.reached("connected")]);
    const before = edge.events("farm.storage").length;
    await edge.change({ bucketFails: "put" });
    const answer = edge.ask(packageItems(["unwritten"]), 55_000);
    await edge.logged("farm.storage", before + 1);
    await edge.change({ bucketFails: false });
    assert.equal(outcomeOf(await answer)?.kind, "package", JSON.stringify(await answer));
    assert.deepEqual([a.jobs.length, b.jobs.length], [1, 1]);
  });

  test("what an origin made before it was revoked counts for nothing", async (t) => {
    /** Asks until the origin has made it: a failure is remembered for some seconds. */
    const madeBy = (origin: TestOrigin): Promise<unknown> =>
      until("the origin makes it", async () => {
        await edge.ask(packageItems(["revoked"]));
        return origin.jobs.length > 0;
      });
    const a = startOrigin(t, edge, "a");
    await a.reached("connected");
    await madeBy(a);
    await edge.farm("revoke", "a");
    try {
      const b = startOrigin(t, edge, "b");
      await b.reached("connected");
      await madeBy(b);
      assert.equal(await edge.get(packagePath(SCOPE, "revoked")), undefined);
      const c = startOrigin(t, edge, "c");
      await c.reached("connected");
      assert.equal((await asked(packageItems(["revoked"])))?.kind, "package");
      const record = (await edge.get(packagePath(SCOPE, "revoked"))) as PackageRecord;
      assert.deepEqual(record.signed.map(({ origin }) => origin).sort(), ["b", "c"]);
    } finally {
      await edge.farm("reinstate", "a");
    }
  });

  test("what was made with a key that is in force no more does not count", async (t) => {
    const a = startOrigin(t, edge, "a");
    await a.reached("connected");
    assert.equal(outcomeOf(await edge.ask(packageItems(["stolen"])))?.kind, "failure");
    assert.equal(a.jobs.length, 1);
    await a.drain();
    // The operator has replaced the key of a, which is not connected.
    const another = { a: { key: generateOriginKey().publicKey, owner: "owner-a" } };
    await edge.change({ keys: JSON.stringify({ ...ORIGINS, ...another }) });
    const b = startOrigin(t, edge, "b");
    await b.reached("connected");
    await until("b makes it too", async () => {
      await edge.ask(packageItems(["stolen"]));
      return b.jobs.length === 1;
    });
    assert.equal(await edge.get(packagePath(SCOPE, "stolen")), undefined);
    const c = startOrigin(t, edge, "c");
    await c.reached("connected");
    const outcome = await asked(packageItems(["stolen"]));
    assert.ok(outcome?.kind === "package", JSON.stringify(outcome));
    assert.deepEqual(outcome.record.origins, ["b", "c"]);
  });
});
