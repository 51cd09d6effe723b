/**
 * Verification of the bucket, as the edge does it and `firn verify` shows it, page by page.
 *
 *   GET  /api/farm/verify?kind=…&since=…&after=…   one page of what is broken
 *   POST /api/farm/verify?kind=…&key=…             one broken object is withdrawn, or made again
 */
import * as v from "valibot";
import { TimeSchema } from "./fields.ts";

export const VERIFY_PATH = "/api/farm/verify";

/**
 * In the order in which they are checked and repaired: objects come before those that name them.
 * `blobs` are read whole and hashed, and only on request.
 */
export const VERIFY_KINDS = ["blobs", "plans", "packages", "layers", "indexes", "images"] as const;
export type VerifyKind = (typeof VERIFY_KINDS)[number];

export const PROBLEMS = {
  damaged: "does not match its name",
  forged: "has an invalid signature",
  unvouched: "is signed by no origin that ORIGINS names",
  lost: "names objects that are missing",
} as const;
export type Problem = keyof typeof PROBLEMS;

const FindingSchema = v.object({
  kind: v.picklist(VERIFY_KINDS),
  key: v.string(),
  /** For people: an image's packages, a package's name, otherwise what the key says. */
  what: v.string(),
  problem: v.picklist(Object.keys(PROBLEMS) as [Problem, ...Problem[]]),
  /** What exactly is wrong: missing keys, origins, or what the schema says. */
  detail: v.array(v.string()),
});
export type Finding = v.InferOutput<typeof FindingSchema>;

/** A finding that needs no repair: records of a retired origin are still served. */
export const isNotice = ({ problem }: Finding): boolean => problem === "unvouched";

export const VerifyPageSchema = v.object({
  /** The edge's clock, milliseconds since 1970: `since` for the following pages. */
  at: TimeSchema,
  found: v.array(FindingSchema),
  looked: v.number(),
  /** Parameter for the next page; absent on the last one. */
  after: v.optional(v.string()),
});
export type VerifyPage = v.InferOutput<typeof VerifyPageSchema>;

export const RepairedSchema = v.object({
  key: v.string(),
  /**
   * `whole`: nothing is wrong with it any more; `withdrawn`: it is made again when needed; `made`:
   * it was made again; `building`: an origin is making it, ask again; `later`: it could not be made
   * now; `operator`: only a person can repair it.
   */
  state: v.picklist(["whole", "withdrawn", "made", "building", "later", "operator"]),
  message: v.optional(v.string()),
});
export type Repaired = v.InferOutput<typeof RepairedSchema>;
