/**
 * Suggests names near one that does not exist. Finding them is costly, so their number is limited.
 */
import { nearest } from "../../contract/nearest.ts";
import { memory } from "../../store/memory.ts";

/**
 * Suggestions that an isolate computes in a second: at most a tenth of its time, however many
 * clients ask for nonsense. Further 404 answers have no suggestions.
 */
const SUGGESTED_A_SECOND = 10;
/** Most suggestions that can be saved up in quiet seconds. */
const SUGGESTED_AT_ONCE = 50;
/** About 500: docker asks by HEAD and then by GET, and people try again. */
const REMEMBERED_BYTES = 2 ** 18;

/** By the number of the list, and the component. */
const remembered = memory<string[]>(REMEMBERED_BYTES, (names) => 2 * names.join("").length);
/** Numbers of the lists that were asked for. */
const numbers = new WeakMap<readonly string[], number>();
let lists = 0;
let budget = { at: 0, left: 0 };

/**
 * The names of `index` nearest to a component; empty when there is no time to compute them and they
 * are not remembered. `path`: the set that `index` lists.
 */
export function suggest(
  index: readonly string[],
  path: readonly string[],
  component: string,
): string[] {
  let number = numbers.get(index);
  if (number === undefined) numbers.set(index, (number = ++lists));
  const key = `${number} ${component}`;
  const before = remembered.get(key);
  if (before !== undefined) return before;
  const now = Date.now();
  const left = budget.left + ((now - budget.at) / 1_000) * SUGGESTED_A_SECOND;
  if (left < 1) return [];
  budget = { at: now, left: Math.min(left, SUGGESTED_AT_ONCE) - 1 };
  const names = nearest(index, path, component);
  remembered.set(key, names);
  return names;
}
