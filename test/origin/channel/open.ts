/** A channel under test, and what is said over it. */
import type { TestContext } from "node:test";
import { pino } from "pino";
import { type FromEdge, PROTOCOL_VERSION } from "../../../edge/contract/messages.ts";
import { type Item, type Result } from "../../../edge/contract/items.ts";
import {
  type Channel,
  type ChannelState,
  connect,
  type ConnectOptions,
  generateOriginKey,
} from "../../../origin/channel/index.ts";
import { soon } from "../../harness/soon.ts";
import type { RudeEdge } from "./rude-edge.ts";

const key = generateOriginKey();
export const WELCOME: FromEdge = {
  type: "welcome",
  protocol: PROTOCOL_VERSION,
  origin: "mine",
  zstd: false,
};
export const RESOLVED: Result[] = [{ kind: "revision", revision: "a".repeat(40) }];
export const tagJob = (job: string): FromEdge => ({
  type: "job",
  job,
  items: [{ kind: "tag", packageSet: "starter", tag: "latest" }],
});

export interface OpenOptions extends Partial<ConnectOptions> {
  readonly logs?: Record<string, unknown>[];
}

/** A channel until the test is over, and the states it goes through. */
export function open(
  t: TestContext,
  edge: RudeEdge,
  { logs = [], ...options }: OpenOptions = {},
): { channel: Channel; state: (state: ChannelState) => Promise<void> } {
  const waiting = new Map<ChannelState, () => void>();
  const logger = pino(
    { level: "info" },
    { write: (line: string) => void logs.push(JSON.parse(line) as Record<string, unknown>) },
  );
  const channel = connect({
    edge: edge.url,
    name: "mine",
    key: key.privateKey,
    hello: {
      version: "1",
      nix: "2.8.0",
      sandbox: true,
      nixVulnerable: false,
      systems: ["x86_64-linux"],
      slots: 1,
      packageSet: { id: "starter", label: "starter" },
      ownBucket: true,
    },
    run: () => Promise.resolve(RESOLVED),
    logger,
    drainMs: 0,
    ...options,
    onState: (state) => waiting.get(state)?.(),
  });
  t.after(() => channel.drain());
  return {
    channel,
    state: (state) =>
      channel.state === state
        ? Promise.resolve()
        : soon(`the channel is ${state}`, new Promise((done) => waiting.set(state, done))),
  };
}

/** A run that ends when the test says so. */
export function held(): {
  run: (items: readonly Item[], context: { signal: AbortSignal }) => Promise<readonly Result[]>;
  end: (results: readonly Result[]) => void;
  aborted: () => Promise<void>;
} {
  const { promise, resolve: end } = Promise.withResolvers<readonly Result[]>();
  const { promise: aborted, resolve: abort } = Promise.withResolvers<void>();
  const run = (
    _: readonly Item[],
    { signal }: { signal: AbortSignal },
  ): Promise<readonly Result[]> => {
    signal.addEventListener("abort", () => abort());
    return Promise.race([promise, aborted.then(() => Promise.reject(new Error("aborted")))]);
  };
  return { run, end, aborted: () => soon("the run is aborted", aborted) };
}
