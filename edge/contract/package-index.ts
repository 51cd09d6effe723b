/**
 * The attribute names of a package set, and which of them a component of an image name means. The
 * rules are those of nix/find.nix, which an origin evaluates. The edge answers 404 for names that
 * mean nothing, so a difference would hide packages that exist.
 */
import * as v from "valibot";
import { MAX_INDEX_NAMES } from "./index-record.ts";

/** Attribute names as Nix spells and sorts them. */
export const NamesSchema = v.pipe(v.array(v.string()), v.maxLength(MAX_INDEX_NAMES));

/**
 * The attribute that a component means, or undefined when there is none. The first of these is
 * taken, for a leading digit with `_` before it as well (7zz → _7zz): the attribute of exactly that
 * name; the first in sorted order that differs by case only (imagemagick → ImageMagick).
 */
export function attributeFor(names: readonly string[], component: string): string | undefined {
  const index = byLowerCase(names);
  const wanted = /^[0-9]/.test(component) ? [component, `_${component}`] : [component];
  const exact = wanted.find((name) => index.get(name)?.includes(name));
  if (exact !== undefined) return exact;
  const found = wanted.find((name) => index.has(name));
  return found === undefined ? undefined : index.get(found)?.[0];
}

/**
 * How an attribute is written in an image's name: in lower case, without the `_` before a leading
 * digit.
 */
export const typedName = (attribute: string): string =>
  attribute.toLowerCase().replace(/^_(?=[0-9])/, "");

/**
 * Names by their lower case, in their order. Made once for a list: an image may ask for 64 names.
 */
const indexes = new WeakMap<readonly string[], ReadonlyMap<string, readonly string[]>>();

function byLowerCase(names: readonly string[]): ReadonlyMap<string, readonly string[]> {
  let index = indexes.get(names);
  if (index === undefined) indexes.set(names, (index = Map.groupBy(names, lower)));
  return index;
}

/** As nix/find.nix does it: toLowerCase would take the Kelvin sign for a k. */
const lower = (name: string): string => name.replaceAll(/[A-Z]/g, (letter) => letter.toLowerCase());
