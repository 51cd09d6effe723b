/** From results to records, where the bucket has something to say about it. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import type { Answer, Outcome } from "../../../../edge/farm/builds/answer.ts";
import {
  blobPath,
  indexPath,
  layerPath,
  levelPath,
  packagePath,
} from "../../../../edge/contract/keys.ts";
import {
  type Descriptor,
  type LayerStatement,
  MAX_LISTING_TEXT,
  type PackageRecord,
} from "../../../../edge/contract/records.ts";
import { until } from "../../../harness/until.ts";
import { type FarmEdge, startFarm } from "../farm-edge.ts";
import { signOf } from "../keys.ts";
import { honest, originKeys, startOrigin } from "../origins.ts";
import { welcomed } from "../raw-origin.ts";
import {
  blob,
  indexItem,
  indexRecord,
  indexResult,
  indexStatement,
  layerOf,
  layerRecord,
  layerStatement,
  levelRecord,
  packageItems,
  packageRecord,
  packageResult,
  SCOPE,
  signedLayers,
  statedPackage,
  type StatedPackage,
} from "../records.ts";

let edge: FarmEdge;
before(async () => {
  edge = await startFarm({ times: { avoid: 50 }, vars: { ORIGINS: originKeys("a", "b") } });
});
after(() => edge.stop());

const resultOf = (answer: Answer): Outcome | undefined =>
  answer.state === "done" ? answer.results[0] : undefined;

/** Waits until the log tells that an item was given up for this; the client is not told. */
const givenUpFor = (cause: RegExp): Promise<unknown> =>
  until(`an item is given up for ${cause}`, () =>
    edge.events("item.give-up").some(({ trouble }) => cause.test(String(trouble))),
  );

test("a record that is there already stays, and is the answer: everybody sees the same", async (t) => {
  const origin = startOrigin(t, edge, "a");
  await origin.reached("connected");
  const items = packageItems(["git"]);
  const earlier = { ...(await packageRecord(edge, "git")), version: "0.9" };
  await edge.put(packagePath(SCOPE, "git"), JSON.stringify(earlier));
  assert.deepEqual(resultOf(await edge.ask(items)), {
    kind: "package",
    record: earlier,
  });
  assert.deepEqual(await edge.get(packagePath(SCOPE, "git")), earlier);
});

test("a record that nobody can read is replaced", async (t) => {
  const origin = startOrigin(t, edge, "a");
  await origin.reached("connected");
  const items = packageItems(["curl"]);
  await edge.put(packagePath(SCOPE, "curl"), '{"format":0}');
  const record = await packageRecord(edge, "curl");
  assert.deepEqual(resultOf(await edge.ask(items)), { kind: "package", record });
  assert.deepEqual(await edge.get(packagePath(SCOPE, "curl")), record);
});

test("a long listing does not stand in the package's record", async (t) => {
  const listing = await blob(edge, "x".repeat(MAX_LISTING_TEXT + 1));
  const origin = startOrigin(t, edge, "a", {
    run: async (_, { sign }) => {
      const { statement, layers } = await statedPackage(edge, "large");
      return [packageResult({ statement: { ...statement, listing }, layers }, sign)];
    },
  });
  await origin.reached("connected");
  const outcome = resultOf(await edge.ask(packageItems(["large"])));
  const record = outcome?.kind === "package" ? outcome.record : assert.fail("no record");
  assert.deepEqual([record.listing, record.listingText], [listing, undefined]);
});

test("a listing whose blob is another text does not stand in the package's record", async (t) => {
  const listing = await blob(edge, "what it states");
  const origin = startOrigin(t, edge, "a", {
    run: async (_, { sign }) => {
      const { statement, layers } = await statedPackage(edge, "mislisted");
      return [packageResult({ statement: { ...statement, listing }, layers }, sign)];
    },
  });
  await origin.reached("connected");
  await edge.put(blobPath(listing.digest), "is not stated!");
  const outcome = resultOf(await edge.ask(packageItems(["mislisted"])));
  const record = outcome?.kind === "package" ? outcome.record : assert.fail("no record");
  assert.deepEqual([record.listing, record.listingText], [listing, undefined]);
});

