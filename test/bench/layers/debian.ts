/**
 * Debian's whole archive as a reference graph, read from the package lists that this machine's apt
 * has: a real graph of 63k nodes that needs no network. Size: Installed-Size. References: of
 * Pre-Depends and Depends the first alternative that exists, or the first package that provides it.
 * Programs, what clients request: tagged `role::program` by debtags and built for this
 * architecture, without the sections below.
 */
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import type { GraphNode } from "../../../origin/plan/graph.ts";
import type { World } from "./world.ts";

const run = promisify(execFile);
/** bookworm's list is 50 MB of text. */
const MAX_LIST_BYTES = 2 ** 30;
/** Their packages bear `role::program` beside other roles, but nobody asks for them by name. */
const NOT_PROGRAMS = new Set([
  "doc",
  "libdevel",
  "oldlibs",
  "metapackages",
  "kernel",
  "otherosfs",
  "localization",
  "debug",
  "fonts",
]);
/** Debian's names of what Firn's meta-packages and base hold. */
const SHELL = ["bash", "coreutils", "moreutils", "nano"];
const BASE = ["ca-certificates", "netbase"];

export type Fields = Map<string, string>;

/** Paragraphs of a package list (deb822), continuation lines joined. */
export function* paragraphs(text: string): Generator<Fields> {
  for (const paragraph of text.split("\n\n")) {
    const fields: Fields = new Map();
    let last = "";
    for (const line of paragraph.split("\n")) {
      if (line.startsWith(" ")) fields.set(last, `${fields.get(last) ?? ""}${line}`);
      else {
        const colon = line.indexOf(":");
        if (colon > 0) fields.set((last = line.slice(0, colon)), line.slice(colon + 1).trim());
      }
    }
    if (fields.has("Package")) yield fields;
  }
}

const names = (text: string, separator: string): string[] =>
  text
    .split(separator)
    .map((item) => item.trim().split(/[ (:[]/, 1)[0] ?? "")
    .filter(Boolean);

/** The texts of apt's package lists on this machine; none when apt has none. */
export async function packageLists(): Promise<{ readonly text: string; readonly suite: string }[]> {
  const targets = await run("apt-get", [
    "indextargets",
    "--format",
    "$(FILENAME) $(RELEASE)",
    "Created-By: Packages",
  ]).catch(() => null);
  const lines = (targets?.stdout ?? "")
    .split("\n")
    .filter((line) => line.includes(" "))
    .sort();
  return Promise.all(
    lines.map(async (line) => {
      const [file = "", suite = ""] = line.split(" ");
      const { stdout } = await run("/usr/lib/apt/apt-helper", ["cat-file", file], {
        maxBuffer: MAX_LIST_BYTES,
      });
      return { text: stdout, suite };
    }),
  );
}

/** Installed-Size of a package, bytes. */
export const installedSize = (fields: Fields): number =>
  Number(fields.get("Installed-Size") ?? 0) * 1024;

/**
 * The archive for this machine's architecture, or null when apt has no lists. Of several versions
 * the one of the suite that sorts first.
 */
export async function debianWorld(): Promise<World | null> {
  const packages = new Map<string, Fields>();
  for (const { text } of await packageLists()) {
    for (const fields of paragraphs(text))
      if (!packages.has(fields.get("Package")!)) packages.set(fields.get("Package")!, fields);
  }
  if (packages.size === 0) return null;

  const providers = new Map<string, string>();
  for (const name of [...packages.keys()].sort())
    for (const provided of names(packages.get(name)!.get("Provides") ?? "", ","))
      if (!providers.has(provided)) providers.set(provided, name);
  const references = (fields: Fields): string[] => {
    const found: string[] = [];
    for (const group of [fields.get("Pre-Depends"), fields.get("Depends")].join(",").split(",")) {
      const alternatives = names(group, "|");
      const exists =
        alternatives.find((name) => packages.has(name)) ??
        alternatives.map((name) => providers.get(name)).find((name) => name !== undefined);
      if (exists !== undefined) found.push(exists);
    }
    return found;
  };
  const isProgram = (fields: Fields): boolean =>
    fields.get("Architecture") !== "all" &&
    !NOT_PROGRAMS.has((fields.get("Section") ?? "").replace(/^.*\//, "")) &&
    (fields.get("Tag") ?? "").split(/,\s*/).includes("role::program");
  const fixed = new Set([...SHELL, ...BASE]);
  const nodes: GraphNode[] = [...packages].map(([name, fields]) => ({
    id: name,
    name: `${name}-${(fields.get("Version") ?? "0").replace(/^\d+:/, "")}`,
    size: installedSize(fields),
    references: references(fields),
    ...(fixed.has(name) || isProgram(fields) ? { roots: [name] } : {}),
  }));
  return { name: "debian", nodes, shell: SHELL, base: BASE };
}
