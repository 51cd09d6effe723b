/**
 * The graph of a whole channel, read from what its publisher already offers (as Nixery's popcount
 * does): `store-paths.xz`, the list of everything that was built, and each path's narinfo in the
 * binary cache. 100,000 small requests: made many at a time, each answer kept on disk, so that a
 * run that was broken off goes on where it was.
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
  /** Answers are kept here. */
  readonly dir: string;
}

export interface ReadOptions {
  readonly log: (line: string) => void;
  readonly signal?: AbortSignal | undefined;
}

/** Concurrent requests: caches answer in tens of ms, and HTTP keeps this many connections open. */
const CONCURRENCY = 48;
const ATTEMPTS = 4;
/** First pause before asking again, ms; doubled each time. */
const PAUSE = 500;
/** Longest wait for one answer, ms. */
const TIMEOUT = 60_000;
/** A line of progress after this many answers. */
const PROGRESS = 2_000;

/**
 * Every path of the list and everything that they refer to. What bears a package's plain name is
 * requestable by it; outputs (`-dev`, `-doc`) are not. A path that the cache does not have is left
 * out: it cannot be pulled from there either.
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
    // Breadth first: what a round's answers refer to and nobody asked for yet is the next round.
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

/** The body, or null for 404; asks again when the server is in trouble. */
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
