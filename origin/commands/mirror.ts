/**
 * `firn mirror`: asks an edge for each image of a list, so that it is built and known before people
 * ask. Nothing but manifests is fetched: an edge answers one when all that it names is there.
 */
import { readFile } from "node:fs/promises";
import { text } from "node:stream/consumers";
import { setTimeout as sleep } from "node:timers/promises";
import pLimit from "p-limit";
import { duration } from "../operator/table.ts";
import { fetchManifest } from "../remote/pull.ts";
import type { Registry } from "../remote/registry.ts";
import { stopSignal } from "../stop-signal.ts";
import { CommandFailed, EXIT } from "./exit-codes.ts";
import { openProgress } from "./progress.ts";
import { imageName, openEdge } from "./remote.ts";

export interface MirrorOptions {
  readonly edge: URL;
  /** Seconds between two rounds; one round when left out. */
  readonly every?: number | undefined;
  /** Images asked for at once. */
  readonly concurrency: number;
  readonly json: boolean;
}

/** An image of the list. */
interface Listed {
  readonly name: string;
  readonly reference: string;
}

/** What became of one image in one round. */
interface Report {
  readonly image: string;
  /** `new`: another digest than in the round before, or none was known. */
  readonly state: "new" | "same" | "failed";
  readonly digest?: string;
  readonly revision?: string;
  readonly error?: string;
  readonly seconds: number;
}

/**
 * The images of a list: a name a line, with a tag or without; what follows a `#` is a comment.
 * Throws a CommandFailed that names the line.
 */
export function parseList(list: string): Listed[] {
  const found = list.split("\n").flatMap((line, at): Listed[] => {
    const name = line.replace(/#.*$/, "").trim();
    if (name === "") return [];
    try {
      return [imageName(name)];
    } catch (error) {
      throw new CommandFailed("usage", `line ${at + 1}: ${(error as Error).message}`);
    }
  });
  if (found.length === 0) throw new CommandFailed("usage", "the list names no image");
  return found;
}

/**
 * Runs one round, or one every so often until it is told to stop. `file`: the list, `-` for
 * standard input; it is read again for each round, and while it cannot be read, the last one holds.
 * The exit status tells of the last round.
 */
export async function mirror(file: string, options: MirrorOptions): Promise<void> {
  const { every, json } = options;
  const progress = openProgress();
  const signal = stopSignal();
  const registry = await openEdge(options.edge, { progress, signal });
  const known = new Map<string, string>();
  const input = file === "-" ? await text(process.stdin) : undefined;
  let list: readonly Listed[] | undefined;
  try {
    for (;;) {
      list = await readList(file, input).catch((error: Error) => {
        if (list === undefined) throw error;
        progress.note(`${error.message}; the list of the last round is used`);
        return list;
      });
      const { length } = list;
      const started = Date.now();
      const reports = await round(registry, list, known, {
        ...options,
        signal,
        onReport: (report, done) => {
          progress.step(`${done} of ${length} images`);
          process.stdout.write(`${json ? JSON.stringify(report) : lineOf(report)}\n`);
        },
      });
      const failed = reports.filter(({ state }) => state === "failed").length;
      process.exitCode = failed === 0 ? EXIT.done : EXIT.found;
      const took = duration((Date.now() - started) / 1_000);
      progress.note(`${length - failed} of ${length} images are ready, after ${took}`);
      if (every === undefined) return;
      await sleep(Math.max(0, started + every * 1_000 - Date.now()), undefined, { signal });
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    progress.end();
  }
}

async function readList(file: string, input: string | undefined): Promise<Listed[]> {
  return parseList(input ?? (await textOf(file)));
}

async function textOf(file: string): Promise<string> {
  try {
    return await readFile(file, "utf8");
  } catch (error) {
    throw new CommandFailed("usage", `cannot read ${file}: ${(error as Error).message}`);
  }
}

interface RoundOptions {
  readonly concurrency: number;
  readonly signal: AbortSignal;
  readonly onReport: (report: Report, done: number) => void;
}

async function round(
  registry: Registry,
  list: readonly Listed[],
  known: Map<string, string>,
  { concurrency, signal, onReport }: RoundOptions,
): Promise<Report[]> {
  const limit = pLimit(concurrency);
  let done = 0;
  return Promise.all(
    list.map((listed) =>
      limit(async () => {
        signal.throwIfAborted();
        const report = await ask(registry, listed, known);
        signal.throwIfAborted();
        done += 1;
        onReport(report, done);
        return report;
      }),
    ),
  );
}

async function ask(
  registry: Registry,
  { name, reference }: Listed,
  known: Map<string, string>,
): Promise<Report> {
  const image = reference.startsWith("sha256:") ? `${name}@${reference}` : `${name}:${reference}`;
  const started = Date.now();
  const seconds = (): number => (Date.now() - started) / 1_000;
  try {
    const { digest, headers } = await fetchManifest(registry, name, reference);
    const state = known.get(image) === digest ? "same" : "new";
    known.set(image, digest);
    const revision = headers.get("firn-revision");
    return { image, state, digest, ...(revision && { revision }), seconds: seconds() };
  } catch (error) {
    return { image, state: "failed", error: (error as Error).message, seconds: seconds() };
  }
}

const lineOf = ({ image, state, digest, error, seconds }: Report): string =>
  [state, image, digest ?? error ?? "", duration(seconds)].join("  ");
