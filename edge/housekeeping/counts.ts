/**
 * Counts what a run of garbage collection kept, found unused and deleted, by kind of object. Pure.
 */
import { type Count, type GcKind, type KindCounts, NOTHING } from "../contract/housekeeping.ts";
import type { Decision } from "./kinds.ts";
import type { Run } from "./tables.ts";

/** The run with these objects added to its counts; with a `kind` of null nothing is counted. */
export function counted(
  run: Run,
  kind: GcKind | null,
  objects: readonly { readonly size: number; readonly decision: Decision }[],
): Run {
  if (kind === null) return run;
  const of = (decision: Decision): Count =>
    objects
      .filter((object) => object.decision === decision)
      .reduce((sum, { size }) => ({ objects: sum.objects + 1, bytes: sum.bytes + size }), NOTHING);
  const before: KindCounts = run.kinds[kind] ?? {
    kept: NOTHING,
    unused: NOTHING,
    deleted: NOTHING,
  };
  const more: KindCounts = { kept: of("keep"), unused: of("condemn"), deleted: of("delete") };
  const kinds: Partial<Record<GcKind, KindCounts>> = { ...run.kinds, [kind]: sumOf(before, more) };
  return { ...run, kinds };
}

const sumOf = (a: KindCounts, b: KindCounts): KindCounts => ({
  kept: sum(a.kept, b.kept),
  unused: sum(a.unused, b.unused),
  deleted: sum(a.deleted, b.deleted),
});

const sum = (a: Count, b: Count): Count => ({
  objects: a.objects + b.objects,
  bytes: a.bytes + b.bytes,
});