test("a failure names its log when the bucket has that, and is told without it else", async (t) => {
  const there = await blob(edge, "the log");
  const logs: Readonly<Record<string, Descriptor>> = {
    logged: there,
    unlogged: { ...there, digest: `sha256:${"1".repeat(64)}` },
    halflogged: { ...there, size: there.size + 1 },
  };
  const origin = startOrigin(t, edge, "a", {
    run: async (items) =>
      items.map((item) => {
        const name = item.kind === "package" ? item.name : "";
        const logBlob = logs[name];
        const failure = { reason: "failed", message: `no ${name}` } as const;
        return { kind: "failure", failure: { ...failure, ...(logBlob && { logBlob }) } };
      }),
  });
  await origin.reached("connected");
  const answer = await edge.ask(packageItems(Object.keys(logs)));
  assert.ok(answer.state === "done");
  assert.deepEqual(
    answer.results.map((outcome) =>
      outcome.kind === "failure" ? [outcome.failure.message, outcome.failure.logBlob] : outcome,
    ),
    [
      ["no logged", there],
      ["no unlogged", undefined],
      ["no halflogged", undefined],
    ],
  );
});

test("the layers of a level belong to a package whose record is there, or comes with them", async (t) => {
  const origin = startOrigin(t, edge, "a");
  await origin.reached("connected");
  const alone = resultOf(await edge.ask(packageItems(["orphan~1"])));
  assert.equal(alone?.kind, "failure");
  await givenUpFor(/there is no record of orphan/);
  assert.equal(await edge.get(levelPath(SCOPE, "orphan", 1)), undefined);
  assert.equal((await edge.ask(packageItems(["both", "both~1"]))).state, "done");
  assert.deepEqual(await edge.get(levelPath(SCOPE, "both", 1)), await levelRecord(edge));
});

test("a level's layers are those that the package's record announced", async (t) => {
  const origin = startOrigin(t, edge, "a", {
    run: async (items, context) => {
      const [item] = items;
      if (item?.kind !== "package" || item.level === undefined) return honest(edge)(items, context);
      const { layers } = await statedPackage(edge, "jq");
      const wrong = signedLayers(layers.slice(1), context.sign);
      return [{ kind: "level", level: 1, layers: wrong }];
    },
  });
  await origin.reached("connected");
  assert.equal((await edge.ask(packageItems(["jq"]))).state, "done");
  const wrong = resultOf(await edge.ask(packageItems(["jq~1"])));
  assert.equal(wrong?.kind, "failure");
  await givenUpFor(/belongs to no package of the job/);
});

test("a level whose record would be too long is refused, as a package's is", async (t) => {
  const trees = Array.from({ length: 10_000 }, (_, at) => ({
    name: `${"1".repeat(32)}-${at}`,
    size: 1,
    tarSize: 1,
  }));
  const packed = await blob(edge, "x".repeat(trees.length));
  const origin = startOrigin(t, edge, "a", {
    run: async ([item], { sign }) => {
      const { statement, layers } = await statedPackage(edge, "crumbs");
      const [libc, own] = statement.parts.map((part, at) =>
        at === 0 ? part : { ...part, small: 1 },
      );
      if (libc === undefined || own === undefined) throw new Error("no parts");
      if (item?.kind === "package" && item.level === 1) {
        const small = layers.slice(1).map((layer) => ({ ...layer, ...packed, trees }));
        return [{ kind: "level", level: 1, layers: signedLayers(small, sign) }];
      }
      const cut = { ...statement, parts: [libc, own], levels: [[0], [1]] };
      return [packageResult({ statement: cut, layers: layers.slice(0, 1) }, sign)];
    },
  });
  await origin.reached("connected");
  assert.equal(resultOf(await edge.ask(packageItems(["crumbs"])))?.kind, "package");
  assert.equal(resultOf(await edge.ask(packageItems(["crumbs~1"])))?.kind, "failure");
  await givenUpFor(/the record of crumbs at level 1 is longer than/);
  assert.equal(await edge.get(levelPath(SCOPE, "crumbs", 1)), undefined);
});

test("an index is written when its names are in the bucket, and only then", async (t) => {
  const origin = startOrigin(t, edge, "a", {
    run: async (items, context) => {
      const [item] = items;
      if (item?.kind !== "index" || item.path[0] !== "lost") return honest(edge)(items, context);
      const statement = await indexStatement({ put: () => Promise.resolve() }, item);
      const names = { ...statement.names, digest: `sha256:${"0".repeat(64)}` as const };
      return [indexResult({ ...statement, names }, context.sign)];
    },
  });
  await origin.reached("connected");
  const items = [indexItem(), indexItem(["python3Packages"])];
  assert.equal((await edge.ask(items)).state, "done");
  for (const item of items)
    assert.deepEqual(
      await edge.get(indexPath(SCOPE, item.path)),
      await indexRecord(edge, item),
      item.path.join(),
    );
  const lost = resultOf(await edge.ask([indexItem(["lost"])]));
  assert.equal(lost?.kind === "failure" ? lost.failure.reason : lost?.kind, "error");
  assert.equal(await edge.get(indexPath(SCOPE, ["lost"])), undefined);
});

