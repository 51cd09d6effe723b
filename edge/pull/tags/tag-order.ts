/**
 * Lexical order as the distribution spec means it ("Content Discovery": case-insensitive
 * alphanumeric order); tags that differ by case alone have a place each, for `last`.
 */
export function inOrder(a: string, b: string): number {
  const [x, y] = [a.toLowerCase(), b.toLowerCase()];
  if (x !== y) return x < y ? -1 : 1;
  return a === b ? 0 : a < b ? -1 : 1;
}
