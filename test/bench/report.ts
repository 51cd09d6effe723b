/** What a measurement hands back. */
export interface Figure {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
}
export type Report = (figure: Figure) => void;

/**
 * `names`: what the user asked for; all when empty. A name asks for itself and for everything below
 * it: `cold` for cold.shell and cold.next.
 */
export function wanted(names: readonly string[], name: string): boolean {
  return (
    names.length === 0 || names.some((asked) => name === asked || name.startsWith(`${asked}.`))
  );
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length / 2;
  const upper = sorted[Math.floor(middle)];
  const lower = sorted[Math.ceil(middle) - 1];
  if (upper === undefined || lower === undefined) throw new RangeError("the median of nothing");
  return (lower + upper) / 2;
}
