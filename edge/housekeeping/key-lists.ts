/** Keys as lists that SQLite in a Durable Object takes as one parameter. Pure. */

/** Most keys in one list: a text has at most 2 MB there, and a key some 500 bytes. */
const LISTED = 2_000;

/** The keys as JSON lists, in their order. */
export function listsOf(keys: readonly string[]): string[] {
  const lists: string[] = [];
  for (let at = 0; at < keys.length; at += LISTED)
    lists.push(JSON.stringify(keys.slice(at, at + LISTED)));
  return lists;
}
