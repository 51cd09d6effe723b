/**
 * Verifying the bucket, as the edge does it and `firn verify` shows it, page by page.
 *
 *   GET  /api/farm/verify?kind=…&since=…&after=…   one page of what is broken
 *   POST /api/farm/verify?kind=…&key=…             one broken object is withdrawn, or made again
 */
import * as v from "valibot";
import { TimeSchema } from "./fields.ts";

export const VERIFY_PATH = "/api/farm/verify";

/**
 * In the order in which they are looked at and repaired: what others name comes first. `blobs` are
 * read whole and hashed; they are looked at only when that is asked for.
 */
export const VERIFY_KINDS = ["blobs", "plans", "packages", "layers", "indexes", "images"] as const;
export type VerifyKind = (typeof VERIFY_KINDS)[number];

export const PROBLEMS = {
  damaged: "is not what its name says",
  forged: "has a signature that does not fit",
  unvouched: "is signed by no origin that ORIGINS names",
  lost: "names what is not there",
} as const;
export type Problem = keyof typeof PROBLEMS;

const FindingSchema = v.object({
  kind: v.picklist(VERIFY_KINDS),
  key: v.string(),
  /** For people: an image's packages, a package's name, else what the key says. */
  what: v.string(),
  problem: v.picklist(Object.keys(PROBLEMS) as [Problem, ...Problem[]]),
  /** What is wrong in particular: keys that are not there, origins, or what the schema says. */
  detail: v.array(v.string()),
});
export type Finding = v.InferOutput<typeof FindingSchema>;

/** A finding that needs no repair: records of an origin that was retired are still served. */
export const isNotice = ({ problem }: Finding): boolean => problem === "unvouched";

export const VerifyPageSchema = v.object({
  /** The edge's clock, milliseconds since 1970: `since` of the pages that follow the first. */
  at: TimeSchema,
  found: v.array(FindingSchema),
  looked: v.number(),
  /** What asks for the next page; none after the last. */
  after: v.optional(v.string()),
});
export type VerifyPage = v.InferOutput<typeof VerifyPageSchema>;

export const RepairedSchema = v.object({
  key: v.string(),
  /**
   * `whole`: nothing is wrong with it any more; `withdrawn`: it is made again when it is needed;
   * `made`: it was made again; `building`: an origin is at it, ask again; `later`: it could not be
   * made now; `operator`: only a person can repair it.
   */
  state: v.picklist(["whole", "withdrawn", "made", "building", "later", "operator"]),
  message: v.optional(v.string()),
});
export type Repaired = v.InferOutput<typeof RepairedSchema>;
