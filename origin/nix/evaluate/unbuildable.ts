/** The failure for a name that is not a package which can be built. */
import type { Failure } from "../../../edge/contract/items.ts";
import { failure } from "../failures.ts";
import type { Description } from "./describe.ts";
import type { Refusal } from "./restricted.ts";

type Unbuildable = Exclude<Description, { kind: "package" }>;

/** Nix's type names in plain words. */
const TYPES: Readonly<Record<string, string>> = {
  lambda: "a function",
  set: "a set of packages",
  int: "a number",
  float: "a number",
  bool: "true or false",
  null: "null",
};
const typeName = (type: string): string => TYPES[type] ?? `a ${type}`;

/** The failure for such a name. `nearest`: existing names, the nearest first. */
export function unbuildable(description: Unbuildable, nearest: readonly string[] = []): Failure {
  const { name } = description;
  switch (description.kind) {
    case "missing":
      return failure("unknown", missingName(description), { nearest });
    case "other": {
      const hint = description.type === "set" ? `: ask for one of them, ${name}.<package>` : "";
      return failure("unknown", `${name} is ${typeName(description.type)}, not a package${hint}`);
    }
    case "foreign":
      return failure("unknown", `this package set has ${name} for ${description.system} only`);
    case "refused":
      return refusedBy(name, description.refusal);
  }
}

const refusedBy = (name: string, { reason, message, log }: Refusal): Failure =>
  failure(reason, `${name}: ${message}`, reason === "refused" ? {} : { log });

function missingName({ missing, path, type }: Extract<Unbuildable, { kind: "missing" }>): string {
  const parent = path.join(".");
  if (path.length === 0) return `there is no package ${missing}`;
  if (type === "set") return `there is no ${missing} in ${parent}`;
  if (type === "package") return `the package ${parent} has no output and no attribute ${missing}`;
  return `${parent} is ${typeName(type)}, so there is no ${missing} in it`;
}
