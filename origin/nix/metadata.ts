/** What a package set says of a package: as Nix tells it, and within the limits of records. */
import * as v from "valibot";
import { type License, MAX_LICENSES, type Metadata, SPDX_ID } from "../../edge/contract/closure.ts";

/** Longest metadata text (edge/contract/fields.ts). */
export const MAX_TEXT = 1_000;

const text = v.string();
/** What Nix says of a package, empty where it says nothing (nix/describe.nix). */
export const SaidEntries = {
  pname: text,
  version: text,
  description: text,
  homepage: text,
  licenses: v.array(v.object({ spdxId: text, name: text })),
};
type Said = v.InferOutput<v.ObjectSchema<typeof SaidEntries, undefined>>;
/** What the evaluation said, within the limits of records. */
export function metadataOf(said: Said): Metadata & { pname: string; version: string } {
  const description = said.description.replace(/\s+/g, " ").trim().slice(0, MAX_TEXT);
  const licenses = licensesOf(said);
  return {
    pname: said.pname.slice(0, MAX_TEXT),
    version: said.version.slice(0, MAX_TEXT),
    ...(description === "" ? {} : { description }),
    ...(isUrl(said.homepage) ? { homepage: said.homepage } : {}),
    ...(licenses.length === 0 ? {} : { licenses }),
  };
}

/** What documents may link to: nothing that a browser would run. */
const isUrl = (given: string): boolean =>
  /^https?:\/\//.test(given) && given.length <= MAX_TEXT && URL.canParse(given);

/** Licences that have a name of some kind; an identifier that cannot be SPDX's is a name. */
function licensesOf({ licenses }: Said): License[] {
  return licenses.slice(0, MAX_LICENSES).flatMap(({ spdxId, name }) => {
    const license = {
      ...(SPDX_ID.test(spdxId) ? { spdxId } : {}),
      ...(name === "" ? {} : { name: name.slice(0, MAX_TEXT) }),
    };
    return Object.keys(license).length === 0 ? [] : [license];
  });
}
