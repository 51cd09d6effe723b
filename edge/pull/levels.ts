/**
 * The level of each package of an image, and the made layers of that level.
 *
 * chooseLevels (contract/levels.ts) decides from the records alone, so every edge and the command
 * line choose the same: that image is the canonical one. A record carries the layers of one level.
 * Those of another are in a LevelRecord once somebody asked for it; when nobody did, an origin
 * makes them now. When none can, the next coarser level that is known serves: the client gets an
 * image that works, and it is not stored as the image of this name, so that the same request gives
 * the canonical one as soon as its layers exist.
 */
import pLimit from "p-limit";
import { askFarm } from "../farm/ask.ts";
import type { ComposePackage } from "../compose/compose.ts";
import { RegistryError } from "./errors.ts";
import type { Scope } from "../contract/keys.ts";
import { chooseLevels, LAYER_BUDGET } from "../contract/levels.ts";
import type { LevelRecord, PackageRecord } from "../contract/records.ts";
import { type Deadline, left } from "./deadline.ts";
import { listed, notDone } from "./failures.ts";
import { publishJob } from "./packages.ts";
import { BUCKET_REQUESTS } from "../store/blobs.ts";
import { levelRecord, readRecord } from "../store/records.ts";
import type { Registry } from "./registry.ts";

export interface ChosenLevels {
  readonly packages: readonly ComposePackage[];
  /** Whether every level is the one that the canonical image has. */
  readonly canonical: boolean;
}

/** A package at a level whose layers are not with the package's own record. */
interface Wish {
  readonly name: string;
  readonly level: number;
}
const wishKey = ({ name, level }: Wish): string => `${name}~${level}`;

/**
 * Throws NAME_INVALID (400) when the packages have too many layers at every level, UNAVAILABLE
 * (503) when no known levels fit.
 */
export async function chooseMadeLevels(
  registry: Registry,
  scope: Scope,
  records: readonly PackageRecord[],
  deadline: Deadline,
): Promise<ChosenLevels> {
  const made = new Map<string, LevelRecord>();
  const levels = chooseLevels(records);
  if (levels === null) throw tooManyLayers(records);

  const wanted = wishes(records, levels);
  const absent = await load(registry, scope, wanted, made);
  if (absent.length === 0) return { packages: withLayers(records, levels, made), canonical: true };

  const answer = await askFarm(registry.env, publishJob(scope, absent), left(deadline));
  if (answer.state === "done" && answer.result.kind === "published") {
    for (const outcome of answer.result.outcomes)
      if (outcome.kind === "level")
        made.set(wishKey({ name: outcome.name, level: outcome.record.level }), outcome.record);
  }
  const never = new Set(absent.map(wishKey).filter((key) => !made.has(key)));
  if (never.size === 0) return { packages: withLayers(records, levels, made), canonical: true };

  // Each turn either finds every chosen level, or learns of at least one more that nobody made: it
  // ends.
  for (;;) {
    const known = chooseLevels(
      records,
      LAYER_BUDGET,
      (record, level) =>
        level === record.level || !never.has(wishKey({ name: record.name, level })),
    );
    if (known === null)
      throw notDone(
        answer.state === "done" || answer.state === "failed" ? "building" : answer.state,
        {
          doing: `making layers of ${listed(absent.map(({ name }) => name))}`,
          system: scope.system,
        },
        deadline,
      );
    const unmade = await load(registry, scope, wishes(records, known), made);
    if (unmade.length === 0)
      return { packages: withLayers(records, known, made), canonical: false };
    for (const wish of unmade) never.add(wishKey(wish));
  }
}

/** What is chosen and does not come with the record. */
const wishes = (records: readonly PackageRecord[], levels: readonly number[]): Wish[] =>
  records.flatMap((record, index) => {
    const level = levels[index] ?? record.level;
    return level === record.level ? [] : [{ name: record.name, level }];
  });

/** Reads level records into `made`; answers those that the bucket lacks. */
async function load(
  { bucket }: Registry,
  scope: Scope,
  wanted: readonly Wish[],
  made: Map<string, LevelRecord>,
): Promise<Wish[]> {
  const limit = pLimit(BUCKET_REQUESTS);
  const absent: Wish[] = [];
  const read = async (wish: Wish): Promise<void> => {
    if (made.has(wishKey(wish))) return;
    const record = await readRecord(bucket, levelRecord(scope, wish.name, wish.level));
    if (record !== null) made.set(wishKey(wish), record);
    else absent.push(wish);
  };
  await Promise.all(wanted.map((wish) => limit(() => read(wish))));
  return absent.sort((a, b) => (a.name < b.name ? -1 : 1));
}

function withLayers(
  records: readonly PackageRecord[],
  levels: readonly number[],
  made: ReadonlyMap<string, LevelRecord>,
): ComposePackage[] {
  return records.map((record, index) => {
    const level = made.get(wishKey({ name: record.name, level: levels[index] ?? record.level }));
    return level && level.level !== record.level ? { record, made: level } : { record };
  });
}

const tooManyLayers = (records: readonly PackageRecord[]): RegistryError =>
  new RegistryError({
    code: "NAME_INVALID",
    status: 400,
    message: `the ${records.length} packages of this image have more than ${LAYER_BUDGET} layers together, which docker cannot mount: ask for fewer`,
    detail: { packages: records.length, limit: LAYER_BUDGET },
  });
