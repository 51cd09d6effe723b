/** The variables that say which origins may connect: ORIGIN_KEYS and EDGE_HOST. */
import * as v from "valibot";

export interface OriginVariables {
  /**
   * Host and port (as in a URL) by which origins reach this edge: the only audience of their
   * tokens. Comma-separated when there are several.
   */
  readonly EDGE_HOST?: string;
  /**
   * JSON object: origin name → its Ed25519 public key as JWK,
   * `{"kty":"OKP","crv":"Ed25519","x":"…"}`. Remove a name to revoke its key.
   */
  readonly ORIGIN_KEYS?: string;
}

const OriginKeySchema = v.object({
  kty: v.literal("OKP"),
  crv: v.literal("Ed25519"),
  x: v.pipe(v.string(), v.regex(/^[A-Za-z0-9_-]{43}$/)),
});
const OriginKeysSchema = v.pipe(
  v.string(),
  v.parseJson(),
  v.record(v.pipe(v.string(), v.minLength(1), v.maxLength(63)), OriginKeySchema),
);

/** The public half of an origin's key, as JWK (RFC 8037). */
export type OriginKey = v.InferOutput<typeof OriginKeySchema>;

/** EDGE_HOST: the hosts by which origins reach this edge. */
export function originHosts({ EDGE_HOST = "" }: OriginVariables): string[] {
  const hosts = EDGE_HOST.split(",").map((host) => host.trim());
  return hosts.filter((host) => host !== "");
}

/**
 * Public keys by origin name; empty (no origin is let in) when ORIGIN_KEYS is not set. Throws an
 * Error that names it when it is malformed.
 */
export function originKeys({ ORIGIN_KEYS = "" }: OriginVariables): ReadonlyMap<string, OriginKey> {
  if (latest?.text !== ORIGIN_KEYS) latest = { text: ORIGIN_KEYS, keys: parseKeys(ORIGIN_KEYS) };
  return latest.keys;
}

/** Parsed last; asked for with every message of an origin. */
let latest: { readonly text: string; readonly keys: ReadonlyMap<string, OriginKey> } | undefined;

function parseKeys(text: string): ReadonlyMap<string, OriginKey> {
  if (text.trim() === "") return new Map();
  const keys = v.safeParse(OriginKeysSchema, text);
  if (keys.success) return new Map(Object.entries(keys.output));
  throw new Error(
    'ORIGIN_KEYS must be a JSON object, origin name → Ed25519 public key: {"mine":{"kty":"OKP","crv":"Ed25519","x":"…"}}',
  );
}
