/** The doctor's checks over the network: edges, their clocks, the bucket. */
import { blobPath } from "../../edge/contract/keys.ts";
import type { BucketAccess } from "../layers/index.ts";
import { operatorBucket } from "../plan/operator-bucket.ts";
import { fault, type Finding, ok } from "./finding.ts";

/** Longest wait for an answer, ms. */
const PATIENCE_MS = 10_000;
/** How far two clocks may differ, seconds: an origin's token is good for a minute. */
const MAX_SKEW = 30;

/** Whether a registry answers at this http(s) URL, and its clock agrees with this machine's. */
export async function checkEdge(edge: URL): Promise<Finding[]> {
  const where = `${edge.protocol}//${edge.host}`;
  let response: Response;
  const sent = Date.now();
  try {
    response = await fetch(new URL("/v2/", where), { signal: AbortSignal.timeout(PATIENCE_MS) });
    await response.body?.cancel();
  } catch (error) {
    const { message, cause } = error as Error;
    const reason = cause instanceof Error ? cause.message || String(cause) : message;
    return [
      fault(
        "edge",
        `${where} cannot be reached: ${reason}`,
        "check the host in FIRN_EDGE or FIRN_EDGES, and what is between here and there",
      ),
    ];
  }
  const took = Date.now() - sent;
  // 401: it asks for an account, as a registry may.
  const isRegistry = response.headers.has("docker-distribution-api-version");
  if (!isRegistry || ![200, 401].includes(response.status))
    return [
      fault(
        "edge",
        `${where} answers ${response.status} to /v2/, so it is not a registry`,
        "check the host in FIRN_EDGE or FIRN_EDGES, and that a proxy in front passes /v2/ on",
      ),
    ];
  return [ok("edge", `${where} answers after ${took} ms`), ...clock(where, response)];
}

function clock(where: string, { headers }: Response): Finding[] {
  const theirs = Date.parse(headers.get("date") ?? "");
  if (Number.isNaN(theirs)) return [];
  const skew = Math.round((Date.now() - theirs) / 1_000);
  return [
    Math.abs(skew) <= MAX_SKEW
      ? ok("clock", `it differs from that of ${where} by less than ${MAX_SKEW} s`)
      : fault(
          "clock",
          `it is ${Math.abs(skew)} s ${skew > 0 ? "ahead of" : "behind"} that of ${where}`,
          "set it by NTP (timedatectl set-ntp true): an origin's tokens are good for 60 s",
        ),
  ];
}

/** Whether the bucket can be read; undefined when no credentials are configured. */
export async function checkBucket(access: BucketAccess | undefined): Promise<Finding | undefined> {
  if (access === undefined) return undefined;
  const { endpoint, bucket } = access;
  try {
    await operatorBucket(access).get(blobPath(`sha256:${"0".repeat(64)}`));
    return ok("bucket", `${bucket} at ${endpoint} can be read`);
  } catch (error) {
    return fault(
      "bucket",
      (error as Error).message,
      "check S3_ENDPOINT, S3_BUCKET and S3_REGION, and that the key may read blobs/",
    );
  }
}
