/** A real origin, connected over the real channel, whose packages a test makes up. */
import { after } from "node:test";
import { pino } from "pino";
import type { Failure, Item, Result } from "../../../edge/contract/items.ts";
import {
  type Layer,
  RECORD_FORMAT,
  type SignedLayer,
  type System,
  statementOf,
} from "../../../edge/contract/records.ts";
import type { Sign } from "../../../edge/contract/signatures.ts";
import { connect, type RunContext } from "../../../origin/channel/index.ts";
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
  listTags(tags: readonly string[]): void;
  stop(): Promise<void>;
}

export interface OriginOptions {
  /** Packages, by name or by system and name; any other name is a package of its own layer. */
  readonly stock?: Stock;
  /** Why nested sets cannot be listed, by their paths. */
  readonly refused?: Readonly<Record<string, string>>;
  /**
   * The names of the package set, under "", and of nested ones by their paths; without them it
   * lists none, and a test's packages exist when they are asked for.
   */
  readonly names?: Readonly<Record<string, readonly string[]>>;
  /** What tags mean; `latest` is REVISION. */
  readonly tags?: Readonly<Record<string, string | Failure>>;
  readonly packageSet?: { readonly id: string; readonly label: string };
  /** Which of the origins that the edge lets in. */
  readonly as?: typeof ORIGIN;
  /** What it builds for; both systems when left out. */
  readonly systems?: readonly System[];
  /** What it lists of the set's tags; nothing when left out. */
  readonly listed?: readonly string[];
  /** Awaited before each job is begun. */
  readonly gate?: (items: readonly Item[], context: RunContext) => Promise<void>;
}

const NO_INDEX: Failure = { reason: "refused", message: "this set cannot be listed" };

const signed = (layers: readonly Layer[], sign: Sign): SignedLayer[] =>
  layers.map((layer) => {
    const statement = { ...layer, codec: "gzip", compressor: "test" } as const;
    return { statement, signature: sign("layer", statement) };
  });

const isFailure = (value: object): value is Failure => "reason" in value;

/** Connects it, and returns when the edge has let it in. */
export async function startOrigin(
  firn: Pick<TestEdge, "url" | "bucket">,
  {
    stock = {},
    names = {},
    refused = {},
    tags = { latest: REVISION },
    packageSet = { id: "starter", label: "starter" },
    as = ORIGIN,
    systems = ["x86_64-linux", "aarch64-linux"],
    listed,
    gate,
  }: OriginOptions = {},
): Promise<TestOrigin> {
  const jobs: (readonly Item[])[] = [];

  const resultOf = async (item: Item, sign: Sign): Promise<Result> => {
    if (item.kind === "tag") {
      const { tag } = item;
      const revision = tags[tag] ?? { reason: "unknown", message: `no ref ${tag}` };
      return typeof revision === "string"
        ? { kind: "revision", revision }
        : { kind: "failure", failure: revision };
    }
    if (item.kind === "index") {
      const { kind, ...rest } = item;
      const path = item.path.join(".");
      const reason = refused[path];
      const list = reason === undefined ? names[path] : [];
      if (list === undefined) return { kind: "failure", failure: NO_INDEX };
      const bytes = new TextEncoder().encode(JSON.stringify(list));
      const blob = await putBlob(firn.bucket, bytes);
      const statement = {
        format: RECORD_FORMAT,
        ...rest,
        names: blob,
        ...(reason === undefined ? {} : { refused: reason }),
      } as const;
      return { kind, statement, signature: sign("index", statement) };
    }
    const { name, level, packageSet: set, revision, system, plan } = item;
    const found = stock[`${system} ${name}`] ?? stock[name] ?? {};
    if (isFailure(found)) return { kind: "failure", failure: found };
    if (level !== undefined) {
      const { layers } = await makeLevel(firn.bucket, level, found.levels?.[level] ?? []);
      return { kind: "level", level, layers: signed(layers, sign) };
    }
    const scope = { packageSet: set, revision, system, plan };
    const record = await makePackage(firn.bucket, { name, ...found, scope });
    const statement = statementOf(record);
    const signature = sign("package", statement);
    return { kind: "package", statement, signature, layers: signed(record.layers, sign) };
  };
  const run = async (items: readonly Item[], context: RunContext): Promise<readonly Result[]> => {
    jobs.push(items);
    await gate?.(items, context);
    return Promise.all(items.map((item) => resultOf(item, context.sign)));
  };

  const channel = await new Promise<ReturnType<typeof connect>>((resolve) => {
    const opened = connect({
      edge: new URL(firn.url),
      name: as.name,
      key: as.privateKey,
      hello: {
        version: "test",
        nix: "test",
        sandbox: true,
        nixVulnerable: false,
        systems: [...systems],
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
  if (listed !== undefined) channel.listTags(listed);
  const origin: TestOrigin = {
    jobs,
    listTags: (tags) => channel.listTags(tags),
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
