/**
 * How much of a listing one step of a run takes, and where the run continues after it. Pure.
 */
import type { ListedPage } from "../store/bucket.ts";
import { WITHDRAWN_MS } from "../store/fresh.ts";
import { type Phase, PHASES } from "./phases.ts";
import type { Run } from "./tables.ts";

/**
 * Most objects in one step, those that are read and others. A Worker may send 1,000 requests while
 * it answers one, and a step reads and deletes each object at most once.
 */
const READ_PAGE = 400;
export const PAGE = 900;
/** Bytes of records that one step reads: with what they name they are in memory together. */
const READ_BYTES = 8 * 2 ** 20;
/** After this time all pulls that were answered from memory have been recorded, milliseconds. */
const SETTLE_MS = WITHDRAWN_MS + 5_000;

/** How many objects of this phase are listed for one step. */
export const pageSize = ({ refersTo }: Phase): number =>
  refersTo === undefined ? PAGE : READ_PAGE;

/** The part of a listed page that one step takes; of objects that are read, as many as fit into its memory. */
export function taken({ refersTo }: Phase, { objects, more }: ListedPage): ListedPage {
  let bytes = 0;
  const end = objects.findIndex(({ size }, at) => (bytes += size) > READ_BYTES && at > 0);
  return refersTo === undefined || end < 0
    ? { objects, more }
    : { objects: objects.slice(0, end), more: true };
}

/** Where the run continues after these objects. */
export function afterPage(run: Run, { objects, more }: ListedPage): Run {
  if (more) return { ...run, after: objects.at(-1)?.key };
  const { after: _, ...rest } = run;
  const next = PHASES[run.phase + 1];
  const waits = next?.settles === true && run.terms.delete && deletedAny(run);
  return { ...rest, phase: run.phase + 1, notBefore: waits ? Date.now() + SETTLE_MS : 0 };
}

const deletedAny = ({ kinds }: Run): boolean =>
  Object.values(kinds).some(({ deleted }) => deleted.objects > 0);
