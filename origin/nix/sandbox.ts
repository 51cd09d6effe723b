/**
 * Finds out by a build whether builds are sandboxed. The configuration does not tell: where the
 * kernel refuses a sandbox, Nix may build without one (sandbox-fallback).
 *
 * The build (nix/sandbox-probe.nix) writes what it sees. Inside a sandbox that is:
 *
 *   parent 0              its parent process is in another PID namespace
 *   interface lo:         no network
 *   uid 1000              as whom it runs …
 *   map 1000 30001 1      … which is user 30001 outside
 *
 * and no `marker seen`. In a sandbox without /bin/sh the build cannot run, and Nix's error says so.
 */
import { randomUUID } from "node:crypto";
import { existsSync } from "node:fs";
import { chmod, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { errorLine } from "./error-message.ts";
import { run, type RunResult } from "./run.ts";
import { NIX_DIR, nixEnvironment } from "./settings.ts";

/** Time limit of each step, ms: it takes a tenth of a second, but may wait for a busy daemon. */
const PROBE_TIMEOUT = 30_000;
/** The shell that runs the probe; a sandbox may lack it. */
const SHELL = "/bin/sh";

export interface Sandbox {
  readonly sandboxed: boolean;
  /** Why builds are not sandboxed, in words; empty when they are. */
  readonly reason: string;
  /** Whether builds run as root; undefined when the probe could not run. */
  readonly asRoot?: boolean | undefined;
}

/**
 * Builds the probe with the machine's configuration, or `nixConfig`. Never throws: when it cannot
 * find out, builds count as not sandboxed.
 */
export async function probeSandbox(nixConfig?: string, signal?: AbortSignal): Promise<Sandbox> {
  let directory: string | undefined;
  try {
    // Not in TMPDIR, which build users may not be allowed to read: without a sandbox the build must
    // see the file.
    directory = await mkdtemp(join(existsSync("/tmp") ? "/tmp" : tmpdir(), "firn-probe-"));
    await chmod(directory, 0o755);
    const marker = join(directory, "marker");
    await writeFile(marker, "", { mode: 0o644 });
    const ordinary = await build("ordinary", { marker, nixConfig, signal });
    const sandbox = "output" in ordinary ? readProbe(ordinary.output) : withoutShell(ordinary);
    if (!sandbox.sandboxed) return sandbox;
    const escaping = await build("escaping", { marker, nixConfig, signal });
    return "output" in escaping
      ? { ...sandbox, ...none("Nix's sandbox is `relaxed`: what asks to build outside of it does") }
      : sandbox;
  } catch (error) {
    return none(error instanceof Error ? error.message : String(error));
  } finally {
    if (directory !== undefined) await rm(directory, { recursive: true, force: true });
  }
}

const none = (reason: string): Sandbox => ({ sandboxed: false, reason });

type Failed = Pick<RunResult, "stderr" | "timedOut">;

async function build(
  attribute: "ordinary" | "escaping",
  options: {
    readonly marker: string;
    readonly nixConfig: string | undefined;
    readonly signal: AbortSignal | undefined;
  },
): Promise<{ readonly output: string } | Failed> {
  const { marker, nixConfig, signal } = options;
  const call = (program: string, args: readonly string[]): Promise<RunResult> =>
    run(program, args, {
      env: { ...nixEnvironment(), ...(nixConfig === undefined ? {} : { NIX_CONFIG: nixConfig }) },
      signal,
      timeout: PROBE_TIMEOUT,
    });
  const args = Object.entries({ nonce: randomUUID(), marker });
  const derivation = await call("nix-instantiate", [
    ...args.flatMap(([name, value]) => ["--argstr", name, value]),
    "-A",
    attribute,
    join(NIX_DIR, "sandbox-probe.nix"),
  ]);
  if (derivation.exitCode !== 0) return derivation;
  const built = await call("nix-store", ["--realise", "--", derivation.stdout.trim()]);
  if (built.exitCode !== 0) return built;
  return { output: await readFile(built.stdout.trim(), "utf8") };
}

/** The answer when the probe did not run: the sandbox has no shell, or nothing can be built. */
function withoutShell({ stderr, timedOut }: Failed): Sandbox {
  if (stderr.some((line) => line.includes(`executing '${SHELL}': No such file`)))
    return existsSync(SHELL)
      ? { sandboxed: true, reason: "" }
      : none(`${SHELL} does not exist, so no build can tell`);
  const why = timedOut
    ? `it took longer than ${PROBE_TIMEOUT / 1_000} s`
    : (errorLine(stderr) ?? stderr.at(-1) ?? "Nix gave no reason");
  return none(`nothing can be built to find out: ${why}`);
}

/** Reads what the probe wrote (see the header). */
export function readProbe(text: string): Sandbox {
  const lines = text.split("\n").map((line) => line.split(" "));
  const all = (key: string): string[][] =>
    lines.flatMap(([first, ...rest]) => (first === key ? [rest] : []));
  const interfaces = all("interface").map(([name = ""]) => name.replace(/:.*/, ""));
  const seen = [
    ...(all("parent")[0]?.[0] === "0" ? [] : ["processes"]),
    ...(all("marker").length === 0 ? [] : ["files"]),
    ...(interfaces.length > 0 && interfaces.every((name) => name === "lo") ? [] : ["network"]),
  ];
  const asRoot = outerUser(Number(all("uid")[0]?.[0]), all("map")) === 0;
  return seen.length === 0
    ? { sandboxed: true, reason: "", asRoot }
    : { ...none(`a build sees the ${seen.join(", ")} of this machine`), asRoot };
}

/** The id outside of a user namespace of a user inside (user_namespaces(7)). */
function outerUser(user: number, map: readonly (readonly string[])[]): number | undefined {
  for (const [inside, outside, count] of map.map((range) => range.map(Number)))
    if (inside !== undefined && outside !== undefined && count !== undefined)
      if (user >= inside && user < inside + count) return outside + user - inside;
  return undefined;
}
