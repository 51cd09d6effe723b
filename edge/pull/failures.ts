/**
 * What an origin reported, and what the farm could not do, as errors for the client (DESIGN.md,
 * "Errors"). Pure.
 */
import type { Answer } from "../farm/answer.ts";
import type { Failure } from "../contract/messages.ts";
import { manifestUnknown, type RegistryError, timedOut, unavailable, unknown } from "./errors.ts";
import type { System } from "../contract/records.ts";
import type { Deadline } from "./deadline.ts";

/** A package, or a tag, and why it is not there. */
export interface Failed {
  readonly name: string;
  readonly failure: Failure;
}

/** Where the client can read a log blob. */
export type BlobUrl = (digest: string) => string;

/** An origin's own trouble: another one, or the same one a little later, may do it. */
const TROUBLE_RETRY_SECONDS = 10;
/** No origin, or too many jobs: long enough for an origin to come back or a job to end. */
const FARM_RETRY_SECONDS = 30;
/** A retry joins the build and is held again, so it may come soon. */
const BUILDING_RETRY_SECONDS = 5;
/** Names that a message lists before "and N more". */
const MAX_NAMED = 10;

/**
 * The error for an image of which at least one package failed: unknown packages first, all of them;
 * else the first of the others. `detail` has them all.
 */
export function packagesFailed(failures: readonly Failed[], blobUrl: BlobUrl): RegistryError {
  const detail = { failures: failures.map((failed) => describe(failed, blobUrl)) };
  const strangers = failures.filter(({ failure }) => failure.reason === "unknown");
  if (strangers.length > 0) {
    return manifestUnknown(
      strangers
        .map(({ name, failure }) => `${named(name, failure.message)}${nearest(failure)}`)
        .join("; "),
      detail,
    );
  }
  const [first] = failures;
  if (first === undefined)
    return unknown("the farm answered without an outcome for every package", detail);
  const { name, failure } = first;
  const log = failure.logBlob ? ` (log: ${blobUrl(failure.logBlob.digest)})` : "";
  if (failure.reason === "refused")
    return unknown(`package ${name} refuses to evaluate: ${failure.message}${log}`, detail);
  if (failure.reason === "failed")
    return unknown(`package ${name} does not build: ${failure.message}${log}`, detail);
  if (failure.reason === "timeout")
    return timedOut(`package ${name} took too long to build: ${failure.message}${log}`, detail);
  return unavailable(
    `no origin could build ${name} just now: ${failure.message}${log}`,
    TROUBLE_RETRY_SECONDS,
    detail,
  );
}

/**
 * The error for a tag that an origin could not resolve. `meaning`: what tags mean for this package
 * set.
 */
export function tagFailed(tag: string, failure: Failure, meaning: string): RegistryError {
  const detail = {
    tag,
    reason: failure.reason,
    message: failure.message,
    ...(failure.nearest ? { nearest: failure.nearest } : {}),
  };
  if (failure.reason === "unknown")
    return manifestUnknown(
      `the tag "${tag}" is unknown: ${failure.message}${nearest(failure)}. ${meaning}`,
      detail,
    );
  if (failure.reason === "timeout")
    return timedOut(`resolving the tag "${tag}" took too long: ${failure.message}`, detail);
  return unavailable(
    `the tag "${tag}" cannot be resolved just now: ${failure.message}`,
    TROUBLE_RETRY_SECONDS,
    detail,
  );
}

/**
 * The error for work that no origin has done yet: which of the three it is, and what to do. `wish`:
 * what was wanted, such as `git, curl for x86_64-linux`.
 */
export function notDone(
  state: Exclude<Answer["state"], "done" | "failed">,
  wish: { readonly doing: string; readonly system?: System },
  deadline: Deadline,
): RegistryError {
  const { doing, system } = wish;
  const detail = { state, doing, ...(system ? { system } : {}) };
  switch (state) {
    case "no-origin":
      return unavailable(
        `no origin${system ? ` for ${system}` : ""} is connected to this registry at the moment, and ${doing} needs one; images of packages that were built before still pull`,
        FARM_RETRY_SECONDS,
        detail,
      );
    case "queue-full":
      return unavailable(
        `the build queue is full at the moment, and ${doing} has to wait for a place in it; try again in half a minute`,
        FARM_RETRY_SECONDS,
        detail,
      );
    case "building":
      return unavailable(
        `${doing} is not finished after ${deadline.seconds} seconds; it goes on, and pulling again waits for the same build`,
        BUILDING_RETRY_SECONDS,
        detail,
      );
  }
}

/** `git, curl and 3 more`. */
export function listed(names: readonly string[]): string {
  return names.length <= MAX_NAMED
    ? names.join(", ")
    : `${names.slice(0, MAX_NAMED).join(", ")} and ${names.length - MAX_NAMED} more`;
}

/** What Nix's side says of a package mostly names it already. */
const named = (name: string, message: string): string =>
  message.includes(name) ? message : `${name}: ${message}`;

const nearest = ({ nearest: names = [] }: Failure): string =>
  names.length > 0 ? ` (nearest: ${names.join(", ")})` : "";

function describe({ name, failure: { logBlob, ...failure } }: Failed, blobUrl: BlobUrl): unknown {
  return { package: name, ...failure, ...(logBlob ? { logUrl: blobUrl(logBlob.digest) } : {}) };
}
