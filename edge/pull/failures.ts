/**
 * Words failures of origins and of the farm as errors for the person who pulls. Pure.
 *
 * An image contains packages that its name does not mention: every image has cacert, and `shell`
 * adds bash. Messages name those only where the package set lacks them, and say why they are needed.
 * And they name a common cause once (failure-causes.ts).
 */
import type { Failure } from "../contract/items.ts";
import type { System } from "../contract/records.ts";
import type { Answer } from "../farm/builds/answer.ts";
import { manifestUnknown, RegistryError, timedOut, unavailable, unknown } from "./errors.ts";
import {
  causesOf,
  detailsOf,
  type Failed,
  type Logs,
  nearestText,
  subjectOf,
  unknownTexts,
} from "./failure-causes.ts";
import type { Asked } from "./packages-in-words.ts";

export type { Failed, Logs } from "./failure-causes.ts";

/** What the farm was asked for. */
export interface Unfinished {
  /** For people: `building git, curl`. */
  readonly doing: string;
  readonly system?: System;
  /** How long the request was held for it, milliseconds. */
  readonly held: number;
  /** Where its log can be followed. */
  readonly log?: string;
}

/**
 * Retry-After when origins failed for reasons of their own, seconds: another attempt may succeed.
 */
const TROUBLE_RETRY_SECONDS = 10;
/**
 * Retry-After without an origin, or with too many jobs, seconds: an origin may come back, or a job
 * end.
 */
const FARM_RETRY_SECONDS = 30;
/**
 * Retry-After while it is built, seconds: the retry joins the build and is held again, so it may
 * come soon.
 */
const BUILDING_RETRY_SECONDS = 5;

/**
 * The error for an image with at least one failed package: about all unknown packages, or else
 * about the first of the other causes. `detail` has all causes.
 */
export function packagesFailed(
  failures: readonly Failed[],
  asked: Asked,
  logs: Logs,
): RegistryError {
  const causes = causesOf(failures, asked);
  const detail = {
    failures: causes.flatMap((cause) => detailsOf(cause, asked, logs)),
    ...(logs.build === undefined ? {} : { log: logs.build }),
  };
  const unknowns = causes.filter(
    ({ failure: { reason } }) => reason === "unknown" || reason === "unknown-revision",
  );
  if (unknowns.length > 0) return manifestUnknown(unknownTexts(unknowns, asked).join("; "), detail);
  const [first] = causes;
  if (first === undefined)
    return unknown("the farm answered without a result for every package", detail);
  const { failure } = first;
  const subject = subjectOf(first, asked);
  const log = failure.logBlob ? ` (log: ${logs.blob(failure.logBlob.digest)})` : "";
  const reason = `${failure.message}${log}`;
  switch (failure.reason) {
    case "refused":
      return unknown(`${subject} refuses to evaluate: ${reason}`, detail);
    case "failed":
      return unknown(`${subject} does not build: ${reason}`, detail);
    case "unfit":
      return unknown(`${subject} was built but cannot be packed into layers: ${reason}`, detail);
    case "limit":
      return unknown(`${subject} is too large for this registry: ${reason}`, detail);
    case "timeout":
      return timedOut(`${subject} took too long to build: ${reason}`, detail);
    default:
      return unavailable(
        `no origin could build ${subject} at the moment: ${reason}`,
        TROUBLE_RETRY_SECONDS,
        detail,
      );
  }
}

/**
 * Whether an error means that the image is impossible at its revision: a package of it does not
 * exist, or Nix refuses to evaluate it.
 */
export function isFinal(error: unknown): error is RegistryError {
  if (!(error instanceof RegistryError)) return false;
  const { failures = [] } = (error.detail ?? {}) as { readonly failures?: readonly unknown[] };
  return failures.some((failure) => FINAL.has((failure as Failure).reason));
}
const FINAL: ReadonlySet<Failure["reason"]> = new Set(["unknown", "refused"]);

/** Whether an error means that origins are working, and need longer than the request is held. */
export const isUnfinished = (error: unknown): boolean =>
  error instanceof RegistryError &&
  (error.detail as Partial<Answer> | undefined)?.state === "building";

/**
 * The error for a tag that an origin could not resolve. `meaning`: what tags mean for this package
 * set.
 */
export function tagFailed(tag: string, failure: Failure, meaning: string): RegistryError {
  const { reason, message, nearest } = failure;
  const detail = { tag, reason, message, ...(nearest ? { nearest } : {}) };
  if (reason === "unknown")
    return manifestUnknown(
      `the tag "${tag}" is unknown: ${message}${nearestText(failure)}. ${meaning}`,
      detail,
    );
  if (reason === "timeout")
    return timedOut(`resolving the tag "${tag}" took too long: ${message}`, detail);
  return unavailable(
    `the tag "${tag}" cannot be resolved at the moment: ${message}`,
    TROUBLE_RETRY_SECONDS,
    detail,
  );
}

/**
 * The error for what no origin has done yet: which of the three reasons applies, and what to do.
 */
export function notDone(
  answer: Exclude<Answer, { state: "done" }>,
  { doing, system, held, log }: Unfinished,
): RegistryError {
  const detail = { ...answer, doing, ...(system ? { system } : {}), ...(log ? { log } : {}) };
  switch (answer.state) {
    case "no-origin":
      return unavailable(
        `no origin${system ? ` for ${system}` : ""} is connected to this registry at the ` +
          `moment, and ${doing} needs one; images of packages that were built before can still ` +
          `be pulled`,
        FARM_RETRY_SECONDS,
        detail,
      );
    case "paused":
      return unavailable(
        `every origin${system ? ` for ${system}` : ""} of this registry is out of room at the ` +
          `moment and takes no work, and ${doing} needs one: try again in half a minute; images ` +
          `of packages that were built before can still be pulled`,
        FARM_RETRY_SECONDS,
        detail,
      );
    case "unstored":
      return unavailable(
        `the registry's storage takes nothing new at the moment, so ${doing} cannot be finished; ` +
          `what is made is kept, and stored as soon as that is possible: try again in half a ` +
          `minute`,
        FARM_RETRY_SECONDS,
        detail,
      );
    case "queue-full":
      return unavailable(
        answer.yours
          ? `one client may have ${answer.limit} items in the build queue, and this client has ` +
              `reached that limit, so ${doing} was not queued: try again in half a minute`
          : `the build queue is full (${answer.limit} items), so ${doing} was not queued: try ` +
              `again in half a minute`,
        FARM_RETRY_SECONDS,
        detail,
      );
    case "building":
      return unavailable(
        `${doing} is not finished after ${Math.round(held / 1_000)} seconds; it goes on, and ` +
          `pulling again waits for the same build${log ? ` (its log: ${log})` : ""}`,
        BUILDING_RETRY_SECONDS,
        detail,
      );
  }
}
