/** What was pulled, read from the bucket (edge/contract/demand.ts tells how the edge writes it). */
import pLimit from "p-limit";
import * as v from "valibot";
import {
  addDemand,
  type DemandCount,
  demandPrefix,
  DemandSchema,
} from "../../../edge/contract/demand.ts";

/** As much of a bucket as this reads. */
export interface DemandBucket {
  list(prefix: string): AsyncIterable<string>;
  get(key: string): Promise<Uint8Array | null>;
}

/** Objects read concurrently. */
const CONCURRENCY = 16;
/**
 * Adds up everything that was counted for a package set. An object that is no count is reported and
 * passed over: one bad file must not stop the next plan.
 */
export async function readDemand(
  bucket: DemandBucket,
  packageSet: string,
  log: (line: string) => void,
): Promise<DemandCount> {
  const limit = pLimit(CONCURRENCY);
  const reading: Promise<DemandCount | null>[] = [];
  for await (const key of bucket.list(demandPrefix(packageSet)))
    reading.push(limit(() => readCount(bucket, key, log)));
  return addDemand((await Promise.all(reading)).filter((count) => count !== null));
}

async function readCount(
  bucket: DemandBucket,
  key: string,
  log: (line: string) => void,
): Promise<DemandCount | null> {
  const bytes = await bucket.get(key);
  if (bytes === null) return null;
  try {
    return v.parse(DemandSchema, JSON.parse(new TextDecoder().decode(bytes)));
  } catch (error) {
    log(`${key} is no count of pulls: ${error instanceof Error ? error.message : String(error)}`);
    return null;
  }
}
