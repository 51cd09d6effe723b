/** What the bench measures, as values with their spread and their ratio to a yardstick. */

export interface Figure {
  /** `pull.docker.first`: the part's name, then what of it. */
  readonly name: string;
  readonly unit: string;
  /** One for each run, in the order of the runs. */
  readonly values: readonly number[];
  /** What it is compared with: measured in the same run of the bench, in the same unit. */
  readonly yardstick?: Pick<Figure, "name" | "values">;
}
export type Report = (figure: Figure) => void;

export interface Spread {
  readonly min: number;
  readonly median: number;
  readonly max: number;
}

/** Throws a RangeError when there are no values. */
export function spread(values: readonly number[]): Spread {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = (sorted.length - 1) / 2;
  const [min, max] = [sorted[0], sorted.at(-1)];
  const [lower, upper] = [sorted[Math.floor(middle)], sorted[Math.ceil(middle)]];
  if (min === undefined || max === undefined || lower === undefined || upper === undefined)
    throw new RangeError("no values: there is no spread");
  return { min, median: (lower + upper) / 2, max };
}

/**
 * Each value as a multiple of the yardstick's value of the same run, since both met the same
 * machine; of the yardstick's median where the numbers of runs differ.
 */
export function ratios(values: readonly number[], yardstick: readonly number[]): number[] {
  const usual = spread(yardstick).median;
  const paired = values.length === yardstick.length;
  return values.map((value, run) => value / (paired ? (yardstick[run] ?? usual) : usual));
}

/** One line for a person: the median, then what the runs were between, then the ratio. */
export function toText({ name, unit, values, yardstick }: Figure): string {
  const line = `${name.padEnd(40)} ${rounded(spread(values).median).padStart(8)} ${unit}`;
  const parts = [values.length > 1 ? `${line.padEnd(60)} ${range(values)}` : line];
  if (yardstick !== undefined) {
    const times = ratios(values, yardstick.values);
    parts.push(`${rounded(spread(times).median)} × ${yardstick.name} ${range(times)}`);
  }
  return parts.join("   ").trimEnd();
}

/** One JSON object for a program; `value` is the median. */
export function toJson({ name, unit, values, yardstick }: Figure): string {
  const { min, median, max } = spread(values);
  return JSON.stringify(
    {
      name,
      value: median,
      unit,
      min,
      max,
      runs: values.length,
      ...(yardstick === undefined
        ? {}
        : { ratio: { to: yardstick.name, ...spread(ratios(values, yardstick.values)) } }),
    },
    (_, value: unknown) => (typeof value === "number" ? Number(rounded(value)) : value),
  );
}

const DIGITS = 4;
const rounded = (value: number): string => String(Number(value.toPrecision(DIGITS)));

function range(values: readonly number[]): string {
  if (values.length < 2) return "";
  const { min, max } = spread(values);
  return `(${rounded(min)} to ${rounded(max)}, ${values.length} runs)`;
}
