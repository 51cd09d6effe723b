/**
 * Turns what was found and built into outcomes: what names mean to a person, and the metadata of
 * what is in the store.
 */
import { statSync } from "node:fs";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { StorePathSchema } from "../../../edge/contract/records.ts";
import * as v from "valibot";
import type { Found } from "../evaluate/describe.ts";
import type { BuiltPackage } from "../types.ts";

/** Longest metadata text (records.ts). */
const MAX_TEXT = 1_000;

export function isStorePath(path: string): boolean {
  return v.is(StorePathSchema, path);
}

export function builtPackage(found: Found): BuiltPackage {
  const mainProgram = programOf(found);
  const description = found.description.replace(/\s+/g, " ").trim().slice(0, MAX_TEXT);
  return {
    name: found.name,
    attribute: found.attribute.slice(0, MAX_TEXT),
    pname: found.pname.slice(0, MAX_TEXT),
    version: found.version.slice(0, MAX_TEXT),
    ...(description === "" ? {} : { description }),
    ...(mainProgram === undefined ? {} : { mainProgram }),
    storePath: found.storePath,
  };
}

/**
 * What the package says it runs (meta.mainProgram), else a program of the package's name (as
 * nixpkgs' getExe), else its only one; always one that is there.
 */
function programOf({ storePath, mainProgram, pname }: Found): string | undefined {
  const bin = join(storePath, "bin");
  const said = [mainProgram, pname].find(
    (name) => /^[^/\0]{1,255}$/.test(name) && isProgram(join(bin, name)),
  );
  if (said !== undefined) return said;
  const all =
    statSync(bin, { throwIfNoEntry: false })?.isDirectory() === true
      ? readdirSync(bin).filter((name) => isProgram(join(bin, name)))
      : [];
  return all.length === 1 ? all[0] : undefined;
}

function isProgram(path: string): boolean {
  try {
    return statSync(path).isFile();
  } catch {
    // A dangling link, a link into nowhere that we may read: no program here.
    return false;
  }
}
