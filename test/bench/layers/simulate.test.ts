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
    roots: new Map([["libc", component("libc")]]),
  };
  const best = ideal(dag, trace, closure);

  const product = (drawn: Trace, demand?: Trace["demand"]) => {
    const plan = buildPlan(NODES, { base: ["libc"], ...(demand && { demand }) });
    return firn("firn", [plan, plan], ["libc"], dag, drawn, closure);
  };

  it("knows the ideal", () =>
    assert.deepEqual(best, {
      moved: 16_000_000,
      fetches: 2,
      stored: 16_000_000,
      images: new Map([
        [0, 14_000_000],
        [2, 16_000_000],
      ]),
    }));

  it("counts what one layer per package moves twice", () => {
    const figures = simulate(trace, best, perPackage(dag, trace, closure));
    assert.equal(figures["moved.digest"], (14 + 13) / 16);
    assert.equal(figures.stored, (14 + 13) / 16);
    assert.equal(figures["layers.max"], 2);
    assert.equal(figures["moved.cost"], (27_000_000 + 2 * 300_000) / 16_600_000);
    assert.equal(figures.cost, (27_000_000 + 2 * 4_000_000) / (16_000_000 + 2 * 4_000_000));
    assert.equal(figures.cold, 1, "the first pull of git is one layer");
  });

  it("counts as composable what needs nothing new", () => {
    const again: Trace = {
      ...trace,
      pulls: [...trace.pulls, { client: 1, request: request(4, "curl") }],
    };
    assert.equal(simulate(again, ideal(dag, again, closure), product(again)).composable, 1 / 3);
  });

  it("moves little but what is new with the product's plan", () => {
    const figures = simulate(trace, best, product(trace));
    assert.equal(figures["moved.digest"], 17 / 16, "zlib, too small for a layer, with both images");
    assert.ok(figures["moved.prefix"] >= 17 / 16);
  });

  it("counts what an image's own layer carries as bytes of each image, and as no layer", () => {
    const figures = simulate(trace, best, {
      name: "own",
      image: ({ id }) => ({
        layers: [],
        own: { key: `own ${id}`, size: 8_000_000 },
        composable: true,
      }),
      made: () => [],
    });
    assert.equal(figures["moved.digest"], 1);
    assert.equal(figures.cost, 16_000_000 / (16_000_000 + 2 * 4_000_000));
    assert.equal(figures.cold, 8_000_000 / 18_000_000);
    assert.equal(figures["layers.max"], 0);
  });

  it("gives each seed its own trace, the same each time, and no strategy beats the ideal", () => {
    const world = { name: "small", nodes: NODES, shell: ["bash"], base: ["libc"] };
    const options = { seed: 3, images: 20, clients: 5, pulls: 4 };
    const drawn = makeTrace(world, dag, options);
    assert.deepEqual(makeTrace(world, dag, options), drawn);
    assert.notDeepEqual(makeTrace(world, dag, { ...options, seed: 4 }), drawn);
    const least = ideal(dag, drawn, closure);
    for (const strategy of [
      product(drawn, drawn.demand),
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
