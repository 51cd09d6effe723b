/**
 * Chooses the level of each package of an image, and gets the made layers of that level.
 *
 * chooseLevels (contract/levels.ts) decides from the records alone, so every edge and the command
 * line choose the same. A package record has the layers of one level, which nearly every image
 * takes. Those of another level are in a level record, which an origin makes when an image first
 * needs it.
 */
import pLimit from "p-limit";
import type { ComposePackage } from "../../compose/compose.ts";
import type { Scope } from "../../contract/keys.ts";
import { BUDGET, chooseLevels } from "../../contract/levels.ts";
import type { ImageRequest } from "../../contract/names.ts";
import type { LevelRecord, PackageRecord } from "../../contract/records.ts";
import type { Answer, Outcome } from "../../farm/builds/ask.ts";
import { BUCKET_REQUESTS } from "../../store/blobs.ts";
import { levelRecord, readRecord } from "../../store/records.ts";
import type { Context } from "../context.ts";
import { nameInvalid } from "../errors.ts";
import { notDone } from "../failures.ts";
import { packagesForPeople } from "../packages-in-words.ts";
import { askWhileHeld } from "../ask-while-held.ts";
import { spendOnce } from "../limits.ts";
import { packageItem } from "./package-records.ts";
import { checkMayBuild } from "../permission.ts";

/** A level of a package whose layers are not in the package's own record. */
interface FurtherLevel {
  readonly name: string;
  readonly level: number;
}
const keyOf = ({ name, level }: FurtherLevel): string => `${name}~${level}`;
/** Records of further levels by keyOf. */
type MadeLevels = Map<string, LevelRecord>;

/**
 * Throws NAME_INVALID (400) when the packages have too many layers at every level, UNAVAILABLE
 * (503) when the layers of the chosen one cannot be made now.
 */
export async function chooseMadeLevels(
  context: Context,
  scope: Scope,
  records: readonly PackageRecord[],
  request: ImageRequest,
): Promise<ComposePackage[]> {
  const known = await knownLevels(context, scope, records);
  const { levels, made, absent } = known;
  if (absent.length === 0) return withLayers(records, levels, made);

  const answer = await askForLevels(context, scope, absent);
  if (answer.state === "done") addPublished(absent, answer.results, made);
  if (absent.every((level) => made.has(keyOf(level)))) return withLayers(records, levels, made);
  throw notDone(answer.state === "done" ? { state: "building" } : answer, {
    doing: `making layers of ${packagesForPeople(
      absent.map(({ name }) => name),
      request,
    )}`,
    system: scope.system,
    held: context.config.buildWait,
  });
}

interface ChosenLevels {
  readonly levels: readonly number[];
  readonly made: MadeLevels;
  /** Chosen, but not made yet. */
  readonly absent: readonly FurtherLevel[];
}

/** The chosen levels, and what the bucket has of them. Throws NAME_INVALID (400). */
async function knownLevels(
  context: Context,
  scope: Scope,
  records: readonly PackageRecord[],
): Promise<ChosenLevels> {
  const levels = chooseLevels(records);
  if (levels === null)
    throw nameInvalid(
      `the ${records.length} packages of this image have more than ${BUDGET.layers} layers ` +
        `together, which docker cannot mount: request fewer packages`,
      { packages: records.length, limit: BUDGET.layers },
    );
  const made: MadeLevels = new Map();
  const absent = await readLevels(context, scope, furtherLevels(records, levels), made);
  return { levels, made, absent };
}

/**
 * The packages at their levels, without asking an origin. `absent`: levels that are not made yet;
 * if there are any, there are no packages. Throws NAME_INVALID (400) as chooseMadeLevels does.
 */
export async function knownPackages(
  context: Context,
  scope: Scope,
  records: readonly PackageRecord[],
): Promise<{ packages: ComposePackage[] | null; absent: readonly FurtherLevel[] }> {
  const { levels, made, absent } = await knownLevels(context, scope, records);
  return { packages: absent.length > 0 ? null : withLayers(records, levels, made), absent };
}

/** Has an origin make levels. Throws when the caller may not start a build. */
function askForLevels(
  context: Context,
  scope: Scope,
  levels: readonly FurtherLevel[],
): Promise<Answer> {
  checkMayBuild(context);
  spendOnce(context, "packages", levels.map(keyOf));
  const items = levels.map((level) => packageItem(scope, level));
  return askWhileHeld(context, items);
}

/** Chosen levels that are not in the package's own record. */
const furtherLevels = (
  records: readonly PackageRecord[],
  levels: readonly number[],
): FurtherLevel[] =>
  records.flatMap((record, index) => {
    const level = levels[index] ?? record.level;
    return level === record.level ? [] : [{ name: record.name, level }];
  });

/** Reads level records into `made`; returns those that the bucket lacks, by name. */
async function readLevels(
  { bucket }: Context,
  scope: Scope,
  wanted: readonly FurtherLevel[],
  made: MadeLevels,
): Promise<FurtherLevel[]> {
  const limit = pLimit(BUCKET_REQUESTS);
  const absent: FurtherLevel[] = [];
  const read = async (level: FurtherLevel): Promise<void> => {
    const record = await readRecord(bucket, levelRecord(scope, level.name, level.level));
    if (record !== null) made.set(keyOf(level), record);
    else absent.push(level);
  };
  await Promise.all(wanted.map((level) => limit(() => read(level))));
  return absent.sort((a, b) => (a.name < b.name ? -1 : 1));
}

function addPublished(
  levels: readonly FurtherLevel[],
  results: readonly Outcome[],
  made: MadeLevels,
): void {
  for (const [index, level] of levels.entries()) {
    const result = results[index];
    if (result?.kind === "level") made.set(keyOf(level), result.record);
  }
}

function withLayers(
  records: readonly PackageRecord[],
  levels: readonly number[],
  made: MadeLevels,
): ComposePackage[] {
  return records.map((record, index) => {
    const level = made.get(keyOf({ name: record.name, level: levels[index] ?? record.level }));
    return level ? { record, made: level } : { record };
  });
}