/** What a would send of a package whose own layer is changed. */
const fromA = async (name: string, change: (s: LayerStatement) => LayerStatement) => {
  const { statement, layers } = await statedPackage(edge, name);
  const own = layers.slice(1).map(change);
  return packageResult({ statement, layers: [...layers.slice(0, 1), ...own] }, signOf("a"));
};

describe("layer records", () => {
  test("are written with the signature of the origin that made them", async (t) => {
    const origin = startOrigin(t, edge, "a");
    await origin.reached("connected");
    assert.equal((await edge.ask(packageItems(["signed"]))).state, "done");
    const statement = await layerStatement(edge, "signed");
    assert.deepEqual(await edge.get(layerPath(statement.key)), layerRecord(statement));
  });

  test("the first stands: another compressor's blob of the same layer never takes its place", async (t) => {
    const theirs = await layerStatement(edge, "first", "pigz");
    await edge.put(layerPath(theirs.key), JSON.stringify(layerRecord(theirs, "b")));
    const origin = startOrigin(t, edge, "a");
    await origin.reached("connected");
    const answer = resultOf(await edge.ask(packageItems(["first"])));
    assert.ok(answer?.kind === "package");
    assert.deepEqual(answer.record.layers[1], layerOf(theirs));
    assert.deepEqual(answer.record.origins, ["a", "b"], "it rests on both");
    assert.deepEqual(await edge.get(layerPath(theirs.key)), layerRecord(theirs, "b"));
  });

  test("a known layer need not be stated: the record that stands is taken", async (t) => {
    const theirs = await layerStatement(edge, "known");
    await edge.put(layerPath(theirs.key), JSON.stringify(layerRecord(theirs, "b")));
    const origin = startOrigin(t, edge, "a", {
      run: async (_items, { sign }) => {
        const { statement, layers } = await statedPackage(edge, "known");
        return [packageResult({ statement, layers: layers.slice(0, 1) }, sign)];
      },
    });
    await origin.reached("connected");
    const answer = resultOf(await edge.ask(packageItems(["known"])));
    assert.ok(answer?.kind === "package");
    assert.deepEqual(answer.record.layers[1], layerOf(theirs));
  });

  /** Records for the predictable key of a layer that somebody but the edge wrote. */
  const forgeries: readonly [string, (s: LayerStatement) => object][] = [
    ["without a signature", (s) => ({ ...s, signed: [] })],
    ["signed by an origin that is not in force", (s) => layerRecord(s, "c")],
    [
      "in the name of an origin, signed by another",
      (s) => ({ ...s, signed: [{ ...layerRecord(s, "c").signed[0], origin: "b" }] }),
    ],
    [
      "changed after it was signed",
      (s) => ({ ...layerRecord({ ...s, compressor: "other" }, "b"), compressor: s.compressor }),
    ],
  ];
  for (const [at, [what, forged]] of forgeries.entries())
    test(`forged, ${what}: no package names it, and it is replaced`, async (t) => {
      const name = `forged${at}`;
      const evil = await layerStatement(edge, name, "evil");
      await edge.put(layerPath(evil.key), JSON.stringify(forged(evil)));
      const origin = startOrigin(t, edge, "a");
      await origin.reached("connected");
      const answer = resultOf(await edge.ask(packageItems([name])));
      assert.ok(answer?.kind === "package");
      const honestly = await layerStatement(edge, name);
      assert.deepEqual(answer.record.layers[1], layerOf(honestly));
      assert.deepEqual(answer.record.origins, ["a"]);
      assert.deepEqual(await edge.get(layerPath(evil.key)), layerRecord(honestly));
    });

  test("a record whose blob is gone is replaced", async (t) => {
    const gone = await layerStatement({ put: () => Promise.resolve() }, "gone", "pigz");
    await edge.put(layerPath(gone.key), JSON.stringify(layerRecord(gone, "b")));
    const origin = startOrigin(t, edge, "a");
    await origin.reached("connected");
    assert.equal((await edge.ask(packageItems(["gone"]))).state, "done");
    const honestly = await layerStatement(edge, "gone");
    assert.deepEqual(await edge.get(layerPath(gone.key)), layerRecord(honestly));
  });

  test("what an origin is told to be gone, and makes again, takes the lost blob's place", async () => {
    /** A package with a layer that others have too. */
    const shared = async (name: string, compressor: string): Promise<StatedPackage> => {
      const layer = await layerStatement(edge, "shared", compressor);
      const { statement, layers } = await statedPackage(edge, name);
      const parts = [{ key: layer.key, rank: 2 }, ...statement.parts.slice(1)];
      return { statement: { ...statement, parts }, layers: [layer, ...layers.slice(1)] };
    };
    const origin = await welcomed(edge, "a");
    const published = async (stated: StatedPackage, job: string): Promise<void> =>
      origin.say({ type: "done", job, results: [packageResult(stated, signOf("a"))] });
    const before = await shared("before", "gzip");
    const first = edge.ask(packageItems(["before"]));
    await published(before, (await origin.heard("job")).job);
    assert.equal(resultOf(await first)?.kind, "package");

    const [{ key, digest } = assert.fail("no layer")] = before.layers;
    await edge.delete(blobPath(digest));
    const second = edge.ask(packageItems(["after"]));
    const { job } = await origin.heard("job");
    origin.say({ type: "layers", id: "1", job, keys: [key], zstd: false });
    assert.equal((await origin.heard("layers")).layers[0]?.gzip?.present, false);
    const after = await shared("after", "pigz");
    await published(after, job);
    const outcome = resultOf(await second);
    assert.ok(outcome?.kind === "package");
    assert.equal(outcome.record.layers[0]?.digest, after.layers[0]?.digest);
    origin.cut();
  });

  test("another diffId is refused, and the log names both origins", async (t) => {
    const theirs = await layerStatement(edge, "contested");
    await edge.put(layerPath(theirs.key), JSON.stringify(layerRecord(theirs, "b")));
    const origin = startOrigin(t, edge, "a", {
      run: async () => [await fromA("contested", (s) => ({ ...s, diffId: s.digest }))],
    });
    await origin.reached("connected");
    const answer = resultOf(await edge.ask(packageItems(["contested"])));
    assert.equal(answer?.kind, "failure");
    await givenUpFor(/the layer [0-9a-f]{64} is sha256:\S+ by a, and sha256:\S+ by b/);
    const [contradiction] = await edge.logged("layer.contradiction");
    assert.deepEqual(contradiction?.["origins"], ["a", "b"]);
    assert.deepEqual(await edge.get(layerPath(theirs.key)), layerRecord(theirs, "b"));
    assert.equal(await edge.get(packagePath(SCOPE, "contested")), undefined);
  });

  test("results that another origin has signed are refused", async (t) => {
    const origin = startOrigin(t, edge, "a", {
      run: (items, context) => honest(edge)(items, { ...context, sign: signOf("b") }),
    });
    await origin.reached("connected");
    assert.equal(resultOf(await edge.ask(packageItems(["borrowed"])))?.kind, "failure");
    await givenUpFor(/a has not signed/);
    assert.equal(await edge.get(packagePath(SCOPE, "borrowed")), undefined);
    const { key } = await layerStatement(edge, "borrowed");
    assert.equal(await edge.get(layerPath(key)), undefined);
  });
});

