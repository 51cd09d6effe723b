/**
 * The Worker's bindings and variables as the runtime hands them over; `config.ts` validates the
 * variables once per isolate.
 */
import type { Work } from "./contract/messages.ts";
import type { Answer } from "./farm/answer.ts";
import type { Settlement } from "./farm/pieces.ts";

/**
 * What the farm says to a Build that brings work: `taken`, with what is known already; the rest is
 * told to `Build.settle` later.
 */
export type Reply =
  | { readonly state: "taken"; readonly settled: readonly Settlement[] }
  | { readonly state: "no-origin" }
  | { readonly state: "queue-full" };

/** What other objects and the Worker call on the Farm object (farm/farm.ts). */
export interface FarmRpc extends Rpc.DurableObjectBranded {
  fetch(request: Request): Promise<Response>;
  request(build: string, work: Work, have: readonly string[]): Promise<Reply>;
}

/** What other objects and the Worker call on a Build object (farm/build.ts). */
export interface BuildRpc extends Rpc.DurableObjectBranded {
  ask(work: Work, waitMs: number): Promise<Answer>;
  settle(settlements: readonly Settlement[]): Promise<void>;
}

export interface Env {
  /**
   * R2 binding for reads and for the records that the edge writes. Absent when S3_ENDPOINT names
   * another bucket.
   */
  readonly BUCKET?: R2Bucket;
  readonly FARM: DurableObjectNamespace<FarmRpc>;
  readonly BUILD: DurableObjectNamespace<BuildRpc>;

  /**
   * Workers Analytics Engine: what is pulled is counted there (pull/demand.ts). Absent: in the
   * bucket.
   */
  readonly DEMAND?: AnalyticsEngineDataset;

  /** `starter`, `channel:<name>`, `git:<url>` or `path:<dir>`: see contract/package-set.ts. */
  readonly PACKAGE_SET?: string;
  /**
   * Host and port (as in a URL) by which origins reach this edge: the only audience of their
   * tokens. Comma-separated when there are several.
   */
  readonly EDGE_HOST?: string;
  /**
   * JSON object: origin name → its Ed25519 public key as JWK,
   * `{"kty":"OKP","crv":"Ed25519","x":"…"}`. Taking one out revokes it.
   */
  readonly ORIGIN_KEYS?: string;
  /** How blobs are answered: `stream`, `presign`, or `public:<base URL>`. */
  readonly BLOBS?: string;
  /**
   * An S3-compatible bucket: for presigned URLs, and for everything when there is no BUCKET
   * binding.
   */
  readonly S3_ENDPOINT?: string;
  readonly S3_BUCKET?: string;
  readonly S3_REGION?: string;
  readonly S3_ACCESS_KEY_ID?: string;
  readonly S3_SECRET_ACCESS_KEY?: string;
  /** Longest time a request is held while its build runs, seconds. */
  readonly BUILD_WAIT?: string;
  /**
   * A resolved tag is served without asking again for this long, seconds; after that it is served
   * stale while an origin resolves it anew.
   */
  readonly TAG_FRESH?: string;
  /** `on` when layers are also made with zstd. */
  readonly ZSTD?: string;
}
