/**
 * Ranks the names of a package set by how well they match a query, best first. Pure.
 *
 *   git      git                exactly that name
 *            git-lfs gitea      begin with it
 *            lazygit            contain it, at the start of a word or elsewhere
 *            gti → git          differ by a few letters (contract/nearest.ts)
 *   json     jq                the description has the word
 *
 * Within one of these lines, more pulled names come first, then shorter ones, then alphabetically.
 */
import { nearest } from "../contract/nearest.ts";
import type { PackageAbout } from "../contract/package-about.ts";
import { typedName } from "../contract/package-index.ts";
import { ComponentSchema } from "../contract/records.ts";
import * as v from "valibot";

/** Most names whose descriptions are searched and ranked. */
const MAX_DESCRIBED = 500;
/** With fewer matches than this, similarly spelled names are added. */
const FEW = 5;

export interface Ranked {
  /** In Nix's spelling. */
  readonly attribute: string;
  /** As in an image's name, without the sets that contain it. */
  readonly name: string;
}

/** How well a name matches, best first. */
const EXACT = 0;
const BEGINS = 1;
const WORD = 2;
const HOLDS = 3;
const NEAR = 4;
const DESCRIBED = 5;

export interface Ranking {
  /** In Nix's spelling and order. */
  readonly attributes: readonly string[];
  readonly about: PackageAbout | null;
  /** Number of pulls of a name, spelled as in an image's name. */
  readonly pulls: (name: string) => number;
  /** Whether the caller may ask for it. */
  readonly allowed: (name: string) => boolean;
}

/** Every name that matches the query, best first; for an empty query the names that were pulled. */
export function rank(query: string, { attributes, about, pulls, allowed }: Ranking): Ranked[] {
  const words = query.toLowerCase().split(/\s+/).filter(Boolean);
  const found = new Map<string, { readonly attribute: string; readonly match: number }>();
  const add = (attribute: string, name: string, match: number): void => {
    const known = found.get(name);
    if (known !== undefined && known.match <= match) return;
    if (v.is(ComponentSchema, name) && allowed(name)) found.set(name, { attribute, match });
  };
  const typed = typedNames(attributes);
  for (const [at, name] of typed.entries()) {
    const attribute = attributes[at] ?? name;
    if (words.length === 0) {
      if (pulls(name) > 0) add(attribute, name, EXACT);
      continue;
    }
    const matches = words.map((word) => matchOf(name, word));
    const match = Math.max(...matches);
    if (match < Infinity) add(attribute, name, match);
  }
  if (words.length > 0)
    for (const attribute of about?.describedBy(words, MAX_DESCRIBED) ?? [])
      add(attribute, typedName(attribute), DESCRIBED);
  const [only, ...others] = words;
  if (found.size < FEW && only !== undefined && others.length === 0)
    for (const name of nearest(attributes, [], only))
      add(attributes[typed.indexOf(name)] ?? name, name, NEAR);

  return Array.from(found, ([name, { attribute, match }]) => ({ name, attribute, match }))
    .sort(
      (a, b) =>
        a.match - b.match ||
        pulls(b.name) - pulls(a.name) ||
        a.name.length - b.name.length ||
        (a.name < b.name ? -1 : 1),
    )
    .map(({ name, attribute }) => ({ name, attribute }));
}

function matchOf(name: string, word: string): number {
  const at = name.indexOf(word);
  if (at < 0) return Infinity;
  if (at === 0) return name.length === word.length ? EXACT : BEGINS;
  return /[-_.]/.test(name.charAt(at - 1)) ? WORD : HOLDS;
}

/** Cached per list: nixpkgs has 25,000 names. */
const typedLists = new WeakMap<readonly string[], readonly string[]>();

function typedNames(attributes: readonly string[]): readonly string[] {
  let typed = typedLists.get(attributes);
  if (typed === undefined) typedLists.set(attributes, (typed = attributes.map(typedName)));
  return typed;
}
