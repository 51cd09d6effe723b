/**
 * Seconds from an empty bucket to the whole image, store paths built before: `cold.shell`, and then
 * `cold.next`, an image that shares its shell; and both as multiples of what `pigz -6` takes for
 * the tar of `shell`, in the same run.
 */
import { removeTree, tempDir } from "../harness/temp.ts";
import { pullImage } from "../harness/registry-client.ts";
import { ratios } from "./figures.ts";
import { seconds, withFirn } from "./firn.ts";
import type { Part } from "./part.ts";
import { shellClosure } from "./shell-closure.ts";
import { PIGZ, pigz, writeTar } from "./yardsticks.ts";

const SHELL = "shell";
const NEXT = "shell/git/curl/python3";
const RUNS = 5;

export const cold: Part = {
  groups: ["cold"],
  needs: [PIGZ],
  async run({ runs = RUNS, signal }, report) {
    // Nix builds before anything is measured: what is measured is packing, moving and answering.
    await withFirn({}, (firn) => pullImage(firn.url, NEXT));
    const closure = await shellClosure();
    const directory = await tempDir("bench-cold");
    const times = { shell: [] as number[], next: [] as number[], pigz: [] as number[] };
    try {
      const tar = await writeTar(closure, directory);
      for (let run = 0; run < runs; run++) {
        signal.throwIfAborted();
        times.pigz.push((await pigz(tar)).ms / 1_000);
        await withFirn({}, async (firn) => {
          times.shell.push(await seconds(() => pullImage(firn.url, SHELL)));
          times.next.push(await seconds(() => pullImage(firn.url, NEXT)));
        });
      }
    } finally {
      await removeTree(directory);
    }
    for (const name of ["shell", "next"] as const) {
      report({ name: `cold.${name}`, unit: "s", values: times[name] });
      const multiples = ratios(times[name], times.pigz);
      report({ name: `cold.${name}.pigz`, unit: "× pigz -6", values: multiples });
    }
  },
};
