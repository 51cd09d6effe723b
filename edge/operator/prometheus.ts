/**
 * Prometheus' text format 0.0.4 ("Exposition formats"). Written by hand, because prom-client needs
 * Node's process, cluster and perf_hooks, which a Worker does not have.
 */

export const CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8";

export interface Sample {
  /** Appended to the family's name: `_sum`, `_count` of a summary. */
  readonly suffix?: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

export interface Family {
  readonly name: string;
  readonly help: string;
  readonly type: "counter" | "gauge" | "summary";
  readonly samples: readonly Sample[];
}

/** All families, each with its HELP and TYPE; the last line ends with a newline too. */
export const exposition = (families: readonly Family[]): string =>
  families.map((family) => `${linesOf(family).join("\n")}\n`).join("");

const linesOf = ({ name, help, type, samples }: Family): string[] => [
  `# HELP ${name} ${escaped(help)}`,
  `# TYPE ${name} ${type}`,
  ...samples.map(
    ({ suffix = "", labels, value }) => `${name}${suffix}${braced(labels)} ${numberText(value)}`,
  ),
];

function braced(labels: Sample["labels"]): string {
  const all = Object.entries(labels).map(
    ([name, value]) => `${name}="${escaped(value).replaceAll('"', '\\"')}"`,
  );
  return all.length === 0 ? "" : `{${all.join(",")}}`;
}

const escaped = (text: string): string => text.replaceAll("\\", "\\\\").replaceAll("\n", "\\n");

/** As Go's ParseFloat reads it. */
const numberText = (value: number): string =>
  Number.isFinite(value)
    ? String(value)
    : Number.isNaN(value)
      ? "NaN"
      : value > 0
        ? "+Inf"
        : "-Inf";
