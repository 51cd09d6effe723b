/** Closures of made-up packages. */
import { createHash } from "node:crypto";
import {
  CLOSURE_FORMAT,
  type ClosureEntry,
  closurePaths,
  type PackageClosure,
} from "../../edge/contract/closure.ts";

/** A store path of a closure: `narHash` is made from the path, as if its contents were its name. */
export const entry = (path: string, facts: Partial<ClosureEntry> = {}): ClosureEntry => ({
  path,
  narHash: `sha256:${createHash("sha256").update(`nar of ${path}`).digest("hex")}`,
  narSize: 1_000,
  references: [],
  deriver: `${path}.drv`,
  ...facts,
});

/** The closure of the last of these. */
export function closureOf(...entries: readonly ClosureEntry[]): PackageClosure {
  const root = entries.at(-1);
  if (root === undefined) throw new TypeError("a closure has a store path");
  return {
    format: CLOSURE_FORMAT,
    nix: "2.31.4",
    derivation: `${root.path}.drv`,
    output: "out",
    paths: closurePaths(entries),
  };
}

/** A package that needs these store paths, as an origin lists it. */
export const samplePackage = (
  storePath: string,
  needs: readonly string[] = [],
  facts: Partial<ClosureEntry> = {},
): PackageClosure =>
  closureOf(
    ...needs.filter((path) => path !== storePath).map((path) => entry(path)),
    entry(storePath, {
      references: needs.filter((path) => path !== storePath),
      ...facts,
    }),
  );
