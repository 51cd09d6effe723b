/** A binary cache's description of one store path (`<hash>.narinfo`): lines of `Key: value`. */

export interface NarInfo {
  readonly path: string;
  readonly narSize: number;
  /** Whole store paths, without itself. */
  readonly references: readonly string[];
}

/** Names of store paths. Others in an answer of a cache are refused, since names get into files. */
const BASE_NAME = /^[0-9a-z]{32}-[0-9a-zA-Z+\-._?=]{1,211}$/;
const STORE = "/nix/store/";

/** Parses a narinfo. Throws an Error when a needed field is missing or not valid. */
export function parseNarInfo(text: string): NarInfo {
  const fields = new Map(
    text.split("\n").flatMap((line) => {
      const colon = line.indexOf(": ");
      return colon > 0 ? [[line.slice(0, colon), line.slice(colon + 2).trim()] as const] : [];
    }),
  );
  const path = fields.get("StorePath") ?? "";
  const narSize = Number(fields.get("NarSize"));
  if (!isStorePath(path))
    throw new Error(`a narinfo has no store path below ${STORE}: ${path.slice(0, 200)}`);
  if (!Number.isSafeInteger(narSize) || narSize < 0)
    throw new Error(`the narinfo of ${path} has no NarSize`);
  // "References:" may be empty.
  const references = (fields.get("References") ?? "")
    .split(" ")
    .filter((name) => BASE_NAME.test(name))
    .map((name) => `${STORE}${name}`);
  return { path, narSize, references: references.filter((reference) => reference !== path).sort() };
}

export const isStorePath = (path: string): boolean =>
  path.startsWith(STORE) && BASE_NAME.test(path.slice(STORE.length));
export const hashOf = (path: string): string => path.slice(STORE.length, STORE.length + 32);
