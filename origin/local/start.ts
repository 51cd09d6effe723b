/**
 * `npm start`: a whole Firn on one machine. The edge is that of `firn serve` (server/edge.ts). One
 * origin, a process of its own, connects to it as any origin does, with a key that is made here.
 * Bucket, keys and caches are in the state directory, so the next start has what was built.
 */
import { isIP } from "node:net";
import { join, resolve } from "node:path";
import { type PackageSetSpec, parsePackageSet } from "../../edge/contract/package-set.ts";
import { nixVersion } from "../nix/version.ts";
import { writeOutput } from "../output-lines.ts";
import { firstPlan } from "../plan/first-plan.ts";
import { aborted, stopSignal } from "../stop-signal.ts";
import { type Edge, startEdge } from "../server/edge.ts";
import { variablesOf as workerVariablesOf } from "../server/variables.ts";
import { checkVariables } from "../server/worker-check.ts";
import { lockState } from "./lock.ts";
import { makeBuildUsers } from "./build-users.ts";
import { ORIGIN_NEEDS, satisfy, STARTER_NEEDS } from "./needs.ts";
import { needsBuildUsers, nixConfig, unsafeHere } from "./nix-config.ts";
import {
  EXIT_CODE,
  localSystems,
  originEnv,
  type OriginProcess,
  startOriginProcess,
} from "./origin.ts";
import { readOriginLine } from "./origin-log.ts";
import { makeProber, type Prober } from "./prober.ts";
import { pullsWork } from "./ready.ts";
import { originPublicKey } from "./secrets.ts";

const ORIGIN = "local";
/** The origin's state directory, below that of everything. */
const ORIGIN_DIR = "origin";
/** Variables of the Worker that are set here; the user's are ignored. */
const OWN_VARIABLES = /^(EDGE_HOST|ORIGINS|S3_.*)$/;
const LOOPBACK = /^(127\.|::1$)/;

export interface StartOptions {
  /** PACKAGE_SET; a directory in it is absolute. */
  readonly packageSet: string;
  /** 0: any free port. */
  readonly port: number;
  readonly host: string;
  readonly stateDir: string;
}

const say = (line: string): void => writeOutput(1, `${line}\n`);
const note = (line: string): void => say(`firn: ${line}`);

/**
 * Runs until SIGINT, SIGTERM or SIGHUP, then stops everything and returns. `env`: variables for the
 * Worker and for the origin. Throws an Error for a person when it cannot start.
 */
export async function start(options: StartOptions, env: NodeJS.ProcessEnv): Promise<void> {
  const { kind, label } = await parsePackageSet(options.packageSet);
  const stateDir = resolve(options.stateDir);
  const place: Place = { ...options, stateDir, starter: kind === "starter", env };
  const signal = stopSignal();
  const unlock = await lockState(stateDir);
  let edge: Edge | undefined;
  let origin: ConnectingOrigin | undefined;
  try {
    await prepareNix(place);
    const keyFile = join(stateDir, "origin-key.json");
    const prober = await makeProber(env);
    edge = await openEdge(place, await originPublicKey(keyFile), prober?.accounts);
    note(`the package set is ${label}; state is kept in ${stateDir}`);
    if (place.starter)
      await firstPlan(edge.s3, options.packageSet, join(stateDir, ORIGIN_DIR), note);
    origin = await startOrigin(place, edge.url, keyFile);
    await untilStopped(edge, { kind, origin, signal, credentials: prober?.credentials });
    note("stopping");
  } finally {
    // The origin first: while there is an edge, it can finish its jobs or hand them back.
    await origin?.stop();
    await edge?.stop();
    unlock();
  }
}

/** The options, read. */
interface Place extends StartOptions {
  readonly starter: boolean;
  readonly env: NodeJS.ProcessEnv;
}

/** Installs what is missing, where this process may. Throws an Error where Nix must not build. */
async function prepareNix({ starter, host, env }: Place): Promise<void> {
  await satisfy(starter ? [...ORIGIN_NEEDS, ...STARTER_NEEDS] : ORIGIN_NEEDS, note);
  if (await needsBuildUsers(env)) await makeBuildUsers(note);
  if (env["ALLOW_UNSAFE_ORIGINS"] === "on") return;
  const [config, nix] = await Promise.all([nixConfig(env, starter), nixVersion()]);
  const fault = await unsafeHere({ starter, forOthers: !LOOPBACK.test(host), config, nix });
  if (fault !== undefined) throw new Error(fault);
}

