import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { condense, type GraphNode } from "../../../origin/plan/graph.ts";
import { buildPlan } from "../../../origin/plan/index.ts";
import { ideal, simulate } from "./simulate.ts";
import { closures } from "./strategies/closures.ts";
import { firn } from "./strategies/firn.ts";
import { nixery } from "./strategies/nixery.ts";
import { nixpkgs } from "./strategies/nixpkgs.ts";
import { perPackage } from "./strategies/package.ts";
import { makeTrace, type Trace } from "./trace.ts";

const node = (id: string, size: number, references: string[], ...roots: string[]): GraphNode => ({
  id,
  name: `${id}-1`,
  size: size * 1_000_000,
  references,
  roots,
});
const NODES = [
  node("git", 3, ["libc", "zlib"], "git"),
  node("curl", 2, ["libc", "zlib"], "curl"),
  node("vim", 4, ["libc"], "vim"),
  node("zlib", 1, ["libc"]),
  node("libc", 10, [], "libc"),
  node("bash", 1, ["libc"], "bash"),
];
const dag = condense(NODES);
const closure = closures(dag);
const component = (id: string): number => dag.members.findIndex(([member]) => member!.id === id);
const request = (id: number, ...roots: string[]) => ({
  id,
  roots: roots.map(component),
  revision: 0 as const,
});

describe("the simulator", () => {
  // One client pulls git, then git and curl: ideally 14 MB, then curl's own 2 MB.
  const both = [request(0, "git"), request(2, "git", "curl")];
  const trace: Trace = {
    pulls: both.map((each) => ({ client: 0, request: each })),
    changed: new Uint8Array(dag.count),
    demand: new Map(),
    roots: new Map(),
  };
  const best = ideal(dag, trace, closure);

  it("knows the ideal", () =>
    assert.deepEqual(best, { moved: 16_000_000, stored: 16_000_000, cost: 16_600_000 }));

  it("counts what one layer per package moves twice", () => {
    const figures = simulate(trace, best, perPackage(dag, trace, closure));
    assert.equal(figures["moved.digest"], (14 + 13) / 16);
    assert.equal(figures.stored, (14 + 13) / 16);
    assert.equal(figures["layers.max"], 2);
    assert.equal(figures["moved.cost"], (27_000_000 + 2 * 300_000) / 16_600_000);
  });

  it("counts as composable what needs nothing new", () => {
    const again: Trace = {
      ...trace,
      pulls: [...trace.pulls, { client: 1, request: request(4, "curl") }],
    };
    assert.equal(
      simulate(
        again,
        ideal(dag, again, closure),
        firn("firn", buildPlan(NODES), dag, again, closure),
      ).composable,
      1 / 3,
    );
  });

  it("moves only what is new with the product's plan", () => {
    const figures = simulate(trace, best, firn("firn", buildPlan(NODES), dag, trace, closure));
    assert.equal(figures["moved.digest"], 1);
    assert.ok(figures["moved.prefix"] >= 1);
  });

  it("gives the same trace for a seed, another for another, and every strategy moves at least the ideal", () => {
    const world = { name: "small", nodes: NODES, shell: ["bash"], base: ["libc"] };
    const options = { seed: 3, images: 20, clients: 5, pulls: 4 };
    const drawn = makeTrace(world, dag, options);
    assert.deepEqual(makeTrace(world, dag, options), drawn);
    assert.notDeepEqual(makeTrace(world, dag, { ...options, seed: 4 }), drawn);
    const least = ideal(dag, drawn, closure);
    for (const strategy of [
      firn("firn", buildPlan(NODES, { demand: drawn.demand }), dag, drawn, closure),
      nixery(dag, drawn, closure),
      nixpkgs(dag, drawn, closure),
      perPackage(dag, drawn, closure),
    ]) {
      const figures = simulate(drawn, least, strategy);
      assert.ok(
        figures["moved.digest"] >= 1 &&
          figures["moved.prefix"] >= figures["moved.digest"] &&
          figures.stored >= 1,
        strategy.name,
      );
    }
  });
});
