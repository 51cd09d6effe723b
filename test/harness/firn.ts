/**
 * A whole Firn for a test: the real Worker, real origins as processes of their own with separate
 * state, on free ports of 127.0.0.1.
 */
import { join } from "node:path";
import type { Edge, EdgeOptions } from "../../origin/server/edge.ts";
import { startOwnEdge } from "./start-edge.ts";
import { firstPlan } from "../../origin/plan/first-plan.ts";
import { ORIGIN_NEEDS, STARTER_NEEDS } from "../../origin/local/needs.ts";
import { originEnv, type OriginProcess, startOriginProcess } from "../../origin/local/origin.ts";
import { readOriginLine } from "../../origin/local/origin-log.ts";
import { originPublicKey } from "../../origin/local/secrets.ts";
import { unavailable } from "./available.ts";
import { bundled } from "./bundle.ts";
import { startEmulatedEdge } from "./emulated-edge.ts";
import { givePackageLists } from "./package-lists.ts";
import { removeTree, tempDir } from "./temp.ts";

/** What both kinds of edge are to tests. */
export type RunningEdge = Pick<Edge, "url" | "s3" | "beside" | "stop">;

type Variables = Readonly<Record<string, string>>;

export interface FirnOptions {
  /** Origins that run from the start; 1 when left out. */
  readonly origins?: number;
  /** `starter` when left out. */
  readonly packageSet?: string;
  /** More variables for the Worker (edge/env.ts). */
  readonly edgeEnv?: Variables;
  /** More variables for every origin (origin/main.ts); a function when they depend on the edge. */
  readonly originEnv?: Variables | ((edge: RunningEdge) => Variables | Promise<Variables>);
  /** Whether browsers get the page. */
  readonly site?: boolean;
  /** More Workers in the same workerd, by name: module text. */
  readonly beside?: Readonly<Record<string, string>>;
  /** Whether the edge is Miniflare's, with an R2 binding (emulated-edge.ts). */
  readonly emulated?: boolean;
}

export interface TestOrigin {
  readonly name: string;
  readonly stateDir: string;
  /** Its log, as text for people. */
  readonly lines: readonly string[];
  /** Starts it (again, with the state that it had) and waits until the edge has welcomed it. */
  start(): Promise<void>;
  stop(): Promise<void>;
  kill(): Promise<void>;
}

export interface Firn {
  readonly edge: RunningEdge;
  /**
   * Ends the edge and starts it again on the same port, with the same state; `env` changes some of
   * its variables from now on. The bucket's endpoint moves.
   */
  restartEdge(env?: Variables): Promise<void>;
  readonly url: string;
  /** Host and port, as image names have it. */
  readonly host: string;
  readonly origins: readonly TestOrigin[];
  /** All that the edge and the origins wrote, to be shown when a test fails. */
  log(): string;
  stop(): Promise<void>;
}

/** Why whole-system tests cannot run here, for `skip`: false when they can. */
export const firnUnavailable = (): Promise<false | string> =>
  unavailable([...ORIGIN_NEEDS, ...STARTER_NEEDS]);

export async function startFirn(options: FirnOptions = {}): Promise<Firn> {
  const root = await tempDir("sys");
  const log: string[] = [];
  const packageSet = options.packageSet ?? "starter";
  const names = Array.from({ length: options.origins ?? 1 }, (_, index) => `origin-${index + 1}`);
  const keyFiles = names.map((name) => join(root, `${name}.key`));
  const keys = await Promise.all(keyFiles.map(originPublicKey));
  let edgeEnv = options.edgeEnv ?? {};
  const edgeOptions = (port?: number): EdgeOptions => ({
    stateDir: root,
    module: bundled(),
    site: options.site ?? false,
    ...(port === undefined ? {} : { port }),
    env: {
      PACKAGE_SET: packageSet,
      ORIGINS: JSON.stringify(
        Object.fromEntries(names.map((name, index) => [name, { key: keys[index] }])),
      ),
      ...edgeEnv,
    },
    ...(options.beside === undefined ? {} : { beside: options.beside }),
    log: ({ level, message }) => void log.push(`edge ${level}: ${message}`),
  });
  if (packageSet === "starter") for (const name of names) await givePackageLists(join(root, name));
  const open = options.emulated === true ? startEmulatedEdge : startOwnEdge;
  let edge: RunningEdge = await open(edgeOptions());
  if (packageSet === "starter")
    await firstPlan(
      edge.s3,
      packageSet,
      join(root, names[0] ?? "plan"),
      (line) => void log.push(line),
    );
  const origins = keyFiles.map((keyFile, index) => {
    const name = names[index] ?? "";
    const stateDir = join(root, name);
    // Found out at each start: an edge that was restarted has its bucket elsewhere.
    const env = async (): Promise<Variables> => {
      const more =
        typeof options.originEnv === "function" ? await options.originEnv(edge) : options.originEnv;
      return {
        ...(await originEnv(process.env, {
          edgeUrl: edge.url,
          name,
          keyFile,
          packageSet,
          stateDir,
        })),
        ...more,
      };
    };
    return testOrigin(name, stateDir, env, log);
  });
  const stop = async (): Promise<void> => {
    await Promise.all(origins.map((origin) => origin.stop()));
    await edge.stop();
    await removeTree(root);
  };
  try {
    await Promise.all(origins.map((origin) => origin.start()));
  } catch (error) {
    await stop();
    throw new Error(`the origins did not connect:\n${log.join("\n")}`, { cause: error });
  }
  return {
    get edge() {
      return edge;
    },
    async restartEdge(env) {
      edgeEnv = { ...edgeEnv, ...env };
      await edge.stop();
      edge = await open(edgeOptions(Number(new URL(edge.url).port)));
    },
    url: edge.url,
    host: new URL(edge.url).host,
    origins,
    log: () => log.join("\n"),
    stop,
  };
}

function testOrigin(
  name: string,
  stateDir: string,
  env: () => Promise<Variables>,
  log: string[],
): TestOrigin {
  const lines: string[] = [];
  let running: OriginProcess | undefined;
  return {
    name,
    stateDir,
    lines,
    async start() {
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      running = startOriginProcess({
        env: await env(),
        restart: false,
        onLine: (line) => {
          const { text, connected } = readOriginLine(line);
          lines.push(text);
          log.push(`${name}: ${text}`);
          if (connected) resolve();
        },
        onExit: (how) => reject(new Error(`${name} ended: ${how}`)),
      });
      await promise;
    },
    async stop() {
      await running?.stop();
      running = undefined;
    },
    async kill() {
      await running?.kill();
      running = undefined;
    },
  };
}
