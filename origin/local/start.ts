/**
 * `npm start`: a whole Firn on one machine. The edge runs in this process (Miniflare), one origin in a second one, joined by the real channel with a key made
 * for the purpose. State (bucket, keys, caches) is in FIRN_STATE; starting again keeps what was built.
 */
import { join } from "node:path";
import { generateOriginKey } from "../channel/key.ts";
import { type Edge, type S3Access, startEdge } from "./edge.ts";
import { lockState } from "./lock.ts";
import { ORIGIN_NEEDS, satisfy, STARTER_NEEDS } from "./needs.ts";
import { nixConfig } from "./nix-config.ts";
import { readOriginLine } from "./origin-log.ts";
import { type OriginProcess, startOriginProcess } from "./origin-process.ts";
import { pullsWork } from "./ready.ts";
import { secretFile } from "./secret-file.ts";
import { readSettings, type Settings } from "./settings.ts";

const ORIGIN = "local";
/** Nix builds for a foreign system only what needs no program of it to run; the starter set's packages need none, and nixpkgs' come from its cache. */
const SYSTEMS = "x86_64-linux,aarch64-linux";

const say = (line: string): void => void process.stdout.write(`${line}\n`);
const note = (line: string): void => say(`firn: ${line}`);

/** Runs until SIGINT or SIGTERM, then stops everything and returns. Throws an Error for a person when it cannot start. */
export async function start(env: NodeJS.ProcessEnv, argv: readonly string[]): Promise<void> {
  if (argv.length > 0) throw new Error(`npm start takes no arguments (${argv.join(" ")}): it is configured by PORT, HOST, FIRN_STATE, PACKAGE_SET (see README.md)`);
  const settings = await readSettings(env);
  const starter = settings.packageSet.kind === "starter";
  const stop = stopSignal();
  const unlock = await lockState(settings.stateDir);
  let edge: Edge | undefined;
  let origin: OriginProcess | undefined;
  try {
    await satisfy(starter ? [...ORIGIN_NEEDS, ...STARTER_NEEDS] : ORIGIN_NEEDS, note);
    const key = await originKey(settings.stateDir);
    const { port, host, stateDir } = settings;
    edge = await startEdge({
      ...(port === 0 ? {} : { port }),
      host,
      stateDir,
      env: { ...settings.worker, PACKAGE_SET: settings.packageSetText, ORIGIN_KEYS: JSON.stringify({ [ORIGIN]: JSON.parse(key.publicKey) }) },
      log: ({ level, message }) => level === "error" && note(`edge: ${message}`),
    });
    note(`the edge is at ${edge.url}${host === "0.0.0.0" || host === "::" ? ", and at every other address of this machine (HOST=127.0.0.1 keeps it to itself)" : ""}`);
    note(`the package set is ${settings.packageSet.label}; state is in ${stateDir}`);
    const connected = Promise.withResolvers<void>();
    origin = startOriginProcess({
      env: await originEnv(env, settings, edge, key.file),
      restart: true,
      onLine: (line) => {
        const { message, text } = readOriginLine(line);
        note(`origin: ${text}`);
        if (message === CONNECTED) connected.resolve();
      },
      onExit: (how, delay) => note(`the origin ended (${how}); it is started again in ${(delay ?? 0) / 1000} s`),
    });
    await Promise.race([connected.promise, stop.promise]);
    await Promise.race([pullsWork(edge.url, stop.signal, (reason) => note(`not yet: ${reason}`)), stop.promise]);
    if (!stop.signal.aborted) say(`\nready: ${edge.url}\n${example(edge.url)}`);
    await stop.promise;
    note("stopping");
  } finally {
    await origin?.stop();
    await edge?.stop();
    await unlock();
    stop.release();
  }
}

/** The first SIGINT or SIGTERM asks for an orderly end; a second one gets Node's default, an end at once. */
function stopSignal(): { signal: AbortSignal; promise: Promise<void>; release: () => void } {
  const controller = new AbortController();
  const { promise, resolve } = Promise.withResolvers<void>();
  const release = (): void => {
    process.off("SIGINT", onSignal).off("SIGTERM", onSignal);
  };
  const onSignal = (): void => {
    release();
    controller.abort();
    resolve();
  };
  process.on("SIGINT", onSignal).on("SIGTERM", onSignal);
  return { signal: controller.signal, promise, release };
}

/** The origin's options (origin/main.ts) for this edge; what the user set for it is left as it is. */
async function originEnv(env: NodeJS.ProcessEnv, settings: Settings, edge: Edge, keyFile: string): Promise<Record<string, string>> {
  return {
    SYSTEMS,
    ...definedOf(env),
    FIRN_EDGES: edge.url,
    ORIGIN_NAME: ORIGIN,
    ORIGIN_KEY_FILE: keyFile,
    PACKAGE_SET: settings.packageSetText,
    STATE_DIR: join(settings.stateDir, "origin"),
    NIX_CONFIG: await nixConfig(env, settings.packageSet.kind === "starter"),
    ...s3Variables(edge.s3),
  };
}
