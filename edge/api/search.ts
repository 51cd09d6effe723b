/**
 * `GET /api/search?q=&limit=&tag=&platform=`: packages of the set, by name and description.
 * `python3packages.req` searches the nested set. It builds nothing; as for a pull, an origin may be
 * asked to list the names of a revision that nobody has pulled from.
 */
import * as v from "valibot";
import { packagesRefusal } from "../access/accounts.ts";
import type { FoundPackage, SearchAnswer } from "../contract/api.ts";
import type { Scope } from "../contract/keys.ts";
import type { PackageAbout } from "../contract/package-about.ts";
import { attributeFor, typedName } from "../contract/package-index.ts";
import { policyRefusal } from "../contract/package-policy.ts";
import { type IndexRecord, MAX_INDEX_DEPTH } from "../contract/records.ts";
import type { Env } from "../env.ts";
import { type Context, openContext } from "../pull/context.ts";
import { spend } from "../pull/limits.ts";
import { mayHaveBuilt } from "../pull/permission.ts";
import { knownRecords } from "../pull/packages/package-records.ts";
import { knownRevision } from "../pull/tags/resolve-tag.ts";
import { askForIndexes } from "../pull/packages/unknown-packages.ts";
import type { AuthorizedRequest } from "../registry/authorize.ts";
import { note } from "../log.ts";
import { planInForce } from "../store/current.ts";
import { rememberedDemand } from "../store/demand.ts";
import { readAbout, readNames } from "../store/package-index.ts";
import { indexRecord, readRecord } from "../store/records.ts";
import { answer, count, platform, readQuery, systemsFor, tag } from "./query.ts";
import { rank, type Ranked } from "./rank.ts";

const MAX_QUERY = 100;
const MAX_RESULTS = 100;
/** How long an answer may be cached, seconds. */
const CACHED_SECONDS = 60;

const QUERY = {
  q: v.optional(
    v.pipe(v.string(), v.maxLength(MAX_QUERY, `must be at most ${MAX_QUERY} characters`)),
    "",
  ),
  limit: count(20, MAX_RESULTS),
  tag,
  platform,
};

/** Packages that match `q`, best first. Throws as a pull does for tags and accounts. */
export async function search(
  request: AuthorizedRequest,
  env: Env,
  ctx: ExecutionContext,
): Promise<Response> {
  const query = readQuery(request, QUERY);
  const context = await openContext(request, env, ctx);
  spend(context, "looks");
  const { packageSet } = context.config;
  const nothing = { packageSet: packageSet.label, listed: false, total: 0, packages: [] };
  const revision = await knownRevision(context, query.tag);
  if (revision === null) return answer({ ...nothing, revision } satisfies SearchAnswer);

  const [system] = systemsFor(context, query.platform);
  const plan = await planInForce(context.bucket, packageSet.id);
  const scope = { packageSet: packageSet.id, revision, system, plan };
  const set = await setOf(context, scope, query.q.trim());
  if (set === null) return answer({ ...nothing, revision } satisfies SearchAnswer);

  const pulled = await pullsByName(context);
  // A package may be called `constructor`, which is a property of every object.
  const pullsOf = (name: string): number => (Object.hasOwn(pulled, name) ? (pulled[name] ?? 0) : 0);
  const found = rank(set.word, {
    attributes: set.attributes,
    about: set.about,
    pulls: (name) => pullsOf(set.prefix + name),
    allowed: (name) => mayHave(context, set.prefix + name),
  });
  const best = found.slice(0, query.limit);
  const packages = await described(context, scope, set, best);
  return answer(
    {
      packageSet: packageSet.label,
      revision,
      listed: true,
      total: found.length,
      packages: packages.map((each) => ({ ...each, pulls: pullsOf(each.name) })),
    } satisfies SearchAnswer,
    CACHED_SECONDS,
  );
}

/** What is pulled more comes first; a search is worth an answer without that. */
async function pullsByName({ bucket, config }: Context): Promise<Readonly<Record<string, number>>> {
  try {
    return (await rememberedDemand(bucket, config.packageSet.id)).packages;
  } catch (error) {
    note("warn", "demand.unread", { error: String(error) });
    return {};
  }
}

/** Whether the registry's policy and the caller's account allow the package. */
function mayHave({ config, caller }: Context, name: string): boolean {
  if (policyRefusal(config.packages, name) !== undefined) return false;
  return caller.account === null || packagesRefusal(caller.account, [name]) === undefined;
}

/** The package set, or a nested one, in which a word is searched. */
interface SearchedSet {
  /** As in image names: `python3packages.`; empty for the package set itself. */
  readonly prefix: string;
  /** In Nix's spelling. */
  readonly path: readonly string[];
  readonly attributes: readonly string[];
  readonly about: PackageAbout | null;
  readonly word: string;
}

/** The set that a query searches; null when no origin has listed its names. */
function setOf(context: Context, scope: Scope, query: string): Promise<SearchedSet | null> {
  return setAt(context, scope, { path: [], prefix: "", words: query.split(".") });
}

interface Place {
  readonly path: readonly string[];
  readonly prefix: string;
  /** Components of the query that are not resolved yet. */
  readonly words: readonly string[];
}

async function setAt(
  context: Context,
  scope: Scope,
  { path, prefix, words }: Place,
): Promise<SearchedSet | null> {
  const record = await indexAt(context, scope, path);
  const attributes = record && (await readNames(context.bucket, record));
  if (record === null || attributes === null) return null;
  const [first = "", ...rest] = words;
  const mayBeSet =
    rest.length > 0 &&
    path.length < MAX_INDEX_DEPTH &&
    mayHave(context, `${prefix}${first.toLowerCase()}.x`);
  const attribute = mayBeSet ? attributeFor(attributes, first.toLowerCase()) : undefined;
  if (attribute !== undefined)
    return setAt(context, scope, {
      path: [...path, attribute],
      prefix: `${prefix}${typedName(attribute)}.`,
      words: rest,
    });
  const about = await readAbout(context.bucket, record);
  return { prefix, path, attributes, about, word: words.join(".") };
}

/** How long a person who types waits for an origin to list names, milliseconds. */
const LIST_WAIT_MS = 20_000;

async function indexAt(
  context: Context,
  scope: Scope,
  path: readonly string[],
): Promise<IndexRecord | null> {
  const known = await readRecord(context.bucket, indexRecord(scope, path));
  if (known !== null || !mayHaveBuilt(context)) return known;
  const heldUntil = Math.min(context.heldUntil, Date.now() + LIST_WAIT_MS);
  const [listed] = await askForIndexes({ ...context, heldUntil }, scope, [path]);
  return listed ?? null;
}

/**
 * Adds versions and descriptions: from the set's list, else from the records of published packages.
 */
async function described(
  context: Context,
  scope: Scope,
  { prefix, path, about }: SearchedSet,
  found: readonly Ranked[],
): Promise<Omit<FoundPackage, "pulls">[]> {
  const names = found.map(({ name }) => prefix + name);
  const records = about === null ? await knownRecords(context, scope, names) : [];
  return found.map(({ attribute }, at) => {
    const { version, description } = about?.find(attribute) ?? records[at] ?? {};
    return {
      name: names[at] ?? "",
      attribute: [...path, attribute].join("."),
      ...(version ? { version } : {}),
      ...(description ? { description } : {}),
    };
  });
}
