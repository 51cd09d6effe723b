/**
 * Why packages are missing, each cause once: when a revision is unknown, every package of an image
 * fails for the same reason. Pure.
 */
import type { Failure } from "../contract/items.ts";
import { BASE_PACKAGES, SHELL } from "../contract/names.ts";
import { type Asked, listed, mentioned, packagesForPeople } from "./packages-in-words.ts";

/** A package, and why there is no record of it. */
export interface Failed {
  readonly name: string;
  readonly failure: Failure;
}

/** Where the client can read logs. */
export interface Logs {
  /** The stored log of a failure, a blob. */
  readonly blob: (digest: string) => string;
  /** The log of the build, for a while after it ended; absent when there was nothing to build. */
  readonly build?: string;
}

/** One reason why packages are missing. */
export interface Cause {
  readonly failure: Failure;
  readonly names: readonly string[];
}

/** Failures by their cause: first those of packages that the image's name mentions. */
export function causesOf(failures: readonly Failed[], asked: Asked): Cause[] {
  const groups = Map.groupBy(failures, ({ failure: { reason, message, nearest } }) =>
    JSON.stringify([reason, message, nearest]),
  );
  const causes = Array.from(groups.values(), (group) => ({
    failure: (group[0] as Failed).failure,
    names: group.map(({ name }) => name),
  }));
  const rank = ({ names }: Cause): number => (mentioned(names, asked).length > 0 ? 0 : 1);
  return causes.sort((a, b) => rank(a) - rank(b));
}

/** The packages of a cause, for people: `packages git and curl`. */
export function subjectOf({ names }: Cause, asked: Asked): string {
  const own = mentioned(names, asked);
  if (own.length === 0) return packagesForPeople(names, asked);
  return `package${own.length > 1 ? "s" : ""} ${listed(own)}`;
}

/** About unknown packages; those that the image's name does not mention are named together. */
export function unknownTexts(causes: readonly Cause[], asked: Asked): string[] {
  const isImplied = ({ names, failure }: Cause): boolean =>
    mentioned(names, asked).length === 0 &&
    names.every((name) => wordsOf(failure.message).has(name));
  const implied = causes.filter(isImplied).flatMap(({ names }) => names);
  const ofEvery = implied.filter((name) => BASE_PACKAGES.includes(name));
  const ofShell = implied.filter((name) => !BASE_PACKAGES.includes(name));
  return [
    ...causes.filter((cause) => !isImplied(cause)).map((cause) => unknownText(cause, asked)),
    ...lacks(ofEvery, "which every image contains"),
    ...lacks(ofShell, `which ${SHELL} stands for`),
  ];
}

const lacks = (names: readonly string[], why: string): string[] =>
  names.length === 0 ? [] : [`this registry's package set lacks ${listed(names)}, ${why}`];

/**
 * The message about an unknown package usually names it already; and a cause that also affects
 * packages which the image's name does not mention is not about single packages.
 */
function unknownText({ names, failure }: Cause, asked: Asked): string {
  const own = mentioned(names, asked);
  const words = wordsOf(failure.message);
  const namesNeeded = own.length === names.length && !own.every((name) => words.has(name));
  const text = namesNeeded ? `${listed(own)}: ${failure.message}` : failure.message;
  return text + nearestText(failure);
}

const wordsOf = (message: string): ReadonlySet<string> => new Set(message.split(/[^a-z0-9._-]+/i));

/** The nearest names to an unknown one, to be appended to a message. */
export const nearestText = ({ nearest = [] }: Failure): string =>
  nearest.length > 0 ? ` (nearest: ${nearest.join(", ")})` : "";

/**
 * Details of each package with this cause that the image's name mentions, or else of all others.
 */
export function detailsOf({ names, failure }: Cause, asked: Asked, { blob }: Logs): unknown[] {
  const own = mentioned(names, asked);
  const { logBlob, ...rest } = failure;
  const facts = { ...rest, ...(logBlob ? { logUrl: blob(logBlob.digest) } : {}) };
  return (own.length > 0 ? own : names).map((name) => ({ package: name, ...facts }));
}
