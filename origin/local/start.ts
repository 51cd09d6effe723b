/**
 * `npm start`: a whole Firn on one machine. The edge is that of `firn serve` (server/edge.ts), one
 * origin runs in a process of its own, joined by the real channel with a key made for the purpose.
 * Bucket, keys and caches are kept in the state directory; starting again keeps what was built.
 */
import { randomUUID } from "node:crypto";
import { isIP } from "node:net";
import { join, resolve } from "node:path";
import { hashPassword } from "../../edge/contract/account.ts";
import { parsePackageSet } from "../../edge/contract/package-set.ts";
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
import { pullsWork } from "./ready.ts";
import { originPublicKey } from "./secrets.ts";

const ORIGIN = "local";
/**
 * Variables of the Worker that are made here; the others are handed on, and the Worker checks them.
 */
const OWN_VARIABLES = /^(EDGE_HOST|ORIGINS|S3_.*)$/;
const LOOPBACK = /^(127\.|::1$)/;

export interface StartOptions {
  /** PACKAGE_SET, a directory in it absolute: the origin may stand elsewhere. */
  readonly packageSet: string;
  /** 0: any free one. */
  readonly port: number;
  readonly host: string;
  readonly stateDir: string;
}

const say = (line: string): void => writeOutput(1, `${line}\n`);
const note = (line: string): void => say(`firn: ${line}`);

/**
 * Runs until SIGINT or SIGTERM, then stops everything and returns. `env`: variables for the Worker
 * and for the origin. Throws an Error for a person when it cannot start.
 */
export async function start(options: StartOptions, env: NodeJS.ProcessEnv): Promise<void> {
  const { port, host } = options;
  const packageSet = await parsePackageSet(options.packageSet);
  const stateDir = resolve(options.stateDir);
  const originDir = join(stateDir, "origin");
  const starter = packageSet.kind === "starter";
  const signal = stopSignal();
  const stopped = aborted(signal);

  const unlock = await lockState(stateDir);
  let edge: Edge | undefined;
  let origin: OriginProcess | undefined;
  try {
    await satisfy(starter ? [...ORIGIN_NEEDS, ...STARTER_NEEDS] : ORIGIN_NEEDS, note);
    if (await needsBuildUsers(env)) await makeBuildUsers(note);
    if (env["ALLOW_UNSAFE_ORIGINS"] !== "on") {
      const [config, nix] = await Promise.all([nixConfig(env, starter), nixVersion()]);
      const fault = await unsafeHere({ starter, forOthers: !LOOPBACK.test(host), config, nix });
      if (fault !== undefined) throw new Error(fault);
    }
    const keyFile = join(stateDir, "origin-key.json");
    const prober = await makeProber(env);
    const variables = {
      // Whoever works on a package set alone wants its new state at once.
      WARM_PACKAGES: "0",
      SYSTEMS: await localSystems(options.packageSet),
      // Whoever can reach this machine alone may see how its farm is.
      ...(LOOPBACK.test(host) && { FARM_PUBLIC: "on" }),
      ...workerVariables(env),
      ...(prober && { ACCOUNTS: prober.accounts }),
      PACKAGE_SET: options.packageSet,
      ORIGINS: JSON.stringify({ [ORIGIN]: { key: await originPublicKey(keyFile) } }),
    };
    await checkVariables(variables);
    edge = await startEdge({
      ...(port === 0 ? {} : { port }),
      host,
      stateDir,
      env: variables,
      log: ({ level, message }) => level === "error" && note(`edge: ${message}`),
    });
    note(`the edge is at ${edge.url}`);
    const warning = hostWarning(host, env["ACCESS"]);
    if (warning !== undefined) note(warning);
    note(`the package set is ${packageSet.label}; state is kept in ${stateDir}`);

    if (starter) await firstPlan(edge.s3, options.packageSet, originDir, note);
    const connected = Promise.withResolvers<void>();
    let hasConnected = false;
    origin = startOriginProcess({
      env: await originEnv(env, {
        edgeUrl: edge.url,
        name: ORIGIN,
        keyFile,
        packageSet: options.packageSet,
        stateDir: originDir,
      }),
      restart: true,
      onLine: (line) => {
        const { connected: isConnected, text } = readOriginLine(line);
        note(`origin: ${text}`);
        hasConnected ||= isConnected;
        if (isConnected) connected.resolve();
      },
      onExit: (how, delay) => {
        // What it cannot begin with (a setting, the package set) it could not begin with again.
        if (!hasConnected && how.startsWith(EXIT_CODE))
          connected.reject(new Error(`the origin cannot start (${how}): it says why above`));
        else note(`the origin ended (${how}); it is started again in ${(delay ?? 0) / 1000} s`);
      },
    });
    const ended = edge.ended.then((how) => {
      throw new Error(`the edge ended (${how})`);
    });
    await Promise.race([stopped, ended, connected.promise]);
    const { url } = edge;
    note(
      "pulling an image to check that it works; the first time, this builds what every image needs",
    );
    const ready = pullsWork({
      url,
      signal,
      onTrouble: (reason) => note(`no pull works yet: ${reason}`),
      ...(prober && { credentials: prober.credentials }),
    });
    const isReady = ready.then(() => say(`\nready: ${url}\n${example(url)}`));
    await Promise.race([stopped, ended, isReady]);
    await Promise.race([stopped, ended]);
    note("stopping");
  } finally {
    // The origin first: while there is an edge, it can finish its jobs or hand them back.
    await origin?.stop();
    await edge?.stop();
    unlock();
  }
}

function workerVariables(env: NodeJS.ProcessEnv): Record<string, string> {
  const given = workerVariablesOf(env);
  return Object.fromEntries(Object.entries(given).filter(([name]) => !OWN_VARIABLES.test(name)));
}

/** What it means to listen where others can reach it; undefined for this machine alone. */
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
 * Where pulls take an account, one of our own for the probe: its password is new with every start
 * and kept nowhere. Undefined where none is needed, or ACCOUNTS is wrong, which the Worker tells.
 */
async function makeProber({ ACCESS, ACCOUNTS }: NodeJS.ProcessEnv) {
  const accounts = jsonObject(ACCOUNTS);
  if (ACCESS === undefined || ACCESS === "public" || accounts === undefined) return undefined;
  const credentials = { user: "npm-start", password: randomUUID() };
  const account = { password: await hashPassword(credentials.password) };
  return { credentials, accounts: JSON.stringify({ ...accounts, [credentials.user]: account }) };
}

function jsonObject(text = "{}"): object | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? value : undefined;
  } catch {
    return undefined;
  }
}

/**
 * What to copy and paste. Docker accepts a registry without TLS on 127.0.0.1; anywhere else
 * it must be configured as insecure.
 */
function example(url: string): string {
  const { host } = new URL(url);
  return `
  docker pull ${host}/shell/git/curl
  docker run --rm ${host}/shell/git/curl bash -c 'git --version && curl --version'

  docker pull --platform linux/arm64 ${host}/hello
  podman pull --tls-verify=false ${host}/python3
  skopeo inspect --tls-verify=false docker://${host}/arm64/hello
`;
}
