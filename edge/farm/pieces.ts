/**
 * Work in pieces. A piece is what can become of work independently: the resolving of one tag, or
 * one item of a publish in its scope.
 *
 * Two Build objects that want {git, curl} and {curl, jq} share the piece `curl`: it is in one job
 * only, and both hear what became of it.
 */
import { canonicalJson } from "../contract/keys.ts";
import type { Answer } from "./answer.ts";
import type { Failure, Item, Outcome, Work } from "../contract/messages.ts";

export interface Piece {
  /** Canonical JSON of the work that asks for this piece alone. */
  readonly key: string;
  /** Absent for a resolve. */
  readonly item?: Item;
}

/** What became of a piece. */
export type Fate =
  | { readonly kind: "resolved"; readonly revision: string }
  | { readonly kind: "unresolved"; readonly failure: Failure }
  | Outcome
  | { readonly kind: "no-origin" };

/** A piece and what became of it. */
export interface Settlement {
  readonly piece: string;
  readonly fate: Fate;
}

/** The pieces of work, in its order; an item named twice is one piece. */
export function piecesOf(work: Work): Piece[] {
  if (work.kind === "resolve") return [{ key: canonicalJson(work) }];
  const pieces = new Map<string, Piece>();
  for (const item of work.items) {
    const key = canonicalJson({ ...work, items: [item] });
    pieces.set(key, { key, item });
  }
  return [...pieces.values()];
}

/** The same work for some of its pieces only. */
export function workOf(work: Work, pieces: readonly Piece[]): Work {
  return work.kind === "resolve"
    ? work
    : { ...work, items: pieces.flatMap(({ item }) => item ?? []) };
}

/** The fate of a piece that failed. */
export function failed(piece: Piece, failure: Failure): Fate {
  if (piece.item === undefined) return { kind: "unresolved", failure };
  const { name, level } = piece.item;
  return { kind: "failure", name, ...(level === undefined ? {} : { level }), failure };
}

/** The answer to whoever asked for `work`, or undefined while a piece has no fate yet. */
export function answerOf(work: Work, fates: ReadonlyMap<string, Fate>): Answer | undefined {
  const outcomes: Outcome[] = [];
  let noOrigin = false;
  for (const { key } of piecesOf(work)) {
    const fate = fates.get(key);
    if (fate === undefined) return undefined;
    if (fate.kind === "no-origin") noOrigin = true;
    else if (fate.kind === "resolved") return { state: "done", result: fate };
    else if (fate.kind === "unresolved") return { state: "failed", failure: fate.failure };
    else outcomes.push(fate);
  }
  return noOrigin
    ? { state: "no-origin" }
    : { state: "done", result: { kind: "published", outcomes } };
}
