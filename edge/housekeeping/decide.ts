/** Decides on the objects of a page (the rule is in kinds.ts), and records the decisions. */
import { pulledImage } from "../contract/housekeeping.ts";
import type { Deletions } from "./deletions.ts";
import { type Decision, decisionOn, imageOfPath, KINDS } from "./kinds.ts";
import type { Looked } from "./look.ts";
import { type Phase, pinKey } from "./phases.ts";
import type { Run, Tables } from "./tables.ts";

const DAY_MS = 86_400_000;

/** What to do with an object, by what the run and the pulls so far have told. */
export function decide(
  tables: Tables,
  { terms, startedAt }: Run,
  { kind }: Phase,
  { key, writtenAt }: Looked,
): Decision {
  if (kind === null) return "keep";
  const { isRecord, knownAs } = KINDS[kind];
  const image = kind === "images" ? imageOfPath(key) : null;
  const ids = image?.hints.map((hint) => pulledImage(image.nameKey, hint)) ?? [];
  const pulled = ids.length > 0 ? tables.lastPull(ids) : undefined;
  const usedAt = Math.max(
    writtenAt,
    kind === "images" ? tables.since : 0,
    pulled === undefined ? 0 : (pulled + 1) * DAY_MS,
  );
  return decisionOn({
    usedAt,
    usedAfter: startedAt - (isRecord ? terms.unused : terms.grace) * 1_000,
    pinned: ids.some((id) => tables.markOf(pinKey(id)) !== undefined),
    named: tables.markOf(knownAs?.(key) ?? key),
    condemnedAt: tables.condemnedAt(key),
    // Not later than the run's beginning: the run has seen every record that was written since a
    // claim (pull/images/claim-packages.ts).
    condemnedBefore: startedAt - terms.grace * 1_000,
  });
}

/** An object, and what was decided on it. */
export interface Decided extends Looked {
  readonly decision: Decision;
}

/**
 * Records the decisions of a phase: marks what the objects refer to, condemns and deletes. A run
 * that deletes nothing condemns nothing either. To be called in the transaction of the decisions.
 */
export function recordDecisions(
  tables: Tables,
  deletions: Deletions,
  { phase: { kind }, run }: { readonly phase: Phase; readonly run: Run },
  objects: readonly Decided[],
): void {
  const of = (decision: Decision): Decided[] =>
    objects.filter((object) => object.decision === decision);
  const refs = (some: readonly Decided[]) => some.flatMap(({ refersTo }) => refersTo);
  const keys = (some: readonly Decided[]) => some.map(({ key }) => key);
  tables.mark(refs(of("keep")), true);
  tables.mark(refs(of("condemn")), false);
  if (!run.terms.delete || kind === null) return;
  tables.reprieve(keys(of("keep")));
  tables.condemn(keys(of("condemn")), Date.now());
  const deleted = of("delete");
  if (deleted.length === 0) return;
  deletions.decided(keys(deleted));
  if (kind === "images") for (const { key, text } of deleted) tables.keepDeletedImage(key, text);
}
