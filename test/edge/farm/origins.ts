/**
 * Real origins for the farm's tests: `connect` over a real socket, with a run function that a test
 * controls.
 */
import type { TestContext } from "node:test";
import { pino } from "pino";
import { indexPath } from "../../../edge/contract/keys.ts";
import type { Failure, Item, Result } from "../../../edge/contract/items.ts";
import {
  type Channel,
  type ChannelState,
  connect,
  type ConnectOptions,
  type RunContext,
} from "../../../origin/channel/index.ts";
import type { Sign } from "../../../edge/contract/signatures.ts";
import { soon } from "../../harness/soon.ts";
import type { FarmEdge } from "./farm-edge.ts";
import { keys } from "./keys.ts";
import {
  indexResult,
  indexStatement,
  levelResult,
  packageResult,
  REVISION,
  statedPackage,
} from "./records.ts";

export { keys } from "./keys.ts";

/** ORIGINS for the origins named; `more`: what each of them may do. */
export const configured = (names: readonly string[], more: object = {}): string =>
  JSON.stringify(
    Object.fromEntries(names.map((name) => [name, { key: keys[name]?.publicKey, ...more }])),
  );
export const originKeys = (...names: string[]): string => configured(names);

export interface TestOrigin extends Channel {
  /** The jobs that it was given, in order. */
  readonly jobs: (readonly Item[])[];
  /** Their items, by name. */
  names(): string[][];
  /** Resolves when the state is reached. */
  reached(state: ChannelState): Promise<void>;
  /** Resolves when it was given `n` jobs in all. */
  begun(n: number): Promise<void>;
}

export type TestRun = (items: readonly Item[], context: RunContext) => Promise<readonly Result[]>;
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
  const jobs: (readonly Item[])[] = [];
  const changed = new Set<() => void>();
  const change = (): void => changed.forEach((wake) => wake());
  const until = (what: string, reached: () => boolean): Promise<void> =>
    soon(
      `origin ${name} ${what}`,
      new Promise((resolve) => {
        const look = (): void => {
          if (!reached()) return;
          changed.delete(look);
          resolve();
        };
        changed.add(look);
        look();
      }),
    );
  const channel = connect({
    edge: edge.url,
    name,
    key: keys[name]?.privateKey ?? "",
    hello: {
      version: "test",
      nix: "2.8.0",
      sandbox: true,
      nixVulnerable: false,
      systems: ["x86_64-linux"],
      slots: 2,
      packageSet: { id: "starter", label: "starter" },
      ownBucket: true,
      ...hello,
    },
    logger: pino({ level: "silent" }),
    drainMs: 0,
    ...rest,
    run: (items, context) => {
      jobs.push(items);
      change();
      return run(items, context);
    },
    onState: (state) => {
      rest.onState?.(state);
      change();
    },
  });
  t.after(() => channel.drain());
  return {
    jobs,
    names: () => jobs.map((items) => items.map(nameOf)),
    reached: (state) => until(`is ${state}`, () => channel.state === state),
    begun: (n) => until(`is given ${n} jobs`, () => jobs.length >= n),
    announce: (tag, revision) => channel.announce(tag, revision),
    listTags: (tags) => channel.listTags(tags),
    status: (status) => channel.status(status),
    cache: channel.cache,
    drain: () => channel.drain(),
    get state() {
      return channel.state;
    },
  };
}

function nameOf(item: Item): string {
  switch (item.kind) {
    case "tag":
      return item.tag;
    case "index":
      return indexPath(item, item.path);
    case "package":
      return item.name;
  }
}

/**
 * What an honest origin answers: every package exists but those whose name begins with `broken`.
 */
export const honest =
  (edge: FarmEdge): TestRun =>
  (items, { sign }) =>
    Promise.all(items.map((item) => resultOf(edge, item, sign)));

async function resultOf(edge: FarmEdge, item: Item, sign: Sign): Promise<Result> {
  if (item.kind === "tag")
    return item.tag === "nowhere"
      ? failure("unknown", "there is no tag nowhere")
      : { kind: "revision", revision: REVISION };
  if (item.kind === "index") return indexResult(await indexStatement(edge, item), sign);
  if (item.name.startsWith("broken")) return failure("failed", `${item.name} does not build`);
  if (item.level !== undefined) return levelResult(edge, item.level, sign);
  return packageResult(await statedPackage(edge, item.name, item), sign);
}

export const failure = (
  reason: Failure["reason"],
  message: string,
): Extract<Result, { kind: "failure" }> => ({
  kind: "failure",
  failure: { reason, message },
});

/** A gate that runs wait at until it is opened. */
export function gate(): { readonly opened: Promise<void>; open: () => void } {
  const { promise, resolve } = Promise.withResolvers<void>();
  return { opened: promise, open: resolve };
}
