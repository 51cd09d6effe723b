/**
 * Seconds from an empty bucket to the whole image, store paths built before: `cold.shell`, and then
 * `cold.next`, an image that shares its shell.
 */
import { pullImage } from "../harness/registry-client.ts";
import { seconds, withFirn } from "./firn.ts";
import type { Part } from "./part.ts";

const SHELL = "shell";
const NEXT = "shell/git/curl/python3";
const RUNS = 5;

export const cold: Part = {
  groups: ["cold"],
  needs: [],
  async run({ runs = RUNS, signal }, report) {
    // Nix builds before anything is measured: what is measured is packing, moving and answering.
    await withFirn({}, (firn) => pullImage(firn.url, NEXT));
    const shell: number[] = [];
    const next: number[] = [];
    for (let run = 0; run < runs; run++) {
      signal.throwIfAborted();
      await withFirn({}, async (firn) => {
        shell.push(await seconds(() => pullImage(firn.url, SHELL)));
        next.push(await seconds(() => pullImage(firn.url, NEXT)));
      });
    }
    report({ name: "cold.shell", unit: "s", values: shell });
    report({ name: "cold.next", unit: "s", values: next });
  },
};
