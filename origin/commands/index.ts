/** The commands of people who use images; the code of each is loaded when it is run. */
import type { Command } from "@commander-js/extra-typings";
import { addExport, addMirror } from "./define-fetch.ts";
import { addDiff, addInspect, addSearch } from "./define-look.ts";
import { addCompletion, addDoctor } from "./define-machine.ts";
import { addBuild, addPush } from "./define-make.ts";

/** Adds all of them. */
export function addImageCommands(program: Command): void {
  addBuild(program);
  addPush(program);
  addExport(program);
  addMirror(program);
  addInspect(program);
  addDiff(program);
  addSearch(program);
  addDoctor(program);
  addCompletion(program);
}
