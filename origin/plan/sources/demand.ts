/** Counted pulls in the bucket, in the form of edge/contract/demand.ts. */
import pLimit from "p-limit";
import * as v from "valibot";
import {
  addDemand,
  type DemandCount,
  demandPrefix,
  DemandSchema,
} from "../../../edge/contract/demand.ts";

/** What is needed of a bucket. */
export interface DemandBucket {
  list(prefix: string): AsyncIterable<string>;
  get(key: string): Promise<Uint8Array | null>;
}

/** Objects read concurrently. */
const CONCURRENCY = 16;

/**
 * The sum of all counts of a package set. An object that is not a count is logged and left out: it
 * must not prevent the next plan.
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
    log(
      `${key} is not a count of pulls: ${error instanceof Error ? error.message : String(error)}`,
    );
    return null;
  }
}
