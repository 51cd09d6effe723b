/** The bucket's server over a directory, for the tests of it. */
import type { S3Config } from "../../../edge/store/s3-client.ts";
import { type BucketServer, serveBucket } from "../../../origin/server/bucket-server.ts";

export const CREDENTIALS = { accessKeyId: "key", secretAccessKey: "secret", region: "auto" };

export interface OpenBucket {
  readonly server: BucketServer;
  /** How the edge reaches it. */
  readonly config: S3Config;
  /** What went wrong in the server itself. */
  readonly logged: readonly string[];
}

/** Serves the directory on a free port, until `server.stop()`. */
export async function openBucket(
  dir: string,
  more: { readonly silenceMs?: number } = {},
): Promise<OpenBucket> {
  const logged: string[] = [];
  const server = await serveBucket({
    dir,
    bucket: "firn",
    credentials: CREDENTIALS,
    host: "127.0.0.1",
    port: 0,
    log: (line) => void logged.push(line),
    ...more,
  });
  return { server, config: { ...CREDENTIALS, endpoint: server.url, bucket: "firn" }, logged };
}
