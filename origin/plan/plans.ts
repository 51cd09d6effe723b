/** Layer plans by their identities, which jobs name: blobs in the bucket, kept in memory. */
import { LRUCache } from "lru-cache";
import { type Digest, sha256Hex } from "../../edge/contract/digest.ts";
import { type LayerPlan, NO_PLAN, NO_PLAN_ID, parsePlan } from "./index.ts";

/** Plans kept in memory: the one in force, the one before, and one being tried. */
const MAX_KEPT = 3;

export interface PlanStore {
  /**
   * Reads a plan. Throws an Error when the bucket does not have it, or it is damaged or of another
   * version.
   */
  load(id: string, read: ReadPlan): Promise<LayerPlan>;
}

/** Reads a blob of the bucket; null when there is none. */
export type ReadPlan = (digest: Digest) => Promise<Uint8Array<ArrayBuffer> | null>;

/** An empty store. */
export function planStore(): PlanStore {
  const kept = new LRUCache<string, Promise<LayerPlan>>({ max: MAX_KEPT });
  return {
    load(id, read) {
      if (id === NO_PLAN_ID) return Promise.resolve(NO_PLAN);
      const known = kept.get(id);
      if (known !== undefined) return known;
      const loading = readPlan(id, read);
      kept.set(id, loading);
      loading.catch(() => kept.delete(id));
      return loading;
    },
  };
}

async function readPlan(id: string, read: ReadPlan): Promise<LayerPlan> {
  const bytes = await read(`sha256:${id}`);
  if (bytes === null)
    throw new Error(
      `the bucket has no layer plan ${id}: write it with \`firn plan\`, or correct what ` +
        `plans/<set>.json names`,
    );
  const found = await sha256Hex(bytes);
  if (found !== id)
    throw new Error(`the layer plan ${id} in the bucket is damaged: its bytes hash to ${found}`);
  try {
    return parsePlan(new TextDecoder().decode(bytes));
  } catch (error) {
    throw new Error(
      `the layer plan ${id} cannot be used by this version of Firn, make a new one with ` +
        `\`firn plan\`: ${(error as Error).message}`,
      { cause: error },
    );
  }
}
