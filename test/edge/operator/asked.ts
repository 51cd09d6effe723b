/** What the examples for Prometheus and Grafana ask for, read without either program. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { ITEM_RESULTS, LANES, ORIGIN_STATES } from "../../../edge/contract/farm-state.ts";

export const EXAMPLES = join(import.meta.dirname, "../../../edge/operator/examples");
export const example = (name: string): Promise<string> => readFile(join(EXAMPLES, name), "utf8");

/** What Prometheus itself adds to what it scrapes. */
export const OF_PROMETHEUS = ["job", "instance"];
const FUNCTIONS = new Set(
  "sum rate increase count by on and or vector clamp_min predict_linear histogram_quantile".split(
    " ",
  ),
);
/** Labels that have few values, which are known. */
const VALUES: Readonly<Record<string, readonly string[]>> = {
  result: ITEM_RESULTS,
  lane: LANES,
  kind: ["tag", "package", "index", "level"],
  state: [...ORIGIN_STATES, "total", "used"],
};

/** What of an expression nobody has: metrics, labels, values of labels. */
export function faults(
  expression: string,
  known: ReadonlyMap<string, ReadonlySet<string>>,
): string[] {
  const wrong: string[] = [];
  const labels = new Set<string>();
  const bare = expression
    .replace(/([a-z_0-9]+)\{([^}]*)\}/g, (_, name: string, selectors: string) => {
      for (const [, label = "", value = ""] of selectors.matchAll(/([a-z_]+)=~?"([^"]*)"/g)) {
        if (known.get(name)?.has(label) !== true) wrong.push(`${name} has no label ${label}`);
        const values = VALUES[label];
        if (values === undefined || value.startsWith("$")) continue;
        wrong.push(...value.split("|").filter((one) => !values.includes(one)));
      }
      return ` ${name} `;
    })
    .replace(/\[[^\]]*\]/g, " ")
    .replace(/\b(by|on) \(([^)]*)\)/g, (_, _how, list: string) => {
      for (const [label] of list.matchAll(/[a-z_]+/g)) labels.add(label);
      return " ";
    });
  const used = Array.from(bare.matchAll(/[a-z_][a-z_0-9]*/g), ([name]) => name).filter(
    (name) => !FUNCTIONS.has(name),
  );
  if (used.length === 0) wrong.push("it asks for no metric");
  for (const name of used) if (!known.has(name)) wrong.push(`there is no metric ${name}`);
  for (const label of labels)
    if (!used.some((name) => known.get(name)?.has(label) === true))
      wrong.push(`nothing has the label ${label}`);
  return wrong;
}

/** The rules of alerts.yaml, which has one field a line. */
export const rulesOf = (yaml: string): Record<string, string>[] =>
  yaml
    .split(/^ {6}- (?=alert:)/m)
    .slice(1)
    .map((rule) =>
      Object.fromEntries(
        Array.from(rule.matchAll(/^ *([a-z]+):[ \t]*(\S.*)$/gm), ([, field = "", value = ""]) => [
          field,
          value,
        ]),
      ),
    );

interface Dashboard {
  readonly panels: readonly {
    readonly title: string;
    readonly targets?: readonly { readonly expr: string }[];
  }[];
}

/** The expressions of a dashboard, with the panels that they are in. */
export const expressionsOf = (dashboard: string): { where: string; expr: string }[] =>
  (JSON.parse(dashboard) as Dashboard).panels.flatMap(({ title, targets = [] }) =>
    targets.map(({ expr }) => ({ where: title, expr })),
  );
