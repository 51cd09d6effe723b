/** The items of a job and their results as text, for the log. */
import type { Item, Result } from "../../edge/contract/items.ts";

/** Longest reason of one item in the log, characters. */
const MAX_REASON = 300;

/** The items that failed, for the log: `git: error, building git failed: the disk is full`. */
export const failuresInWords = (items: readonly Item[], results: readonly Result[]): string[] =>
  items.flatMap((item, at) => {
    const result = results[at];
    if (result?.kind !== "failure") return [];
    const { reason, message } = result.failure;
    return `${itemInWords(item)}: ${reason}, ${message.slice(0, MAX_REASON)}`;
  });

/** An item for the log: `tag latest`, `git`, `git level 1`, `index of python3Packages`. */
export function itemInWords(item: Item): string {
  switch (item.kind) {
    case "tag":
      return `tag ${item.tag}`;
    case "index":
      return item.path.length === 0 ? "index" : `index of ${item.path.join(".")}`;
    case "package":
      return item.level === undefined ? item.name : `${item.name} level ${item.level}`;
  }
}
