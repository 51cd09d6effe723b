/** All parts of the bench, in the order in which they run. */
import { cold } from "./cold.ts";
import { compose } from "./compose.ts";
import { hot } from "./hot.ts";
import { layersBench } from "./layers/index.ts";
import { packBench } from "./pack.ts";
import type { Part } from "./part.ts";
import { pull } from "./pull/index.ts";
import { shellClosure } from "./shell-closure.ts";

const pack: Part = {
  groups: ["pack", "repack"],
  needs: [
    { command: "pigz", debian: "pigz", purpose: "gzip on all cores" },
    { command: "zstd", debian: "zstd", purpose: "zstd on all cores" },
  ],
  async run(_, report) {
    for await (const { name, value, unit } of packBench(await shellClosure()))
      report({ name, unit, values: [value] });
  },
};

const layers: Part = {
  groups: ["layers"],
  needs: [],
  async run({ seed }, report) {
    for await (const { name, value, unit } of layersBench({ seed }))
      report({ name, unit, values: [value] });
  },
};

export const PARTS: readonly Part[] = [cold, compose, hot, pull, pack, layers];
