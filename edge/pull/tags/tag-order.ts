/**
 * Lexical order as in the distribution spec ("Content Discovery": case-insensitive alphanumeric
 * order). Tags that differ only by case have a fixed order too, which `last` needs.
 */
export function inOrder(a: string, b: string): number {
  const [x, y] = [a.toLowerCase(), b.toLowerCase()];
  if (x !== y) return x < y ? -1 : 1;
  return a === b ? 0 : a < b ? -1 : 1;
}
