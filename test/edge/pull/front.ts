/** A test edge (worker.ts beside this file, or another) whose bucket stands behind a front. */
import { fileURLToPath } from "node:url";
import { type BucketFront, startBucketFront } from "../registry/bucket-front.ts";
import { send, startTestEdge, type TestEdge } from "../registry/support.ts";

export interface FrontedEdge {
  readonly firn: TestEdge;
  readonly front: BucketFront;
  /** Moves the Worker's clock ahead. */
  advance(ms: number): Promise<void>;
  stop(): Promise<void>;
}

export async function startFrontedEdge(
  env: Readonly<Record<string, string>> = {},
  worker = fileURLToPath(new URL("worker.ts", import.meta.url)),
): Promise<FrontedEdge> {
  const front = await startBucketFront();
  const firn = await startTestEdge({ S3_ENDPOINT: front.endpoint, ...env }, { worker });
  front.target = firn.edge.s3.endpoint;
  return {
    firn,
    front,
    advance: async (ms) => void (await send("POST", `${firn.url}/test/clock?ms=${ms}`)),
    stop: async () => {
      await firn.stop();
      await front.stop();
    },
  };
}
