/** All checks of the doctor. They change nothing. */
import { parsePackageSet } from "../../edge/contract/package-set.ts";
import type { BucketAccess } from "../layers/index.ts";
import { ORIGIN_NEEDS, STARTER_NEEDS } from "../local/needs.ts";
import { fault, type Finding, ok } from "./finding.ts";
import {
  checkDisk,
  checkKey,
  checkPort,
  checkPrograms,
  checkState,
  checkVersions,
} from "./machine.ts";
import { checkNix } from "./nix.ts";
import { checkBucket, checkEdge } from "./remote.ts";

export interface DoctorOptions {
  readonly packageSet: string;
  readonly stateDir: string;
  /** Edges of an origin, or of people; none where everything is to run on this machine. */
  readonly edges: readonly URL[];
  readonly keyFile?: string | undefined;
  readonly bucket?: BucketAccess | undefined;
  /** Where `npm start` would listen; left out for an origin alone. */
  readonly listen?: { readonly host: string; readonly port: number } | undefined;
}

/** Runs the checks for this configuration; yields each finding when it is known. */
export async function* examine(
  options: DoctorOptions,
  env: NodeJS.ProcessEnv,
): AsyncGenerator<Finding> {
  const { stateDir, edges, keyFile, bucket, listen } = options;
  yield checkVersions();
  const set = await packageSetOf(options.packageSet);
  yield set.finding;
  const { starter } = set;
  yield await checkPrograms(starter ? [...ORIGIN_NEEDS, ...STARTER_NEEDS] : ORIGIN_NEEDS);
  // Whoever has a key builds for others.
  yield* await checkNix({ env, starter, forOthers: keyFile !== undefined });
  for (const directory of ["/nix/store", stateDir]) yield await checkDisk(directory);
  yield await checkState(stateDir);
  if (listen !== undefined) yield await checkPort(listen.host, listen.port);
  for (const edge of edges) yield* await checkEdge(edge);
  for (const finding of [await checkKey(keyFile), await checkBucket(bucket)])
    if (finding !== undefined) yield finding;
}

async function packageSetOf(text: string): Promise<{ starter: boolean; finding: Finding }> {
  try {
    const { kind, label } = await parsePackageSet(text);
    return { starter: kind === "starter", finding: ok("package set", label) };
  } catch (error) {
    const message = (error as Error).message;
    return {
      starter: false,
      finding: fault("package set", message, "set PACKAGE_SET, or give --package-set"),
    };
  }
}