/** A package that names a blob of b's compressor, published; the digest of that blob. */
const published = async (name: string): Promise<LayerStatement> => {
  const theirs = await layerStatement(edge, name, "pigz");
  await edge.put(layerPath(theirs.key), JSON.stringify(layerRecord(theirs, "b")));
  const answer = resultOf(await edge.ask(packageItems([name])));
  assert.ok(answer?.kind === "package");
  assert.deepEqual(answer.record.layers[1], layerOf(theirs));
  return theirs;
};

/** As Build asks the farm. */
const requestLost = (name: string, lost: readonly LayerStatement[]): Promise<unknown> =>
  edge.farm("request", "a build", packageItems([name]), {
    client: null,
    purpose: "waiting",
    regions: [],
    lost: lost.map(({ digest, size }) => ({ digest, size })),
  });

describe("a blob that is lost after its record was written", () => {
  test("the farm puts aside what it remembers of it: another's blob stands, in every record", async (t) => {
    const origin = startOrigin(t, edge, "a");
    await origin.reached("connected");
    const theirs = await published("lost");
    await edge.delete(blobPath(theirs.digest));
    await requestLost("lost", [theirs]);
    const honestly = await layerStatement(edge, "lost");
    await until("the package names the blob that is there", async () => {
      const record = (await edge.get(packagePath(SCOPE, "lost"))) as PackageRecord;
      return record.layers[1]?.digest === honestly.digest;
    });
    assert.deepEqual(await edge.get(layerPath(theirs.key)), layerRecord(honestly));
  });

  test("Build believes the bucket, not whoever says that it is lost", async (t) => {
    let jobs = 0;
    const origin = startOrigin(t, edge, "a", {
      run: (items, context) => {
        jobs += 1;
        return honest(edge)(items, context);
      },
    });
    await origin.reached("connected");
    const theirs = await published("there");
    const lost = [{ digest: theirs.digest, size: theirs.size }];
    for (let time = 0; time < 3; time++)
      assert.equal((await edge.ask(packageItems(["there"]), 20_000, { lost })).state, "done");
    assert.equal(jobs, 1);
  });
});
