/** A real origin, connected over the real channel, whose packages a test makes up. */
import { pino } from "pino";
import type {
  Failure,
  Item,
  Outcome,
  PublishJob,
  Result,
  Work,
} from "../../../edge/contract/messages.ts";
import { connect } from "../../../origin/channel/index.ts";
import {
  makeLevel,
  makePackage,
  ORIGIN,
  REVISION,
  type TestEdge,
  type TestPackage,
} from "./support.ts";

/** What the origin does with one wish: a package it has, or the failure it reports. */
export type Stock = Readonly<Record<string, Omit<TestPackage, "name"> | Failure>>;

export interface TestOrigin {
  /** Work that it was given, in order. */
  readonly works: Work[];
  stop(): Promise<void>;
}

export interface OriginOptions {
  /** Packages; any other name is a package of its own layer. */
  readonly stock?: Stock;
  /** What tags mean; `latest` is REVISION. */
  readonly tags?: Readonly<Record<string, string | Failure>>;
  readonly packageSet?: string;
  /** Awaited before each piece of work is begun. */
  readonly gate?: () => Promise<void>;
}

class Failed extends Error {
  readonly failure: Failure;
  constructor(failure: Failure) {
    super(failure.message);
    this.failure = failure;
  }
}
const isFailure = (value: object): value is Failure => "reason" in value;

/** Connects it, and returns when the edge has let it in. */
export async function startOrigin(
  firn: TestEdge,
  { stock = {}, tags = { latest: REVISION }, packageSet = "starter", gate }: OriginOptions = {},
): Promise<TestOrigin> {
  const works: Work[] = [];

  const outcome = async (job: PublishJob, { name, level }: Item): Promise<Outcome> => {
    const { packageSet: set, revision, system, plan } = job;
    const found = stock[name] ?? {};
    if (isFailure(found))
      return { kind: "failure", name, ...(level === undefined ? {} : { level }), failure: found };
    if (level !== undefined)
      return {
        kind: "level",
        name,
        record: await makeLevel(firn.bucket, level, found.levels?.[level] ?? []),
      };
    return {
      kind: "package",
      name,
      record: await makePackage(firn.bucket, {
        name,
        ...found,
        scope: { packageSet: set, revision, system, plan },
      }),
    };
  };
  const run = async (work: Work): Promise<Result> => {
    works.push(work);
    await gate?.();
    if (work.kind === "publish")
      return {
        kind: "published",
        outcomes: await Promise.all(work.items.map((item) => outcome(work, item))),
      };
    const revision = tags[work.tag] ?? {
      reason: "unknown" as const,
      message: `no ref ${work.tag}`,
    };
    if (typeof revision !== "string") throw new Failed(revision);
    return { kind: "resolved", revision };
  };

  const channel = await new Promise<ReturnType<typeof connect>>((resolve) => {
    const opened = connect({
      edge: new URL(firn.url),
      name: ORIGIN.name,
      key: ORIGIN.privateKey,
      hello: {
        version: "test",
        nix: "test",
        systems: ["x86_64-linux", "aarch64-linux"],
        slots: 4,
        packageSet,
      },
      logger: pino({ level: "silent" }),
      drainMs: 0,
      run,
      onState: (state) => state === "connected" && resolve(opened),
    });
  });
  return { works, stop: () => channel.drain() };
}
