/**
 * `npm start`: a whole Firn on one machine. The edge runs in this process (Miniflare), one origin
 * in a second one, joined by the real channel with a key made for the purpose. State (bucket, keys,
 * caches) is in FIRN_STATE; starting again keeps what was built.
 */
import { join } from "node:path";
import { type Edge, startEdge } from "./edge.ts";
import { lockState } from "./lock.ts";
import { ORIGIN_NEEDS, satisfy, STARTER_NEEDS } from "./needs.ts";
import { firstPlan } from "../plan/first-plan.ts";
import { originEnv } from "./origin-env.ts";
import { originKey } from "./origin-key.ts";
import { readOriginLine } from "./origin-log.ts";
import { type OriginProcess, startOriginProcess } from "./origin-process.ts";
import { pullsWork } from "./ready.ts";
import { readSettings } from "./settings.ts";

const ORIGIN = "local";
const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
/** Signals within this time are one wish, milliseconds. */
const SAME_WISH = 1_000;
const ALL_ADDRESSES = new Set(["0.0.0.0", "::"]);

const say = (line: string): void => void process.stdout.write(`${line}\n`);
const note = (line: string): void => say(`firn: ${line}`);

/**
 * Runs until SIGINT or SIGTERM, then stops everything and returns. Throws an Error for a person
 * when it cannot start.
 */
export async function start(env: NodeJS.ProcessEnv, argv: readonly string[]): Promise<void> {
  if (argv.length > 0)
    throw new Error(
      `npm start takes no arguments (${argv.join(" ")}): it is configured by PORT, HOST, FIRN_STATE and PACKAGE_SET, see README.md`,
    );
  const { port, host, stateDir, packageSet, packageSetText, worker } = await readSettings(env);
  const told = untilTold();
  const unlock = await lockState(stateDir);
  let edge: Edge | undefined;
  let origin: OriginProcess | undefined;
  try {
    await satisfy(
      packageSet.kind === "starter" ? [...ORIGIN_NEEDS, ...STARTER_NEEDS] : ORIGIN_NEEDS,
      note,
    );
    const key = await originKey(join(stateDir, "origin-key.json"));
    edge = await startEdge({
      ...(port === 0 ? {} : { port }),
      host,
      stateDir,
      env: {
        ...worker,
        PACKAGE_SET: packageSetText,
        ORIGIN_KEYS: JSON.stringify({ [ORIGIN]: key.publicKey }),
      },
      log: ({ level, message }) => level === "error" && note(`edge: ${message}`),
    });
    told.alone();
    note(
      `the edge is at ${edge.url}${ALL_ADDRESSES.has(host) ? ", and at this machine's other addresses (HOST=127.0.0.1 keeps it to itself)" : ""}`,
    );
    note(`the package set is ${packageSet.label}; state is kept in ${stateDir}`);

    if (packageSet.kind === "starter")
      await firstPlan(edge.s3, packageSetText, join(stateDir, "origin"), note);
    const local = {
      edgeUrl: edge.url,
      s3: edge.s3,
      name: ORIGIN,
      keyFile: key.file,
      packageSet: packageSetText,
      stateDir: join(stateDir, "origin"),
    };
    const connected = Promise.withResolvers<void>();
    origin = startOriginProcess({
      env: await originEnv(env, local),
      restart: true,
      onLine: (line) => {
        const { connected: isConnected, text } = readOriginLine(line);
        note(`origin: ${text}`);
        if (isConnected) connected.resolve();
      },
      onExit: (how, delay) =>
        note(`the origin ended (${how}); it is started again in ${(delay ?? 0) / 1000} s`),
    });
    await Promise.race([connected.promise, told.promise]);
    await Promise.race([
      pullsWork(edge.url, told.signal, (reason) => note(`no pull works yet: ${reason}`)),
      told.promise,
    ]);
    if (!told.signal.aborted) say(`\nready: ${edge.url}\n${example(edge.url)}`);
    await told.promise;
    note("stopping");
  } finally {
    // The origin first: while there is an edge, it can finish its jobs or hand them back.
    await origin?.stop();
    await edge?.stop();
    await unlock();
    told.release();
  }
}

/**
 * What to copy and paste. Docker takes a registry on 127.0.0.1 as it is; elsewhere it wants it
 * named as insecure, for there is no TLS here.
 */
function example(url: string): string {
  const { host } = new URL(url);
  return `
  docker pull ${host}/shell/git/curl
  docker run --rm ${host}/shell/git/curl bash -c 'git --version && curl --version'

  podman pull --tls-verify=false ${host}/python3
  skopeo inspect --tls-verify=false docker://${host}/arm64/hello
`;
}

interface Told {
  readonly signal: AbortSignal;
  readonly promise: Promise<void>;
  /** Takes signals away from whoever else listens: Miniflare would exit at once. */
  alone(): void;
  release(): void;
}

/**
 * The first SIGINT or SIGTERM asks for an orderly end. One that comes with it is the same wish: npm
 * hands on the Ctrl-C that the terminal has sent us already. A later one gets Node's default, an
 * end at once.
 */
function untilTold(): Told {
  const controller = new AbortController();
  const { promise, resolve } = Promise.withResolvers<void>();
  const onSignal = (): void => {
    if (!controller.signal.aborted) setTimeout(release, SAME_WISH).unref();
    resolve();
    controller.abort();
  };
  const release = (): void => SIGNALS.forEach((signal) => process.off(signal, onSignal));
  const alone = (): void =>
    SIGNALS.forEach((signal) => process.removeAllListeners(signal).on(signal, onSignal));
  alone();
  return { signal: controller.signal, promise, alone, release };
}
