/** Metadata of packages (version, description, licences), from Nix's form to that of records. */
import * as v from "valibot";
import { type License, MAX_LICENSES, type Metadata, SPDX_ID } from "../../edge/contract/closure.ts";

/** Longest metadata text (edge/contract/fields.ts). */
export const MAX_TEXT = 1_000;

const text = v.string();
/** A package's metadata as nix/describe.nix gives it, with empty texts for what is not known. */
export const SaidEntries = {
  pname: text,
  version: text,
  description: text,
  homepage: text,
  licenses: v.array(v.object({ spdxId: text, name: text })),
};
type Said = v.InferOutput<v.ObjectSchema<typeof SaidEntries, undefined>>;
/** The metadata within the limits of records: texts are cut, what does not fit is left out. */
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

/** Whether a homepage may become a link: `javascript:` and the like may not. */
const isUrl = (given: string): boolean =>
  /^https?:\/\//.test(given) && given.length <= MAX_TEXT && URL.canParse(given);

/** Licences with an SPDX identifier or a name. */
function licensesOf({ licenses }: Said): License[] {
  return licenses.slice(0, MAX_LICENSES).flatMap(({ spdxId, name }) => {
    const license = {
      ...(SPDX_ID.test(spdxId) ? { spdxId } : {}),
      ...(name === "" ? {} : { name: name.slice(0, MAX_TEXT) }),
    };
    return Object.keys(license).length === 0 ? [] : [license];
  });
}
