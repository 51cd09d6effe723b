/**
 * Real origins for the farm's tests: `connect` over a real socket, with a run function that a test
 * controls.
 */
import type { TestContext } from "node:test";
import { pino } from "pino";
import type {
  Failure,
  Item,
  Outcome,
  PublishJob,
  Result,
  Work,
} from "../../../edge/contract/messages.ts";
import {
  type Channel,
  type ChannelState,
  connect,
  type ConnectOptions,
  generateOriginKey,
  type OriginKey,
  type RunContext,
} from "../../../origin/channel/index.ts";
import type { FarmEdge } from "./farm-edge.ts";
import { levelRecord, packageRecord, REVISION } from "./records.ts";

export const keys: Readonly<Record<string, OriginKey>> = {
  a: generateOriginKey(),
  b: generateOriginKey(),
  c: generateOriginKey(),
};

/** ORIGIN_KEYS for the origins named. */
export const originKeys = (...names: string[]): string =>
  JSON.stringify(Object.fromEntries(names.map((name) => [name, keys[name]?.publicJwk])));

export interface TestOrigin extends Channel {
  /** Work that it was given, in order. */
  readonly works: Work[];
  /** Resolves when the state is reached. */
  reached(state: ChannelState): Promise<void>;
  /** Resolves when it was given `n` jobs in all. */
  begun(n: number): Promise<void>;
}

export type TestRun = (work: Work, context: RunContext) => Promise<Result>;
type TestOriginOptions = Partial<Omit<ConnectOptions, "hello" | "run">> & {
  readonly hello?: Partial<ConnectOptions["hello"]>;
  readonly run?: TestRun;
};

/** Connects an origin until the test is over. */
export function startOrigin(
  t: TestContext,
  edge: FarmEdge,
  name: string,
  { hello, run = honest(edge), ...rest }: TestOriginOptions = {},
): TestOrigin {
  const works: Work[] = [];
  const changed = new Set<() => void>();
  const change = (): void => changed.forEach((wake) => wake());
  const until = (reached: () => boolean): Promise<void> =>
    new Promise((resolve) => {
      const look = (): void => {
        if (!reached()) return;
        changed.delete(look);
        resolve();
      };
      changed.add(look);
      look();
    });
  const channel = connect({
    edge: edge.url,
    name,
    key: keys[name]?.privateKey ?? "",
    hello: {
      version: "test",
      nix: "2.8.0",
      systems: ["x86_64-linux"],
      slots: 2,
      packageSet: "starter",
      ...hello,
    },
    logger: pino({ level: "silent" }),
    drainMs: 0,
    ...rest,
    run: (work, context) => {
      works.push(work);
      change();
      return run(work, context);
    },
    onState: (state) => {
      rest.onState?.(state);
      change();
    },
  });
  t.after(() => channel.drain());
  return {
    works,
    reached: (state) => until(() => channel.state === state),
    begun: (n) => until(() => works.length >= n),
    announce: (tag, revision) => channel.announce(tag, revision),
    drain: () => channel.drain(),
    get state() {
      return channel.state;
    },
  };
}

/**
 * What an honest origin answers: every package exists but those whose name begins with `broken`.
 */
export const honest =
  (edge: FarmEdge): TestRun =>
  async (work) => {
    if (work.kind === "resolve") {
      if (work.tag === "nowhere")
        throw Object.assign(new Error("no such tag"), {
          failure: { reason: "unknown", message: "there is no tag nowhere" } satisfies Failure,
        });
      return { kind: "resolved", revision: REVISION };
    }
    return {
      kind: "published",
      outcomes: await Promise.all(work.items.map((item) => outcome(edge, work, item))),
    };
  };

async function outcome(edge: FarmEdge, work: PublishJob, { name, level }: Item): Promise<Outcome> {
  if (name.startsWith("broken"))
    return {
      kind: "failure",
      name,
      ...(level === undefined ? {} : { level }),
      failure: { reason: "failed", message: `${name} does not build` },
    };
  if (level !== undefined) return { kind: "level", name, record: await levelRecord(edge, level) };
  return { kind: "package", name, record: await packageRecord(edge, work, name) };
}

/** A gate that runs wait at until it is opened. */
export function gate(): { readonly opened: Promise<void>; open: () => void } {
  const { promise, resolve } = Promise.withResolvers<void>();
  return { opened: promise, open: resolve };
}
