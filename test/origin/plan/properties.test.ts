/** What must hold for every package set: seeded random graphs, cut and composed. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { chooseLevels, BUDGET, imageParts } from "../../../edge/contract/levels.ts";
import { MAX_LEVELS, MAX_PARTS } from "../../../edge/contract/records.ts";
import {
  buildPlan,
  cutClosure,
  type GraphNode,
  NO_PLAN,
  type LayerPlan,
  planId,
} from "../../../origin/plan/index.ts";
import type { StorePathInfo } from "../../../origin/nix/types.ts";
import { seeded, shuffled } from "../../bench/layers/random.ts";

const SEEDS = [1, 2, 3];
const HASH = "0123456789abcdfghijklmnpqrsvwxyz";

interface Sample {
  readonly nodes: GraphNode[];
  readonly infos: Map<string, StorePathInfo>;
  readonly closure: (root: string) => Map<string, StorePathInfo>;
}

/**
 * A layered graph: every node refers to a few earlier ones, popular ones more often; some names
 * occur twice, every tenth node can be requested.
 */
function sample(seed: number, count = 400): Sample {
  const random = seeded(seed);
  const ids: string[] = [];
  const nodes: GraphNode[] = [];
  for (let number = 0; number < count; number++) {
    const hash = Array.from({ length: 32 }, () => HASH[Math.floor(random() * HASH.length)]).join(
      "",
    );
    const name =
      number % 50 === 7
        ? "source"
        : `pkg${number}-${Math.floor(random() * 9)}.${Math.floor(random() * 9)}`;
    const references = new Set(
      Array.from(
        { length: Math.min(number, Math.floor(random() * 9)) },
        () => ids[Math.floor(number * random() ** 2)]!,
      ),
    );
    const id = `/nix/store/${hash}-${name}`;
    nodes.push({
      id,
      name,
      size: Math.floor(10 ** (3 + 5 * random())),
      references: [...references],
      roots: random() < 0.1 ? [`pkg${number}`] : [],
    });
    ids.push(id);
  }
  const infos = new Map(
    nodes.map(({ id, size, references }) => [
      id,
      { path: id, narHash: `sha256:${"0".repeat(64)}` as const, narSize: size, references },
    ]),
  );
  const closure = (root: string) => {
    const found = new Map<string, StorePathInfo>();
    const add = (path: string): void => {
      if (found.has(path)) return;
      found.set(path, infos.get(path)!);
      infos.get(path)!.references.forEach(add);
    };
    add(root);
    return found;
  };
  return { nodes, infos, closure };
}

const roots = ({ nodes }: Sample) =>
  nodes.filter((each) => each.roots!.length > 0).map(({ id }) => id);

for (const seed of SEEDS) {
  describe(`random package set ${seed}`, () => {
    const set = sample(seed);
    // The other revision's plan: it knows the names by other versions, and some not at all.
    const old = buildPlan(
      set.nodes
        .filter((_, number) => number % 7 !== 0)
        .map((each) => ({ ...each, name: each.name.replace(/-.*/, "-0.1") })),
    );
    // What every image holds: two of the packages, and all below them.
    const baseRoots = roots(set).slice(3, 5);
    const base = new Map(baseRoots.flatMap((root) => [...set.closure(root)]));
    const attributes = set.nodes.flatMap(({ id, roots }) => (baseRoots.includes(id) ? roots! : []));
    const plans: [string, LayerPlan][] = [
      ["its own plan", buildPlan(set.nodes, { base: attributes })],
      ["an older revision's plan", old],
      ["no plan", NO_PLAN],
    ];

    it("has one plan whatever the order of its input", async () => {
      assert.equal(
        await planId(buildPlan(shuffled(set.nodes, seeded(seed)))),
        await planId(buildPlan(set.nodes)),
      );
    });

    for (const [name, plan] of plans) {
      it(`cuts every closure completely, ever coarser, within the limits: ${name}`, async () => {
        for (const root of roots(set)) {
          const closure = set.closure(root);
          const cut = await cutClosure(plan, root, closure, base);
          assert.ok(cut.levels.length <= MAX_LEVELS && cut.parts.length <= MAX_PARTS);
          assert.equal(
            cut.level,
            cut.levels.findIndex((level) => level.length > 0),
          );
          assert.ok(
            cut.levels.at(-1)!.length <= 2,
            "the coarsest level is the base and one more, so any image of few enough packages fits",
          );
          assert.deepEqual(
            new Set(cut.parts[0]!.paths.map(({ path }) => path)),
            new Set(base.keys()),
            "the base, whole",
          );
          let before = Number.POSITIVE_INFINITY;
          for (const level of cut.levels.filter((parts) => parts.length > 0)) {
            assert.ok(level.length <= BUDGET.layers && level.length <= before);
            before = level.length;
            const paths = level.flatMap((part) => cut.parts[part]!.paths.map(({ path }) => path));
            assert.deepEqual(
              paths.toSorted(),
              [...new Set([...base.keys(), ...closure.keys()])].toSorted(),
              "each path in exactly one part, and none of the base in another than the first",
            );
          }
        }
      });

      it(`cuts alike in any order, and ranks a part alike in all packages: ${name}`, async () => {
        const ranks = new Map<string, number>();
        for (const root of roots(set)) {
          const cut = await cutClosure(plan, root, set.closure(root), base);
          assert.deepEqual(
            await cutClosure(
              plan,
              root,
              new Map(shuffled([...set.closure(root)], seeded(seed))),
              new Map(shuffled([...base], seeded(seed))),
            ),
            cut,
          );
          for (const { key, rank } of cut.parts) {
            assert.ok(Number.isFinite(rank) && rank >= 0);
            assert.equal(ranks.get(key) ?? rank, rank);
            ranks.set(key, rank);
          }
        }
      });
    }

    it("composes any of its packages within the budget, with everything that they need", async () => {
      const plan = plans[0]![1];
      const random = seeded(seed);
      const records = await Promise.all(
        roots(set).map(async (root) => {
          const cut = await cutClosure(plan, root, set.closure(root), base);
          const parts = cut.parts.map(({ key, rank, size, bare, paths }) => ({
            key,
            rank,
            ...(bare && { small: size }),
            paths,
          }));
          return { name: root, root, levels: cut.levels, parts };
        }),
      );
      for (let image = 0; image < 20; image++) {
        const chosen = shuffled(records, random).slice(0, 1 + Math.floor(random() * 30));
        const levels = chooseLevels(chosen);
        assert.ok(levels);
        const { layers, small } = imageParts(chosen, levels);
        assert.ok(layers.length <= BUDGET.layers);
        const contents = new Map(
          chosen.flatMap(({ parts }) => parts.map((part) => [part.key, part.paths] as const)),
        );
        const held = [...layers, ...small].flatMap(({ key }) =>
          contents.get(key)!.map(({ path }) => path),
        );
        assert.deepEqual(
          new Set(held),
          new Set([...base.keys(), ...chosen.flatMap(({ root }) => [...set.closure(root).keys()])]),
        );
        assert.ok(
          [...base.keys()].every((path) => held.filter((other) => other === path).length === 1),
          "the base once",
        );
      }
    });
  });
}
