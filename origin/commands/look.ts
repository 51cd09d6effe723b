/**
 * `firn inspect`, `firn diff`, `firn search`: what the page shows, in a terminal, by the JSON API.
 */
import type * as v from "valibot";
import { parse } from "valibot";
import {
  DIFF_PATH,
  type DiffAnswer,
  DiffSchema,
  IMAGES_PATH,
  ImageViewSchema,
  SEARCH_PATH,
  SearchSchema,
} from "../../edge/contract/api.ts";
import { tell } from "../process.ts";
import { pullScope } from "../remote/registry.ts";
import { stopSignal } from "../stop-signal.ts";
import { CommandFailed, EXIT } from "./exit-codes.ts";
import { openProgress } from "./progress.ts";
import { imageName, openEdge } from "./remote.ts";
import { shownDiff, shownImage, shownSearch } from "./shown.ts";

export interface LookOptions {
  readonly edge: URL;
  /** `linux/amd64`. */
  readonly platform?: string | undefined;
  readonly json: boolean;
}

type Query = Readonly<Record<string, string | undefined>>;

/** Asks the API. Throws a CommandFailed with what the edge says. */
async function ask<T>(
  { edge }: LookOptions,
  [path, query]: readonly [string, Query],
  names: readonly string[],
  schema: v.GenericSchema<unknown, T>,
): Promise<T> {
  const progress = openProgress();
  try {
    const registry = await openEdge(edge, { progress, signal: stopSignal() });
    const given = Object.entries(query).filter(([, value]) => value !== undefined);
    const search = new URLSearchParams(given as [string, string][]);
    progress.step(`asking ${edge.host}`);
    const answer = await registry.send(`${path}?${search}`, { scopes: names.map(pullScope) });
    const body: unknown = await answer.json().catch(() => undefined);
    if (body === undefined)
      throw new CommandFailed("failed", `${edge.host} is not a Firn registry, or an older version`);
    return parse(schema, body);
  } finally {
    progress.end();
  }
}

const print = (lines: readonly string[]): void =>
  void process.stdout.write(`${lines.join("\n")}\n`);

export interface InspectOptions extends LookOptions {
  /** An image that a client has already. */
  readonly has: string;
  /** All store paths. */
  readonly closure: boolean;
}

/** Prints what the registry knows of an image. */
export async function inspect(text: string, options: InspectOptions): Promise<void> {
  const { platform, json, has, closure } = options;
  const { name, reference: tag } = imageName(text);
  if (tag.startsWith("sha256:"))
    throw new CommandFailed("usage", "an image is looked at by its tag, not by a digest");
  const query = { tag, platform, has, resolve: "1", ...(closure && { closure: "1" }) };
  const view = await ask(options, [`${IMAGES_PATH}${name}`, query], [name], ImageViewSchema);
  print(json ? [JSON.stringify(view)] : shownImage(view, { closure }));
  const isUnknown = view.platforms.every(({ state }) => state === "unknown");
  if (isUnknown && view.platforms.length > 0) process.exitCode = EXIT.unknown;
}

export interface DiffOptions extends LookOptions {
  /** Whether the exit status says that they differ. */
  readonly exitCode: boolean;
}

/** Prints what differs between two images. */
export async function diff(from: string, to: string, options: DiffOptions): Promise<void> {
  const names = [imageName(from).name, imageName(to).name];
  const query = { from, to, platform: options.platform };
  const found = await ask(options, [DIFF_PATH, query], names, DiffSchema);
  print(options.json ? [JSON.stringify(found)] : shownDiff(found));
  if (options.exitCode && differs(found)) process.exitCode = EXIT.found;
}

/** Whether two images differ, in layers or in the names of their packages. */
const differs = ({ packages: { added, removed, changed }, moved }: DiffAnswer): boolean =>
  moved.layers > 0 || added.length + removed.length + changed.length > 0;

export interface SearchOptions extends LookOptions {
  readonly tag: string;
  readonly limit: number;
}

/** Prints packages. Throws a CommandFailed when the registry does not know the names yet. */
export async function search(word: string, options: SearchOptions): Promise<void> {
  const { tag, platform, limit, json } = options;
  const query = { q: word, limit: String(limit), tag, platform };
  const found = await ask(options, [SEARCH_PATH, query], [], SearchSchema);
  if (json) print([JSON.stringify(found)]);
  else if (found.packages.length > 0) print(shownSearch(found));
  if (!found.listed)
    throw new CommandFailed(
      "later",
      found.revision === null
        ? `nobody has pulled ${tag} here yet, so its packages are not known: pull any image of it`
        : "the names of the packages are being listed: try again in a moment",
    );
  if (found.packages.length > 0) return;
  if (!json) tell(`firn: no package has ${JSON.stringify(word)} in its name or description`);
  process.exitCode = EXIT.unknown;
}
