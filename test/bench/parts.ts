/** All parts of the bench, in the order in which they run. */
import { abuse } from "./abuse.ts";
import { cold } from "./cold.ts";
import { compose } from "./compose.ts";
import { farm } from "./farm.ts";
import { hot } from "./hot.ts";
import { layersBench } from "./layers/index.ts";
import { pack } from "./pack.ts";
import type { Part } from "./part.ts";
import { pull } from "./pull/index.ts";

const layers: Part = {
  groups: ["layers"],
  needs: [],
  async run({ seed }, report) {
    for await (const { name, value, unit } of layersBench({ seed }))
      report({ name, unit, values: [value] });
  },
};

export const PARTS: readonly Part[] = [cold, compose, hot, pull, pack, layers, abuse, farm];
