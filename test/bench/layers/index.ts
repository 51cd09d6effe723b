/**
 * The layer simulator: what clients move and the bucket keeps, for several ways to cut images into
 * layers, over real reference graphs. README.md tells the figures and findings. A graph that this
 * machine cannot read (no apt) is left out.
 */
import { buildPlan, type LayerPlan } from "../../../origin/plan/index.ts";
import { condense } from "../../../origin/plan/graph.ts";
import { debianWorld } from "./debian.ts";
import { ideal, simulate, type Strategy } from "./simulate.ts";
import { starterWorld } from "./starter.ts";
import { closures } from "./strategies/closures.ts";
import { firn } from "./strategies/firn.ts";
import { nixery } from "./strategies/nixery.ts";
import { nixpkgs } from "./strategies/nixpkgs.ts";
import { perPackage } from "./strategies/package.ts";
import { makeTrace, type Trace } from "./trace.ts";
import type { World } from "./world.ts";

export interface BenchFigure {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
}

/**
 * Distinct images that clients choose from, by graph: the starter set has a hundred packages only.
 */
const IMAGES: Readonly<Record<string, number>> = { debian: 3_000, starter: 1_000 };
const CLIENTS = 300;
const PULLS = 12;
/** Share of images with `shell` that a plan assumes until pulls are counted. */
const USUAL_SHELL = 0.5;
/** Added to a seed: the same images, pulled by others. */
const EARLIER = 1_000_000;
const DIGITS = 4;

/** Runs the simulator; `seed` draws the trace. */
export async function* layersBench({
  seed = 1,
}: { seed?: number } = {}): AsyncIterable<BenchFigure> {
  for (const load of [starterWorld, debianWorld]) {
    const world = await load();
    if (world) yield* worldFigures(world, seed);
  }
}

function* worldFigures(world: World, seed: number): Iterable<BenchFigure> {
  const dag = condense(world.nodes);
  const closure = closures(dag);
  const options = { images: IMAGES[world.name] ?? 1_000, clients: CLIENTS, pulls: PULLS };
  const trace = makeTrace(world, dag, { seed, ...options });
  const earlier = makeTrace(world, dag, { seed, clientsSeed: seed + EARLIER, ...options });
  const best = ideal(dag, trace, closure);
  for (const make of strategies(world, trace, earlier)) {
    const strategy = make(dag, trace, closure);
    for (const [figure, value] of Object.entries(simulate(trace, best, strategy))) {
      yield {
        name: `layers.${world.name}.${strategy.name}.${figure}`,
        value: Number(value.toPrecision(DIGITS)),
        unit: figure.startsWith("layers.") ? "layers" : figure === "composable" ? "share" : "ratio",
      };
    }
  }
}

type Make = (...args: Parameters<typeof nixery>) => Strategy;

/**
 * `firn`: its plan is made from what was pulled in an earlier trace of the same popularity, as the
 * edge counts it. `firn-uncounted`: made before the first pull. `firn-replanned`: made before the
 * first pull, and again with the new revision from what was pulled until then.
 */
function strategies(world: World, trace: Trace, earlier: Trace): Make[] {
  const options = {
    usual: new Map(world.shell.map((name) => [name, USUAL_SHELL] as const)),
    base: world.base,
  };
  const planOf = (demand: Trace["demand"]): LayerPlan =>
    buildPlan(world.nodes, { ...options, demand });
  const uncounted = buildPlan(world.nodes, options);
  const counted = planOf(earlier.demand);
  const make =
    (name: string, before: LayerPlan, after: LayerPlan): Make =>
    (...args) =>
      firn(name, [before, after], world.base, ...args);
  return [
    make("firn", counted, counted),
    make("firn-uncounted", uncounted, uncounted),
    make("firn-replanned", uncounted, planOf(trace.demand)),
    nixery,
    nixpkgs,
    perPackage,
  ];
}
