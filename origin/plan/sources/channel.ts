/**
 * The graph of a whole channel, from what its publisher offers: `store-paths.xz`, the list of
 * everything that was built, and the narinfo of each path in the binary cache. These are 100,000
 * small requests: they are made concurrently, and answers are kept on disk, so that an interrupted
 * run can be resumed.
 */
import { setTimeout as sleep } from "node:timers/promises";
import pLimit from "p-limit";
import { componentOf } from "../component.ts";
import type { GraphNode } from "../graph.ts";
import { storeName, versionless } from "../names.ts";
import { hashOf, isStorePath, type NarInfo, parseNarInfo } from "./narinfo.ts";
import { openNarInfoCache } from "./narinfo-cache.ts";
import { unxz } from "./xz.ts";

export interface ChannelSource {
  /** URL of the channel's store-paths.xz. */
  readonly storePaths: string;
  /** Base URL of the binary cache. */
  readonly cache: string;
  /** Directory for answers. */
  readonly dir: string;
}

export interface ReadOptions {
  readonly log: (line: string) => void;
  readonly signal?: AbortSignal | undefined;
}

/** Concurrent requests: a cache answers one in tens of milliseconds. */
const CONCURRENCY = 48;
const ATTEMPTS = 4;
/** First pause before asking again, ms; doubled each time. */
const PAUSE = 500;
/** Longest wait for one answer, ms. */
const TIMEOUT = 60_000;
/** A line of progress after this many answers. */
const PROGRESS = 2_000;

/**
 * The graph of all paths in the list and of all that they refer to. A path is requestable by the
 * name of its package, outputs (`-dev`, `-doc`) are not. Paths that the cache does not have are
 * left out. Throws an Error when the list, or the answers of the cache, cannot be read.
 */
export async function channelGraph(
  { storePaths, cache, dir }: ChannelSource,
  { log, signal }: ReadOptions,
): Promise<GraphNode[]> {
  const list = await fetched(storePaths, signal);
  if (!list) throw new Error(`the channel has no list of store paths: ${storePaths} is 404`);
  const listed = new Set(
    (await unxz(list, signal))
      .split("\n")
      .map((line) => line.trim())
      .filter(isStorePath),
  );
  if (listed.size === 0) throw new Error(`${storePaths} lists no store paths`);
  log(`${listed.size} store paths in the channel`);

  const known = await openNarInfoCache(dir);
  const infos = new Map<string, NarInfo>();
  let missing = 0;
  try {
    const limit = pLimit({ concurrency: CONCURRENCY, rejectOnClear: true });
    let wanted = [...listed].sort();
    const seen = new Set(wanted);
    // Breadth first: each round reads what the round before refers to and is not known yet.
    while (wanted.length > 0) {
      let done = 0;
      const next = new Set<string>();
      const read = async (path: string): Promise<void> => {
        const info = known.get(path) ?? (await narInfo(cache, path, signal));
        if (++done % PROGRESS === 0) log(`${infos.size} of ${seen.size} store paths read`);
        if (info === null) {
          missing++;
          return;
        }
        if (!known.get(path)) await known.add(info);
        infos.set(path, info);
        for (const reference of info.references) if (!seen.has(reference)) next.add(reference);
      };
      const reading = wanted.map((path) => limit(read, path));
      try {
        await Promise.all(reading);
      } catch (error) {
        limit.clearQueue();
        await Promise.allSettled(reading);
        throw error;
      }
      wanted = [...next].sort();
      for (const path of wanted) seen.add(path);
    }
  } finally {
    await known.close();
  }
  log(`${infos.size} store paths read${missing > 0 ? `, ${missing} are not in the cache` : ""}`);
  return [...infos.values()].map(({ path, narSize, references }) => ({
    id: path,
    name: storeName(path),
    size: narSize,
    references,
    roots: listed.has(path) ? rootsOf(storeName(path)) : [],
  }));
}

function rootsOf(name: string): string[] {
  const plain = versionless(name);
  return plain.includes(" ") ? [] : [componentOf(plain)];
}

async function narInfo(
  cache: string,
  path: string,
  signal: AbortSignal | undefined,
): Promise<NarInfo | null> {
  const body = await fetched(`${cache.replace(/\/$/, "")}/${hashOf(path)}.narinfo`, signal);
  if (!body) return null;
  const info = parseNarInfo(new TextDecoder().decode(body));
  if (info.path !== path) throw new Error(`the binary cache answers for ${path} with ${info.path}`);
  return info;
}

/** The body of an answer, or null for 404; tries again after errors that may pass. */
async function fetched(url: string, signal: AbortSignal | undefined): Promise<Uint8Array | null> {
  for (let attempt = 1; ; attempt++) {
    try {
      const timeout = AbortSignal.timeout(TIMEOUT);
      const response = await fetch(url, {
        signal: signal ? AbortSignal.any([signal, timeout]) : timeout,
      });
      if (response.status === 404) return null;
      if (response.ok) return new Uint8Array(await response.arrayBuffer());
      await response.body?.cancel();
      if (response.status < 500 && response.status !== 429)
        throw new Refused(`${url} answers ${response.status}`);
      if (attempt === ATTEMPTS)
        throw new Refused(`${url} answers ${response.status}, ${ATTEMPTS} times`);
    } catch (error) {
      signal?.throwIfAborted();
      if (error instanceof Refused) throw error;
      if (attempt === ATTEMPTS)
        throw new Error(`${url} cannot be read, tried ${ATTEMPTS} times`, { cause: error });
    }
    await sleep(PAUSE * 2 ** (attempt - 1), undefined, signal ? { signal } : {});
  }
}

class Refused extends Error {}
