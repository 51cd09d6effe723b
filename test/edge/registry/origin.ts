/** A real origin, connected over the real channel, whose packages a test makes up. */
import { after } from "node:test";
import { pino } from "pino";
import type { Failure, Item, Result } from "../../../edge/contract/messages.ts";
import { RECORD_FORMAT } from "../../../edge/contract/records.ts";
import { connect } from "../../../origin/channel/index.ts";
import {
  makeLevel,
  makePackage,
  ORIGIN,
  putBlob,
  REVISION,
  type TestEdge,
  type TestPackage,
} from "./support.ts";

/** What the origin has: packages, and the failures that it reports. */
export type Stock = Readonly<Record<string, Omit<TestPackage, "name"> | Failure>>;

export interface TestOrigin {
  /** The jobs that it was given, in order. */
  readonly jobs: (readonly Item[])[];
  stop(): Promise<void>;
}

export interface OriginOptions {
  /** Packages; any other name is a package of its own layer. */
  readonly stock?: Stock;
  /**
   * The names of the package set, under "", and of nested ones by their paths; without them it
   * lists none, and a test's packages exist when they are asked for.
   */
  readonly names?: Readonly<Record<string, readonly string[]>>;
  /** What tags mean; `latest` is REVISION. */
  readonly tags?: Readonly<Record<string, string | Failure>>;
  readonly packageSet?: { readonly id: string; readonly label: string };
  /** Awaited before each job is begun. */
  readonly gate?: () => Promise<void>;
}

const NO_INDEX: Failure = { reason: "refused", message: "this set cannot be listed" };

const isFailure = (value: object): value is Failure => "reason" in value;

/** Connects it, and returns when the edge has let it in. */
export async function startOrigin(
  firn: TestEdge,
  {
    stock = {},
    names = {},
    tags = { latest: REVISION },
    packageSet = { id: "starter", label: "starter" },
    gate,
  }: OriginOptions = {},
): Promise<TestOrigin> {
  const jobs: (readonly Item[])[] = [];

  const resultOf = async (item: Item): Promise<Result> => {
    if (item.kind === "tag") {
      const { tag } = item;
      const revision = tags[tag] ?? { reason: "unknown", message: `no ref ${tag}` };
      return typeof revision === "string"
        ? { kind: "revision", revision }
        : { kind: "failure", failure: revision };
    }
    if (item.kind === "index") {
      const { kind, ...rest } = item;
      const list = names[item.path.join(".")];
      if (list === undefined) return { kind: "failure", failure: NO_INDEX };
      const bytes = new TextEncoder().encode(JSON.stringify(list));
      const blob = await putBlob(firn.bucket, bytes);
      return { kind, record: { format: RECORD_FORMAT, ...rest, names: blob } };
    }
    const { name, level, packageSet: set, revision, system, plan } = item;
    const found = stock[name] ?? {};
    if (isFailure(found)) return { kind: "failure", failure: found };
    if (level !== undefined) {
      const record = await makeLevel(firn.bucket, level, found.levels?.[level] ?? []);
      return { kind: "level", record };
    }
    const scope = { packageSet: set, revision, system, plan };
    return { kind: "package", record: await makePackage(firn.bucket, { name, ...found, scope }) };
  };
  const run = async (items: readonly Item[]): Promise<readonly Result[]> => {
    jobs.push(items);
    await gate?.();
    return Promise.all(items.map(resultOf));
  };

  const channel = await new Promise<ReturnType<typeof connect>>((resolve) => {
    const opened = connect({
      edge: new URL(firn.url),
      name: ORIGIN.name,
      key: ORIGIN.privateKey,
      hello: {
        version: "test",
        nix: "test",
        sandbox: true,
        nixVulnerable: false,
        systems: ["x86_64-linux", "aarch64-linux"],
        slots: 4,
        packageSet,
        ownBucket: true,
      },
      logger: pino({ level: "silent" }),
      drainMs: 0,
      run,
      onState: (state) => state === "connected" && resolve(opened),
    });
  });
  const origin: TestOrigin = {
    jobs,
    stop: () => {
      running.delete(origin);
      return channel.drain();
    },
  };
  running.add(origin);
  return origin;
}

/** Not stopped by their tests, which failed: their connections would keep the file from ending. */
const running = new Set<TestOrigin>();
after(() => Promise.all(Array.from(running, (origin) => origin.stop())));
