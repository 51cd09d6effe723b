/**
 * The attribute names of a package set, and which of them a component of an image name means. The
 * rules are those of nix/find.nix, which an origin evaluates. They must not differ: the edge
 * answers 404 for names that mean nothing, which would hide packages that exist.
 */
import * as v from "valibot";
import { MAX_INDEX_NAMES } from "./index-record.ts";

/** Attribute names in Nix's spelling and order. */
export const NamesSchema = v.pipe(v.array(v.string()), v.maxLength(MAX_INDEX_NAMES));

/**
 * The attribute that a component means, or undefined. A component with a leading digit is also
 * looked up with `_` before it (7zz → _7zz). An attribute of exactly that name comes first, then
 * the first in order that differs only by case (imagemagick → ImageMagick).
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
 * How an attribute is spelled in an image's name: in lower case, without the `_` before a leading
 * digit.
 */
export const typedName = (attribute: string): string =>
  attribute.toLowerCase().replace(/^_(?=[0-9])/, "");

/** Names by their lower case, in order. Cached per list: an image may request 64 names. */
const indexes = new WeakMap<readonly string[], ReadonlyMap<string, readonly string[]>>();

function byLowerCase(names: readonly string[]): ReadonlyMap<string, readonly string[]> {
  let index = indexes.get(names);
  if (index === undefined) indexes.set(names, (index = Map.groupBy(names, lower)));
  return index;
}

/** As nix/find.nix does it: toLowerCase would take the Kelvin sign for a k. */
const lower = (name: string): string => name.replaceAll(/[A-Z]/g, (letter) => letter.toLowerCase());
