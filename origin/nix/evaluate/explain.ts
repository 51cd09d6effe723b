/** What a name that is no buildable package is called towards whoever asked for it. */
import type { Failure } from "../../../edge/contract/messages.ts";
import type { Description } from "./describe.ts";
import { failure } from "../failures.ts";

type Unbuildable = Exclude<Description, { kind: "package" }>;

/** Nix's type names as people say them. */
const TYPES: Readonly<Record<string, string>> = {
  lambda: "a function",
  set: "a set of packages",
  int: "a number",
  float: "a number",
  bool: "true or false",
  null: "null",
};
const typeName = (type: string): string => TYPES[type] ?? `a ${type}`;

/** `nearest`: names that do exist, best first. */
export function explain(description: Unbuildable, nearest: readonly string[] = []): Failure {
  const { name } = description;
  switch (description.kind) {
    case "missing": {
      const { missing, path, type } = description;
      const at = path.join(".");
      const words =
        path.length === 0
          ? `there is no package ${missing}`
          : type === "set"
            ? `there is no ${missing} in ${at}`
            : type === "package"
              ? `the package ${at} has no output and no attribute ${missing}`
              : `${at} is ${typeName(type)}, so there is no ${missing} in it`;
      return failure("unknown", words, { nearest });
    }
    case "other":
      return failure(
        "unknown",
        `${name} is ${typeName(description.type)}, not a package${description.type === "set" ? `: ask for one of them, ${name}.<package>` : ""}`,
      );
    case "foreign":
      return failure("unknown", `this package set has ${name} for ${description.system} only`);
    case "refused":
      return failure("refused", `${name}: ${description.reason}`);
  }
}
