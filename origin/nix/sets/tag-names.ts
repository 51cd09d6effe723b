/** The names of a repository's branches and tags that can be tags of an image. */
import { MAX_TAG_NAMES } from "../../../edge/contract/tag-names.ts";
import { TAG_PATTERN } from "../../../edge/contract/names.ts";

/** Branches, then git tags with the highest version first; MAX_TAG_NAMES names at most. */
export function tagNames(refs: Iterable<string>): string[] {
  const all = [...refs];
  const below = (prefix: string): string[] =>
    all
      .filter((ref) => ref.startsWith(prefix))
      .map((ref) => ref.slice(prefix.length))
      .filter((name) => TAG_PATTERN.test(name));
  const byNumber = new Intl.Collator("en", { numeric: true }).compare;
  const tags = below("refs/tags/").sort((a, b) => byNumber(b, a));
  return [...new Set([...below("refs/heads/").sort(), ...tags])].slice(0, MAX_TAG_NAMES);
}
