/** A real S3 endpoint for tests: Miniflare's, over an R2 bucket in memory. */
import { Log, LogLevel, Miniflare } from "miniflare";
import type { BucketAccess } from "../../../origin/layers/index.ts";

export interface LocalBucket {
  readonly access: BucketAccess;
  /** Keys of all objects, sorted. */
  keys(): Promise<string[]>;
  bytes(key: string): Promise<Buffer>;
  put(key: string, text: string): Promise<void>;
  delete(key: string): Promise<void>;
  stop(): Promise<void>;
}

/** What the tests need of Miniflare's R2 binding. */
interface Binding {
  list(options: {
    cursor?: string;
  }): Promise<{ objects: { key: string }[]; truncated: boolean; cursor?: string }>;
  get(key: string): Promise<{ arrayBuffer(): Promise<ArrayBuffer> } | null>;
  put(key: string, text: string): Promise<unknown>;
  delete(key: string): Promise<void>;
}

export async function startBucket(): Promise<LocalBucket> {
  const credentials = { accessKeyId: "test", secretAccessKey: "test-secret" };
  const contents = "export default { fetch: () => new Response(null, { status: 404 }) };";
  const miniflare = new Miniflare({
    host: "127.0.0.1",
    port: 0,
    cf: false,
    telemetry: { enabled: false },
    log: new Log(LogLevel.ERROR),
    workers: [
      {
        config: {
          name: "bucket",
          compatibilityDate: "2026-01-01",
          manifest: {
            mainModule: "index.js",
            modulesRoot: "/",
            modules: { "index.js": { type: "esm", contents } },
          },
          env: {
            BUCKET: { type: "r2", name: "layers", dev: { experimentalS3Credentials: credentials } },
          },
        },
      },
    ],
  });
  const url = await miniflare.ready;
  const binding = (await miniflare.getR2Bucket("BUCKET")) as unknown as Binding;
  return {
    access: {
      endpoint: `${url.origin}/cdn-cgi/local/r2/s3`,
      region: "auto",
      bucket: "layers",
      ...credentials,
    },
    async keys() {
      const keys: string[] = [];
      for (let cursor: string | undefined; ;) {
        const page = await binding.list(cursor === undefined ? {} : { cursor });
        keys.push(...page.objects.map(({ key }) => key));
        if (!page.truncated) return keys.sort();
        cursor = page.cursor;
      }
    },
    async bytes(key) {
      const object = await binding.get(key);
      if (object === null) throw new Error(`the bucket has no ${key}`);
      return Buffer.from(await object.arrayBuffer());
    },
    put: async (key, text) => void (await binding.put(key, text)),
    delete: (key) => binding.delete(key),
    stop: () => miniflare.dispose(),
  };
}
