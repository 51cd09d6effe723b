/**
 * The results of making an image for several platforms: the image record they make together, or the
 * error to throw, and why a platform has no image.
 */
import type { ComposedImage } from "../../compose/compose.ts";
import type { ImageScope } from "../../contract/keys.ts";
import { InvalidName } from "../../contract/names.ts";
import {
  type ImageRecord,
  MAX_REASON,
  RECORD_FORMAT,
  type System,
} from "../../contract/records.ts";
import { note } from "../../log.ts";
import { RegistryError } from "../errors.ts";
import { isFinal, isUnfinished } from "../failures.ts";
import type { ImageName } from "./image-paths.ts";
import { merged } from "./image-records.ts";
import { BEING_MADE, type Failure } from "./platform-attempts.ts";
import type { WantedSystems } from "../wanted-systems.ts";

/** An image that is not known for all wanted systems. */
export interface Incomplete {
  readonly name: ImageName;
  readonly scope: ImageScope;
  readonly wanted: WantedSystems;
  readonly known: ImageRecord | null;
}

/** How making the image for one system ended. */
export type Ended = { readonly made: ComposedImage } | { readonly error: unknown };

/** Results of the systems that are finished. */
export type Results = Map<System, Ended>;

/** What is known of the image with these results; null when no system has one. */
export function withResults(image: Incomplete, results: Results): ImageRecord | null {
  const { scope, known } = image;
  const made = Array.from(results, ([system, result]) =>
    "made" in result ? recordOf(scope, system, result.made) : null,
  );
  const records = [known, ...made].filter((record) => record !== null);
  const [first, ...others] = records;
  if (first === undefined) return null;
  const record = others.reduce(merged, first);
  const without: ImageRecord["without"] = { ...record.without };
  for (const [system, result] of results)
    if ("error" in result && isFinal(result.error) && record.images[system] === undefined)
      without[system] = { message: result.error.message.slice(0, MAX_REASON) };
  const isSame = Object.keys(without).length === Object.keys(record.without).length;
  return isSame ? record : { ...record, without };
}

const recordOf = (
  { packageSet, revision, plan }: ImageScope,
  system: System,
  { image, origins }: ComposedImage,
): ImageRecord => ({
  format: RECORD_FORMAT,
  packageSet,
  revision,
  plan,
  origins: [...origins],
  images: { [system]: image },
  without: {},
});

/**
 * Throws when there is no image to answer with: the error of the requested platform, or of the
 * default one. An error of the registry itself is thrown even when another platform has an image.
 */
export function throwTrouble(
  { wanted }: Incomplete,
  record: ImageRecord | null,
  results: Results,
): asserts record is ImageRecord {
  const errors = new Map(
    Array.from(results, ([system, result]) => [system, "error" in result ? result.error : null]),
  );
  const own = errors.get(wanted.asked ?? (wanted.all[0] as System)) ?? null;
  const isThere =
    record !== null && (!wanted.only || record.images[wanted.asked as System] !== undefined);
  if (isThere && (own === null || wanted.asked === undefined || isAboutImage(own))) return;
  throw own ?? [...errors.values()].find((error) => error !== null);
}

/** Whether an error is about the image or the client, rather than a fault of the registry. */
const isAboutImage = (error: unknown): error is RegistryError | InvalidName =>
  error instanceof RegistryError || error instanceof InvalidName;

/** Why an attempt has made no image, or has not ended. */
export function failureOf(system: System, result: Ended | undefined): Failure {
  if (result === undefined || "made" in result || isUnfinished(result.error))
    return { kind: "building", reason: BEING_MADE };
  const { error } = result;
  if (isAboutImage(error)) {
    const mayPass = error instanceof RegistryError && SOON.has(error.status);
    return { kind: mayPass ? "soon" : "failed", reason: error.message };
  }
  note("error", "platform.failed", { system, error: String(error) });
  return { kind: "failed", reason: "it cannot be built at the moment" };
}

/**
 * Statuses of errors that may pass soon, or not affect another client: no origin, limits, accounts.
 */
const SOON: ReadonlySet<number> = new Set([401, 403, 429, 503]);
