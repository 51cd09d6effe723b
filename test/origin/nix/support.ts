/**
 * What the tests of the Nix side share: whether this machine has Nix, temporary directories, small
 * package sets that nothing has built before.
 */
import { spawnSync } from "node:child_process";
import { randomUUID } from "node:crypto";
import { chmodSync, existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import type { TestContext } from "node:test";
import { execa } from "execa";
import { generateOriginKey } from "../../../origin/channel/index.ts";
import { openPackageSet, type PackageSetOptions } from "../../../origin/nix/package-set.ts";
import {
  type BuildOutcome,
  type PackageSet,
  UnknownRevisionError,
} from "../../../origin/nix/types.ts";
import { tied } from "../../../origin/process-tie.ts";

// Debian's single-user Nix has no configuration; a machine that has one keeps its own.
if (process.env["NIX_CONFIG"] === undefined && !existsSync("/etc/nix/nix.conf")) {
  process.env["NIX_CONFIG"] = ["build-users-group =", "sandbox = false", "substituters ="].join(
    "\n",
  );
}

const found = (program: string): boolean =>
  spawnSync(program, ["--version"], { stdio: "ignore" }).status === 0;

/** Options for `test`: skipped where a program is missing, but never in CI. */
export function needs(...programs: string[]): { skip: string | false } {
  const missing = programs.filter((program) => !found(program));
  return {
    skip:
      missing.length > 0 && process.env["CI"] !== "true" ? `needs ${missing.join(", ")}` : false,
  };
}

export function temporary(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), "firn-nix-"));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

export const signal = new AbortController().signal;
export const quiet = { info: () => {}, warn: () => {}, error: () => {} };
export const system = "x86_64-linux";

/**
 * A default.nix with these attributes. `mk name script` makes a derivation; the salt in it keeps
 * store paths of one test apart from every other run's.
 */
export function packageSet(attributes: string, salt: string = randomUUID()): string {
  return `{ system ? builtins.currentSystem, ... }:
let
  mk = name: script: mkWith name { } script;
  mkWith = name: extra: script: derivation ({
    inherit name system; salt = "${salt}"; PATH = "/usr/bin:/bin";
    builder = "/bin/sh"; args = [ "-ec" script ];
  } // extra);
  program = name: mk name
    "mkdir -p $out/bin; echo '#!/bin/sh' > $out/bin/\${name}; chmod +x $out/bin/\${name}";
in rec { ${attributes} }
`;
}

/** A directory with a default.nix. */
export function directoryWith(t: TestContext, text: string): string {
  const directory = temporary(t);
  writeFileSync(join(directory, "default.nix"), text);
  return directory;
}

export function open(
  t: TestContext,
  spec: string,
  options: Partial<PackageSetOptions> = {},
): Promise<PackageSet> {
  return openPackageSet(spec, {
    stateDir: temporary(t),
    systems: [system],
    nixTimeout: 60,
    logger: quiet,
    ...options,
  });
}

/** Opens a set of these attributes and builds names of it. */
export async function buildOf(
  t: TestContext,
  attributes: string,
  names: readonly string[],
  options: Partial<PackageSetOptions> = {},
): Promise<BuildOutcome[]> {
  const set = await open(t, `path:${directoryWith(t, packageSet(attributes))}`, options);
  // A test that takes too long ends what it has started.
  const { signal } = t;
  return set.build(
    { revision: await set.resolve("latest", signal), system, names },
    { signal, log: () => {} },
  );
}

/** For assert.rejects: the revision is not to be had, here or anywhere. */
export const unknownRevision =
  (revision: string, scope: UnknownRevisionError["scope"]) =>
  (error: unknown): boolean =>
    error instanceof UnknownRevisionError && error.revision === revision && error.scope === scope;

/** name → store path, or the failure's reason and message. */
export function summary(outcomes: readonly BuildOutcome[]): Record<string, string> {
  return Object.fromEntries(
    outcomes.map((outcome) =>
      outcome.kind === "built"
        ? [outcome.package.name, outcome.package.attribute]
        : [outcome.name, `${outcome.failure.reason}: ${outcome.failure.message}`],
    ),
  );
}

/** A program in a directory of its own. */
export function script(t: TestContext, text: string): string {
  const path = join(temporary(t), "program");
  writeFileSync(path, `#!/bin/sh\n${text}\n`);
  chmodSync(path, 0o755);
  return path;
}

/**
 * Starts `firn origin` with programs of these names first on PATH (shell scripts), and `env`;
 * `before`: a program that runs it. It ends with the test.
 */
export function firnOrigin(
  t: TestContext,
  programs: Readonly<Record<string, string>>,
  env: Readonly<Record<string, string>>,
  before: readonly string[] = [],
) {
  const directory = temporary(t);
  for (const [name, text] of Object.entries(programs))
    writeFileSync(join(directory, name), `#!/bin/sh\n${text}\n`, { mode: 0o755 });
  const key = join(directory, "key");
  writeFileSync(key, generateOriginKey().privateKey);
  const [program = "", ...rest] = [...before, process.execPath, MAIN, "origin"];
  const [command, ...args] = tied("TERM", [program, ...rest]);
  return execa(command, args, {
    env: {
      PATH: `${directory}${delimiter}${process.env["PATH"] ?? ""}`,
      HOME: directory,
      STATE_DIR: join(directory, "state"),
      DISK_GC: "off",
      ORIGIN_NAME: "test",
      ORIGIN_KEY_FILE: key,
      S3_ENDPOINT: "http://127.0.0.1:1",
      S3_BUCKET: "bucket",
      S3_ACCESS_KEY_ID: "id",
      S3_SECRET_ACCESS_KEY: "secret",
      ...env,
    },
    extendEnv: false,
    reject: false,
    cancelSignal: t.signal,
    forceKillAfterDelay: 1_000,
    killDescendants: true,
  });
}

const MAIN = join(import.meta.dirname, "../../../origin/main.ts");
