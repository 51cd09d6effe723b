/**
 * The edge's part of a new image: milliseconds from the request for a manifest that nobody asked
 * for before to its last byte, all packages published and no origin connected.
 *
 *   compose                an edge that has composed before
 *   compose.fresh          an isolate's first composition: nothing in memory
 *   compose.fresh.pinged   the same, a round trip after /v2/, which clients ask for first: the
 *                          isolate has used that time (edge/pull/prepare.ts)
 *   compose.memory         how much the memory of workerd grows during compose.fresh at its peak:
 *                          an upper bound, since compiled code and garbage are in it
 */
import { setTimeout as sleep } from "node:timers/promises";
import { presign } from "../../edge/store/s3-signed-requests.ts";
import type { Firn } from "../harness/firn.ts";
import { pullManifest } from "../harness/registry-client.ts";
import { memoryGrowth, workerdPid } from "../harness/workerd-memory.ts";
import { seconds, withFirn } from "./firn.ts";
import { seeded, shuffled } from "./layers/random.ts";
import type { Part } from "./part.ts";

/**
 * Common packages, small and large; none of them in `shell`, or two combinations were one image.
 */
const PACKAGES = [
  "git",
  "curl",
  "python3",
  "jq",
  "htop",
  "tmux",
  "vim",
  "ripgrep",
  "tree",
  "hello",
];
const SMALLEST = 2;
const LARGEST = 5;
const COMPOSITIONS = 50;
const FRESH_RUNS = 10;
/** From a client to an edge near it and back: what `--rtt 40` puts between them in `pull`. */
const ROUND_TRIP_MS = 40;
const KIB_PER_MIB = 1_024;

export const compose: Part = {
  groups: ["compose"],
  needs: [],
  run: ({ runs, seed, wanted, signal }, report) =>
    // A tag that goes stale would be resolved anew while something is measured.
    withFirn({ edgeEnv: { TAG_FRESH: "3600" } }, async (firn) => {
      await Promise.all(PACKAGES.map((name) => pullManifest(firn.url, `shell/${name}`)));
      await Promise.all(firn.origins.map((origin) => origin.stop()));
      const images = newImages(seed);
      const next = async (): Promise<number> => {
        signal.throwIfAborted();
        const image = images.next();
        if (image.done) throw new Error("no combination of packages is left: fewer --runs");
        return 1_000 * (await seconds(() => pullManifest(firn.url, image.value)));
      };

      const times: number[] = [];
      for (let run = 0; run < (runs ?? COMPOSITIONS); run++) times.push(await next());
      report({ name: "compose", unit: "ms", values: times });

      const freshRuns = runs ?? FRESH_RUNS;
      if (wanted("compose.fresh") || wanted("compose.memory")) {
        const fresh: number[] = [];
        const memory: number[] = [];
        for (let run = 0; run < freshRuns; run++) {
          await firn.restartEdge();
          await wake(firn, "/");
          const grown = await memoryGrowth(await workerdPid());
          fresh.push(await next());
          memory.push((await grown()) / KIB_PER_MIB);
        }
        report({ name: "compose.fresh", unit: "ms", values: fresh });
        report({ name: "compose.memory", unit: "MiB", values: memory });
      }
      if (!wanted("compose.fresh.pinged")) return;
      const pinged: number[] = [];
      for (let run = 0; run < freshRuns; run++) {
        await firn.restartEdge();
        await wake(firn, "/v2/");
        await sleep(ROUND_TRIP_MS);
        pinged.push(await next());
      }
      report({ name: "compose.fresh.pinged", unit: "ms", values: pinged });
    }),
};

/** Images of `shell` and 2 to 5 more packages, in an order drawn by `seed`; none comes twice. */
function* newImages(seed: number): Generator<string, void, void> {
  const subsets = Array.from({ length: 2 ** PACKAGES.length }, (_, bits) =>
    PACKAGES.filter((_, index) => (bits >> index) % 2 === 1),
  ).filter(({ length }) => length >= SMALLEST && length <= LARGEST);
  for (const subset of shuffled(subsets, seeded(seed))) yield `shell/${subset.join("/")}`;
}

/** Starts the isolate and the bucket's server: neither start is part of composing. */
async function wake({ url, edge }: Firn, path: string): Promise<void> {
  const missing = await fetch(await presign(edge.s3, "blobs/none", 60));
  await missing.body?.cancel();
  const answer = await fetch(`${url}${path}`);
  await answer.body?.cancel();
  if (!answer.ok) throw new Error(`GET ${path} answered ${answer.status}`);
}