/** Starts the edge. `originKey`: the public key of its origin; `accounts`: ACCOUNTS, if changed. */
async function openEdge(
  { port, host, stateDir, packageSet, env }: Place,
  originKey: string,
  accounts: string | undefined,
): Promise<Edge> {
  const variables = {
    // A new state of the set is served at once, not after its packages have been built.
    WARM_PACKAGES: "0",
    SYSTEMS: await localSystems(packageSet),
    // Only people on this machine can reach it, and they may see the state of the farm.
    ...(LOOPBACK.test(host) && { FARM_PUBLIC: "on" }),
    ...workerVariables(env),
    ...(accounts !== undefined && { ACCOUNTS: accounts }),
    PACKAGE_SET: packageSet,
    ORIGINS: JSON.stringify({ [ORIGIN]: { key: originKey } }),
  };
  await checkVariables(variables);
  const edge = await startEdge({
    ...(port === 0 ? {} : { port }),
    host,
    stateDir,
    env: variables,
    log: ({ level, message }) => level === "error" && note(`edge: ${message}`),
  });
  note(`the edge is at ${edge.url}`);
  const warning = hostWarning(host, env["ACCESS"]);
  if (warning !== undefined) note(warning);
  return edge;
}

interface ConnectingOrigin extends OriginProcess {
  /** Resolves when it has connected to the edge; rejects when it cannot start. */
  readonly connected: Promise<void>;
}

/** Starts the origin, and starts it again when it dies after it has once connected. */
async function startOrigin(
  { packageSet, stateDir, env }: Place,
  edgeUrl: string,
  keyFile: string,
): Promise<ConnectingOrigin> {
  const connected = Promise.withResolvers<void>();
  let hasConnected = false;
  const origin = startOriginProcess({
    env: await originEnv(env, {
      edgeUrl,
      name: ORIGIN,
      keyFile,
      packageSet,
      stateDir: join(stateDir, ORIGIN_DIR),
    }),
    restart: true,
    onLine: (line) => {
      const { connected: isConnected, text } = readOriginLine(line);
      note(`origin: ${text}`);
      hasConnected ||= isConnected;
      if (isConnected) connected.resolve();
    },
    onExit: (how, delay) => {
      // What stops its start (a setting, the package set) would stop the next one, too.
      if (!hasConnected && how.startsWith(EXIT_CODE))
        connected.reject(new Error(`the origin cannot start (${how}): it says why above`));
      else note(`the origin ended (${how}); it is started again in ${(delay ?? 0) / 1000} s`);
    },
  });
  return { ...origin, connected: connected.promise };
}

/**
 * Waits for the origin, then for a first pull, then until `signal` aborts. Throws an Error when the
 * origin cannot start, and when the edge ends.
 */
async function untilStopped(
  { url, ended }: Edge,
  {
    kind,
    origin,
    signal,
    credentials,
  }: {
    readonly kind: PackageSetSpec["kind"];
    readonly origin: ConnectingOrigin;
    readonly signal: AbortSignal;
    readonly credentials: Prober["credentials"] | undefined;
  },
): Promise<void> {
  const over = Promise.race([
    aborted(signal),
    ended.then((how) => {
      throw new Error(`the edge ended (${how})`);
    }),
  ]);
  await Promise.race([over, origin.connected]);
  note("pulling an image as a check; the first time, this builds what every image needs");
  const ready = pullsWork({
    url,
    signal,
    onTrouble: (reason) => note(`no pull works yet: ${reason}`),
    ...(credentials && { credentials }),
  });
  await Promise.race([over, ready.then(() => say(`\nready: ${url}\n${example(url, kind)}`))]);
  await over;
}

function workerVariables(env: NodeJS.ProcessEnv): Record<string, string> {
  const given = workerVariablesOf(env);
  return Object.fromEntries(Object.entries(given).filter(([name]) => !OWN_VARIABLES.test(name)));
}

/** A warning about listening where other machines reach it; undefined for a loopback address. */
export function hostWarning(host: string, access = "public"): string | undefined {
  if (LOOPBACK.test(host)) return undefined;
  const who =
    access === "public"
      ? "anybody who reaches that address can have any package of the set built on this " +
        "machine and pull it, with no login and no TLS"
      : "passwords and images cross the network without TLS";
  return (
    `warning: it listens on ${isIP(host) === 6 ? `[${host}]` : host}: ${who} ` +
    `(HOST=127.0.0.1 is for this machine alone)`
  );
}

/**
 * Commands to copy and paste. Docker accepts a registry without TLS on 127.0.0.1 only, unless it is
 * configured as insecure. Which packages a set of somebody's own has is not known here.
 */
function example(url: string, kind: PackageSetSpec["kind"]): string {
  const { host } = new URL(url);
  if (kind !== "starter" && kind !== "channel")
    return `
  docker pull ${host}/PACKAGE
  podman pull --tls-verify=false ${host}/PACKAGE

  ${url} in a browser finds packages
`;
  return `
  docker pull ${host}/shell/git/curl
  docker run --rm ${host}/shell/git/curl bash -c 'git --version && curl --version'

  docker pull --platform linux/arm64 ${host}/hello
  podman pull --tls-verify=false ${host}/python3
  skopeo inspect --tls-verify=false docker://${host}/arm64/hello
`;
}
