/** An origin in a process of its own, which is kept running: for `npm start`, and for tests. */
import { availableParallelism } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { execa } from "execa";
import { parsePackageSet } from "../../edge/contract/package-set.ts";
import { PLATFORMS, type System } from "../../edge/contract/records.ts";
import { nixConfig } from "./nix-config.ts";
import { tied } from "../process-tie.ts";

const MAIN = fileURLToPath(new URL("../main.ts", import.meta.url));
/** This machine's system first. */
const SYSTEMS = (["x86_64-linux", "aarch64-linux"] as const).toSorted(
  (a, b) => Number(isHost(b)) - Number(isHost(a)),
);

function isHost(system: System): boolean {
  return PLATFORMS[system].architecture === (process.arch === "x64" ? "amd64" : process.arch);
}
/** Seconds in which jobs may finish after Ctrl-C, for which a person waits. */
const DRAIN = "5";
/** Time after which an origin that does not stop is killed, ms. */
const STOP_GRACE = 20_000;
/**
 * Waits before an origin that has died is started again, ms: doubled each time, and the first again
 * after an origin that has run for HEALTHY.
 */
const FIRST_DELAY = 500;
const LONGEST_DELAY = 30_000;
const HEALTHY = 60_000;

export interface LocalOrigin {
  readonly edgeUrl: string;
  readonly name: string;
  readonly keyFile: string;
  readonly packageSet: string;
  readonly stateDir: string;
}

/**
 * The options of an origin beside a local edge, as environment variables. `env`: what the user set
 * (SLOTS, NIX_TIMEOUT, …), which the origin validates itself.
 */
export async function originEnv(
  env: NodeJS.ProcessEnv,
  origin: LocalOrigin,
): Promise<Record<string, string>> {
  const { kind } = await parsePackageSet(origin.packageSet);
  return {
    SYSTEMS: env["SYSTEMS"] || SYSTEMS.join(","),
    DRAIN: env["DRAIN"] ?? DRAIN,
    // The Nix store belongs to a person, and Nix's collector would remove other things, too.
    DISK_GC: env["DISK_GC"] ?? "off",
    // Layers are compressed on these threads, of which Node has four by default.
    UV_THREADPOOL_SIZE: env["UV_THREADPOOL_SIZE"] ?? String(Math.max(4, availableParallelism())),
    FIRN_EDGES: origin.edgeUrl,
    ORIGIN_NAME: origin.name,
    ORIGIN_KEY_FILE: origin.keyFile,
    PACKAGE_SET: origin.packageSet,
    STATE_DIR: origin.stateDir,
    NIX_CONFIG: await nixConfig(env, kind === "starter"),
    // The edge signs its uploads, even if the environment of this process has a bucket.
    S3_ENDPOINT: "",
    S3_BUCKET: "",
    S3_ACCESS_KEY_ID: "",
    S3_SECRET_ACCESS_KEY: "",
  };
}

/**
 * Default SYSTEMS of an edge with such an origin. For another system than its own, this machine can
 * only build what runs none of that system's programs: builds of the starter set run none, and
 * packages of nixpkgs come from its cache. Images of other sets are for this machine's system.
 */
export async function localSystems(packageSet: string): Promise<string> {
  const { kind } = await parsePackageSet(packageSet);
  const both = kind === "starter" || kind === "channel";
  return SYSTEMS.filter((system) => both || isHost(system)).join(",");
}

export interface OriginProcessOptions {
  /** Environment variables that override those of this process. */
  readonly env: Readonly<Record<string, string>>;
  /** Called with every line that it writes: JSON (pino), or text from Node. */
  readonly onLine: (line: string) => void;
  /** Called when it has died. It is started again after `delay` ms; null: it is not. */
  readonly onExit?: (how: string, delay: number | null) => void;
  /** Whether to start it again when it dies. */
  readonly restart: boolean;
}

export interface OriginProcess {
  /** Lets it finish or hand back its jobs, then stops it. */
  stop(): Promise<void>;
  /** Kills it. It is not started again. */
  kill(): Promise<void>;
}

/**
 * Starts `firn origin` in a process group of its own, so that Ctrl-C reaches only this process,
 * which then stops everything in order. When this process dies, the kernel sends the origin SIGTERM
 * where it can (process-tie.ts), and the origin hands back its jobs.
 */
export function startOriginProcess(options: OriginProcessOptions): OriginProcess {
  const over = new AbortController();
  let child = spawnOrigin(options.env);

  const keepRunning = async (): Promise<void> => {
    for (let delay = FIRST_DELAY; ; delay = Math.min(delay * 2, LONGEST_DELAY)) {
      const started = performance.now();
      const how = await untilExit(child, options.onLine);
      if (over.signal.aborted) return;
      if (performance.now() - started > HEALTHY) delay = FIRST_DELAY;
      options.onExit?.(how, options.restart ? delay : null);
      if (!options.restart) return;
      await sleep(delay, undefined, { signal: over.signal }).catch(() => undefined);
      if (over.signal.aborted) return;
      child = spawnOrigin(options.env);
    }
  };
  const ended = keepRunning();

  const end = async (signal: NodeJS.Signals): Promise<void> => {
    over.abort();
    child.kill(signal);
    await ended;
  };
  return { stop: () => end("SIGTERM"), kill: () => end("SIGKILL") };
}

const spawnOrigin = (env: Readonly<Record<string, string>>) => {
  const [program, ...args] = tied("TERM", [process.execPath, MAIN, "origin"]);
  return execa(program, args, {
    env,
    stdin: "ignore",
    all: true,
    buffer: false,
    reject: false,
    detached: true,
    forceKillAfterDelay: STOP_GRACE,
  });
};

/** The beginning of the text about a process that has exited: `exit code 1`. */
export const EXIT_CODE = "exit code";

/** Reads its output to the end; returns how it ended, in a few words. */
async function untilExit(
  child: ReturnType<typeof spawnOrigin>,
  onLine: (line: string) => void,
): Promise<string> {
  for await (const line of child.iterable({ from: "all" })) if (line.trim() !== "") onLine(line);
  const { signal, exitCode, shortMessage } = await child;
  return signal ?? (exitCode === undefined ? String(shortMessage) : `${EXIT_CODE} ${exitCode}`);
}
