/**
 * Reads Nix's error message from its output, as one line. Nix 2.8 prints `error: text`, then `at
 * file:line:`; newer versions print `error:`, a trace of `… while …` lines, and the real `error:
 * text` last.
 */
import type { RunResult } from "./run.ts";

/** The store path of the package set's source, which is removed from file names. */
const SOURCE_PREFIX = /\/nix\/store\/[0-9a-z]{32}-source\//g;
/** Lines with the place of the error in the source, and with source text. */
const LOCATION = /^\s*(at |…|\d*\|)|^\s*\(use '--show-trace'/;

/**
 * The last error in Nix's stderr as one line; null when there is none. Of the advice that nixpkgs
 * adds to a reason, only the known issues of an insecure package are kept.
 */
export function errorLine(stderr: readonly string[]): string | null {
  const start = stderr.findLastIndex((line) => /^\s*error: *\S/.test(line));
  const first = stderr[start];
  if (first === undefined) return null;
  const [reason = [], ...others] = paragraphs([
    first.replace(/^\s*error: */, ""),
    ...stderr.slice(start + 1),
  ]);
  const issues =
    others
      .find(([head]) => head === "Known issues:")
      ?.slice(1)
      .map((line) => line.replace(/^- /, "")) ?? [];
  const text =
    issues.length === 0
      ? reason.join(" ")
      : `${reason.join(" ")} Known issues: ${issues.join("; ")}`;
  return text.replace(SOURCE_PREFIX, "").replace(/\s+/g, " ").trim();
}

/** Trimmed lines, in groups separated by empty lines and by places in the source. */
function paragraphs(lines: readonly string[]): string[][] {
  const groups: string[][] = [[]];
  for (const line of lines) {
    if (line.trim() === "" || LOCATION.test(line)) groups.push([]);
    else groups.at(-1)?.push(line.trim());
  }
  return groups.filter((group) => group.length > 0);
}

/**
 * What a line of Nix's output says is wrong with this machine, so that another origin may succeed;
 * null when it says no such thing.
 */
export function machineTrouble(line: string): string | null {
  return TROUBLE.find(([pattern]) => pattern.test(line))?.[1] ?? null;
}

/** Why a call of Nix failed, as one line. `seconds`: its time limit. */
export function whyFailed(
  { stderr, timedOut }: Pick<RunResult, "stderr" | "timedOut">,
  seconds: number,
): string {
  if (timedOut) return `it took longer than ${seconds} s`;
  const line = errorLine(stderr) ?? stderr.at(-1) ?? "Nix gave no reason";
  return machineTrouble(line) ?? line;
}

const TROUBLE: readonly (readonly [RegExp, string])[] = [
  [/No space left on device|ENOSPC|database or disk is full/i, "the disk is full"],
  [/Cannot allocate memory|out of memory|std::bad_alloc/i, "there is not enough memory"],
  [/database disk image is malformed|file is not a database/, "Nix's database is damaged"],
  [
    /database is locked|SQLite database '[^']*' is busy/,
    "Nix's database is locked by another process",
  ],
  [
    /cannot connect to socket|cannot open connection to remote store|Nix daemon disconnected/,
    "the Nix daemon does not answer",
  ],
  [/Read-only file system/, "the Nix store is read-only"],
  [
    /the group '[^']*' specified in 'build-users-group' (does not exist|has no members)/,
    "Nix has no build users",
  ],
  [/build users group '[^']*' has no members/, "Nix has no build users"],
  [
    /is required to build '.*', but I am a|Required system:/,
    "this machine cannot build for the system",
  ],
];
