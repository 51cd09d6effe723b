/** The phases of a run, in order. Pure. */
import { GC_KINDS, type GcKind, pulledImage } from "../contract/housekeeping.ts";
import { KINDS } from "./kinds.ts";
import { ofPlan, ofTag, parsed } from "./references.ts";

export interface Phase {
  readonly prefix: string;
  /**
   * The kind that is decided on; null: every object of the phase stays, and keeps what it names.
   */
  readonly kind: GcKind | null;
  /** What an object refers to. Absent: it is not read. */
  readonly refersTo?: (text: string, key: string) => readonly string[];
  /** Whether it waits until all pulls that were answered from deleted images are recorded. */
  readonly settles?: boolean;
}

/** Key of a pinned image's mark, beside the marks of objects. */
export const pinKey = (image: string): string => `pin:${image}`;
export const PINS = "pins/";

/** pins/<name key>/<digest hint>.json */
function ofPin(key: string): string[] {
  const [, nameKey = "", file = ""] = key.split("/");
  return [pinKey(pulledImage(nameKey, file.replace(/\.json$/, "")))];
}

export const PHASES: readonly Phase[] = [
  { prefix: PINS, kind: null, refersTo: (_, key) => ofPin(key) },
  { prefix: "tags/", kind: null, refersTo: (text, key) => ofTag(key, text) },
  { prefix: "plans/", kind: null, refersTo: (text) => ofPlan(parsed(text)) },
  ...GC_KINDS.map((kind): Phase => {
    const { prefix, refersTo } = KINDS[kind];
    return {
      prefix,
      kind,
      ...(refersTo && { refersTo }),
      ...(kind === "packages" && { settles: true }),
    };
  }),
];
