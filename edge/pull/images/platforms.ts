/**
 * Completes an image for several platforms: decides which of them are made, and which a pull waits
 * for.
 *
 * An index lists every system of SYSTEMS whose image is known when it is answered, in a fixed
 * order. So it does not depend on the client: amd64 and arm64 machines get the same bytes.
 *
 *   every missing platform is asked for at once, one build for each, side by side
 *   the requested one (by docker's User-Agent, the name, or a client that takes no index) is waited
 *     for as long as the request is held; if none was requested, the first that is ready
 *   the others are waited for PLATFORM_WAIT longer, once per image (platform-attempts.ts)
 *   what is not ready then is left out, with a Warning; its build goes on, and it is listed later
 *
 *   0 s   an arm64 docker asks for git: arm64 and amd64 are built, amd64 in the background
 *   9 s   arm64 is ready
 *   19 s  amd64 is not: index of arm64, with a Warning about linux/amd64
 *   30 s  amd64 is ready, with nobody waiting: the record knows both
 *
 * That a package does not exist for a system, or that Nix refuses to evaluate it there, is final:
 * the record says so, and it is not attempted again at this revision. When the requested system has
 * no image but another one has, the answer is an index of the other: docker's User-Agent tells its
 * machine, not its `--platform`.
 */
import { type ImageRecord, isKnown, type System } from "../../contract/records.ts";
import type { ComposedImage } from "../../compose/compose.ts";
import { note } from "../../log.ts";
import type { Context } from "../context.ts";
import { nameOf } from "./image-paths.ts";
import { listImage, writeImage } from "./image-records.ts";
import { BEING_MADE, ended, forget, mayWait, resting } from "./platform-attempts.ts";
import {
  type Ended,
  failureOf,
  type Incomplete,
  type Results,
  throwTrouble,
  withResults,
} from "./platform-results.ts";
import { absences } from "../wanted-systems.ts";

/** An image, and why it is missing for the other wanted systems. */
export interface FoundImage {
  readonly record: ImageRecord;
  readonly absent: ReadonlyMap<System, string>;
}

/** Composes the image for one system. Throws a RegistryError and what composing throws. */
export type Make = (context: Context, system: System) => Promise<ComposedImage>;

/** How long work behind an answer goes on; the runtime allows 30 s. */
const BEHIND_MS = 25_000;

/**
 * The image, of the platforms that are ready in time. Throws what `make` throws for the requested
 * platform, when no platform is available or the client can take no other.
 */
export async function completeImage(
  context: Context,
  image: Incomplete,
  make: Make,
): Promise<FoundImage> {
  const tried = systemsToTry(image);
  const contexts = new Map(tried.map((system) => [system, contextFor(context, image, system)]));
  const results: Results = new Map();
  const running = Array.from(contexts, async ([system, own]) => {
    results.set(system, await attempt(own, system, make));
  });
  await askedIsThere(image, { tried, running, results });
  await othersAreThere(context, image, { tried, running, results });

  const record = withResults(image, results);
  throwTrouble(image, record, results);
  if (record !== image.known)
    await writeImage(context.bucket, image.name, record, image.known ? [image.known] : []);
  for (const [system, own] of contexts)
    if (record.images[system] !== undefined) context.warnings.push(...own.warnings);
  const absent = explain(image, record, results);
  const late = tried.filter((system) => !results.has(system));
  if (late.length > 0) {
    const work = Promise.all(running)
      .then(() => addLate(context, image, late, results))
      .catch((error: unknown) => note("error", "platform.late", { error: String(error) }));
    context.ctx.waitUntil(atMost(work, BEHIND_MS));
  }
  return { record, absent };
}

/** What is being made for a pull. */
interface Work {
  readonly tried: readonly System[];
  /** In the order of `tried`; none of them rejects. */
  readonly running: readonly Promise<void>[];
  readonly results: Results;
}

/**
 * The systems to attempt for this pull: the missing ones, except those that another pull attempted
 * a moment ago.
 */
function systemsToTry(image: Incomplete): System[] {
  const { known, wanted } = image;
  if (wanted.only) return wanted.asked === undefined ? [] : [wanted.asked];
  const missing = wanted.all.filter((system) => known === null || !isKnown(known, system));
  if (known === null) return missing;
  return missing.filter(
    (system) => system === wanted.asked || resting(keyOf(image, system), Date.now()) === undefined,
  );
}

/** A system that the client did not ask for is made in the background. */
function contextFor(context: Context, { known, wanted }: Incomplete, system: System): Context {
  const isWaitedFor = wanted.asked === undefined ? known === null : system === wanted.asked;
  return { ...context, purpose: isWaitedFor ? "waiting" : "background", warnings: [] };
}

async function attempt(context: Context, system: System, make: Make): Promise<Ended> {
  try {
    return { made: await make(context, system) };
  } catch (error) {
    return { error };
  }
}

/**
 * Waits until the requested platform is ready or has failed; if none was requested, until any is.
 */
async function askedIsThere(
  { known, wanted: { asked } }: Incomplete,
  { tried, running, results }: Work,
): Promise<void> {
  if (asked !== undefined) return running[tried.indexOf(asked)];
  if (known !== null) return;
  const made = running.map(async (done, at) => {
    await done;
    const result = results.get(tried[at] as System);
    if (result === undefined || "error" in result) throw new Error("not made");
  });
  await Promise.any(made).catch(() => undefined);
}

/** Waits for the others, as long as a pull may. */
async function othersAreThere(
  { config }: Context,
  image: Incomplete,
  { tried, running, results }: Work,
): Promise<void> {
  const others = tried.filter((system) => !results.has(system));
  if (others.length === 0) return;
  const waits = others.map((system) =>
    mayWait(keyOf(image, system), config.platformWait, Date.now()),
  );
  await atMost(Promise.all(running), Math.max(...waits));
}

/** Why each wanted platform has no image, for people. Remembers the attempts for the next pulls. */
function explain(image: Incomplete, record: ImageRecord, results: Results): Map<System, string> {
  const now = Date.now();
  const absent = absences(record, image.wanted);
  for (const system of image.wanted.all) {
    const key = keyOf(image, system);
    if (record.images[system] !== undefined || absent.has(system)) forget(key);
    else {
      const result = results.get(system);
      const isTried = result !== undefined || resting(key, now) === undefined;
      if (isTried) ended(key, failureOf(system, result), now);
      absent.set(system, resting(key, now) ?? BEING_MADE);
    }
  }
  return absent;
}

/** Adds the systems that ended after the answer to the image's record. */
async function addLate(
  { bucket }: Context,
  image: Incomplete,
  late: readonly System[],
  results: Results,
): Promise<void> {
  const known = await listImage(bucket, image.name, image.scope);
  const own = new Map([...results].filter(([system]) => late.includes(system)));
  const record = withResults({ ...image, known }, own);
  if (record === null) return;
  if (record !== known) await writeImage(bucket, image.name, record, known ? [known] : []);
  explain(image, record, own);
}

const keyOf = ({ name, scope: { revision, plan } }: Incomplete, system: System): string =>
  `${nameOf(name)} ${revision} ${plan} ${system}`;

/** Waits for the work for at most `ms`; the work goes on. */
async function atMost(work: Promise<unknown>, ms: number): Promise<void> {
  const over = Promise.withResolvers<void>();
  const timer = setTimeout(() => over.resolve(), ms);
  try {
    await Promise.race([work, over.promise]);
  } finally {
    clearTimeout(timer);
  }
}
