/** The starter set's first layer plan, which can be made before anything is built. */
import { SYSTEMS } from "../../edge/contract/records.ts";
import { operatorBucket } from "./operator-bucket.ts";
import { plan } from "./command.ts";
import { DEFAULT_CACHE, DEFAULT_STORE_PATHS } from "./defaults.ts";
import type { BucketAccess } from "../layers/index.ts";

/** Puts a plan in force unless there is one. `stateDir`: the origin's, for the package lists. */
export async function firstPlan(
  s3: BucketAccess,
  packageSet: string,
  stateDir: string,
  log: (line: string) => void,
): Promise<void> {
  await plan({
    packageSet,
    system: SYSTEMS[0],
    stateDir,
    bucket: operatorBucket(s3),
    storePaths: DEFAULT_STORE_PATHS,
    cache: DEFAULT_CACHE,
    onlyFirst: true,
    log,
  });
}
