import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { type License, MAX_LICENSES, SPDX_ID } from "../../../edge/contract/closure.ts";
import type { Found } from "../evaluate/describe.ts";
import type { BuiltPackage } from "../types.ts";

/** Longest metadata text (records.ts). */
const MAX_TEXT = 1_000;

/** What documents may link to: nothing that a browser would run. */
const isUrl = (text: string): boolean =>
  /^https?:\/\//.test(text) && text.length <= MAX_TEXT && URL.canParse(text);

/** The metadata of a package that is in the store, within the limits of a package record. */
export function builtPackage(found: Found): BuiltPackage {
  const mainProgram = programOf(found);
  const description = found.description.replace(/\s+/g, " ").trim().slice(0, MAX_TEXT);
  const homepage = isUrl(found.homepage) ? found.homepage : "";
  return {
    name: found.name,
    attribute: found.attribute.slice(0, MAX_TEXT),
    pname: found.pname.slice(0, MAX_TEXT),
    version: found.version.slice(0, MAX_TEXT),
    ...(description === "" ? {} : { description }),
    ...(mainProgram === undefined ? {} : { mainProgram }),
    ...(found.warning === undefined ? {} : { warning: found.warning }),
    storePath: found.storePath,
    derivation: found.drvPath,
    output: found.output,
    ...(homepage === "" ? {} : { homepage }),
    licenses: licensesOf(found),
  };
}

/** Licences that have a name of some kind; an identifier that cannot be SPDX's is a name. */
function licensesOf({ licenses }: Found): License[] {
  return licenses.slice(0, MAX_LICENSES).flatMap(({ spdxId, name }) => {
    const license = {
      ...(SPDX_ID.test(spdxId) ? { spdxId } : {}),
      ...(name === "" ? {} : { name: name.slice(0, MAX_TEXT) }),
    };
    return Object.keys(license).length === 0 ? [] : [license];
  });
}

/**
 * The program that the package names (meta.mainProgram), else one of the package's own name (as
 * nixpkgs' getExe), else its only one; undefined when the file does not exist.
 */
function programOf({ storePath, mainProgram, pname }: Found): string | undefined {
  const bin = join(storePath, "bin");
  const named = [mainProgram, pname].find(
    (name) => /^[^/\0]{1,255}$/.test(name) && isProgram(join(bin, name)),
  );
  if (named !== undefined) return named;
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
    // A dangling link, or one that leads to where this process may not read.
    return false;
  }
}
