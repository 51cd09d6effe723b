/**
 * Which origins may connect, and what each may do: the variables ORIGINS, EDGE_HOST and
 * ALLOW_UNSAFE_ORIGINS.
 *
 * ORIGINS is a JSON object, name → origin. `firn keygen` prints an entry; all fields but the key
 * are optional:
 *
 *   {"rack-1": {"key": "…", "owner": "acme", "systems": ["x86_64-linux"], "slots": 4,
 *               "packageSets": ["channel:*"], "tags": ["latest", "nixos-*"], "region": "weur"}}
 */
import * as v from "valibot";
import { firstMatch, globFault } from "../../contract/globs.ts";
import { issueText, ORIGIN_NAME_PATTERN, ORIGIN_NAME_RULE } from "../../contract/fields.ts";
import { SYSTEMS, SystemSchema } from "../../contract/records.ts";
import { isLoopback } from "../../contract/loopback.ts";

export interface OriginVariables {
  /**
   * Host and port (as in a URL) at which origins reach this edge: the only accepted audience of
   * their tokens. Several are separated by commas.
   */
  readonly EDGE_HOST?: string;
  /** JSON object: origin name → its key and what it may do. Remove a name to revoke its key. */
  readonly ORIGINS?: string;
  /** `on`: origins without a sandbox, or with a vulnerable Nix, may build for other machines. */
  readonly ALLOW_UNSAFE_ORIGINS?: string;
}

/**
 * Most origins. They must fit into a variable of the Worker, 5 kB on Cloudflare, or a secret of the
 * same size.
 */
const MAX_ORIGINS = 1_000;
/** Most globs in one list of an origin. */
const MAX_GLOBS = 100;
/** Most slots that the channel allows (contract/messages.ts). */
const MAX_SLOTS = 1_000;

const name = v.pipe(v.string("must be text"), v.regex(ORIGIN_NAME_PATTERN, ORIGIN_NAME_RULE));
const globs = v.pipe(
  v.array(
    v.pipe(
      v.string("must be a glob, as text"),
      v.check(
        (glob) => globFault(glob) === undefined,
        ({ input }) => `the glob "${input}" ${globFault(input)}`,
      ),
    ),
    "must be a list of globs",
  ),
  v.minLength(1, "must not be empty: leave it out for any"),
  v.maxLength(MAX_GLOBS, `has more than ${MAX_GLOBS} globs`),
);
const slots = `must be a whole number from 1 to ${MAX_SLOTS}`;

const OriginSchema = v.strictObject(
  {
    key: v.pipe(
      v.string("must be the x of an Ed25519 public key, which `firn keygen` prints"),
      v.regex(
        /^[A-Za-z0-9_-]{43}$/,
        "must be the x of an Ed25519 public key (43 characters), which `firn keygen` prints",
      ),
    ),
    owner: v.optional(name),
    systems: v.optional(
      v.pipe(
        v.array(
          v.pipe(
            v.string(),
            v.check((system) => v.is(SystemSchema, system), `must be one of ${SYSTEMS.join(", ")}`),
            v.transform((system) => system as v.InferOutput<typeof SystemSchema>),
          ),
          "must be a list of systems",
        ),
        v.minLength(1, "must not be empty: leave it out for any"),
      ),
    ),
    slots: v.optional(
      v.pipe(v.number(slots), v.integer(slots), v.minValue(1, slots), v.maxValue(MAX_SLOTS, slots)),
    ),
    packageSets: v.optional(globs),
    tags: v.optional(globs),
    region: v.optional(name),
  },
  ({ expected }) =>
    expected === "never"
      ? "is not a field of an origin: key, owner, systems, slots, packageSets, tags, region"
      : expected === "Object"
        ? 'must be an object: {"key": "…"}'
        : "is missing",
);

/** An origin as the operator has configured it. */
export interface ConfiguredOrigin {
  readonly name: string;
  /** Its public key: `x` of the Ed25519 JWK (RFC 8037). */
  readonly key: string;
  /** Its owner. Origins of one owner do not vouch for each other's results. */
  readonly owner: string;
  /** Systems that it may build for; unset: whatever it says. The same holds for the next four. */
  readonly systems?: readonly v.InferOutput<typeof SystemSchema>[] | undefined;
  /** Most jobs that it is given at once. */
  readonly slots?: number | undefined;
  /** Globs of the labels of package sets that it may serve: `channel:*`. */
  readonly packageSets?: readonly string[] | undefined;
  /** Globs of the tags that it may resolve and announce. */
  readonly tags?: readonly string[] | undefined;
  /** Its region. */
  readonly region?: string | undefined;
}

/** EDGE_HOST: the hosts at which origins reach this edge. */
export function originHosts({ EDGE_HOST = "" }: OriginVariables): string[] {
  const hosts = EDGE_HOST.split(",").map((host) => host.trim());
  return hosts.filter((host) => host !== "");
}

/**
 * Whether other machines reach the edge: one of its hosts is not a loopback address. (An origin on
 * the same machine may connect to 127.0.0.1; what it builds is still served to others.)
 */
export const isForOthers = (variables: OriginVariables): boolean =>
  originHosts(variables).some((host) => !isLoopback(host));

/**
 * Origins by name; empty (none is admitted) when ORIGINS is not set. When it is malformed, throws
 * an Error that names it, the origin and the field, without showing a value.
 */
export function configuredOrigins({
  ORIGINS = "",
}: OriginVariables): ReadonlyMap<string, ConfiguredOrigin> {
  if (latest?.text !== ORIGINS) latest = { text: ORIGINS, origins: parseOrigins(ORIGINS) };
  return latest.origins;
}

/** The last result, since every message of an origin asks for it. */
let latest:
  | { readonly text: string; readonly origins: ReadonlyMap<string, ConfiguredOrigin> }
  | undefined;

const FORM = 'ORIGINS must be a JSON object, origin name → origin: {"rack-1": {"key": "…"}}';
/** Most problems in one message. */
const MAX_PROBLEMS = 5;

function parseOrigins(text: string): ReadonlyMap<string, ConfiguredOrigin> {
  if (text.trim() === "") return new Map();
  const json = jsonObject(text);
  if (json === undefined) throw new Error(`${FORM} (\`firn keygen\` prints the line)`);
  const entries = Object.entries(json);
  if (entries.length > MAX_ORIGINS)
    throw new Error(`ORIGINS has ${entries.length} origins; the most is ${MAX_ORIGINS}`);
  const origins = new Map<string, ConfiguredOrigin>();
  const problems: string[] = [];
  for (const [name, value] of entries) {
    const parsed = v.safeParse(OriginSchema, value);
    if (!ORIGIN_NAME_PATTERN.test(name))
      problems.push(`${JSON.stringify(name.slice(0, 80))}: a name is ${ORIGIN_NAME_RULE}`);
    else if (parsed.success)
      origins.set(name, { ...parsed.output, name, owner: parsed.output.owner ?? name });
    else
      for (const issue of parsed.issues)
        problems.push(
          `${[name, v.getDotPath(issue)].filter(Boolean).join(".")} ${issueText(issue)}`,
        );
  }
  for (const names of Map.groupBy(origins.values(), ({ key }) => key).values())
    if (names.length > 1)
      problems.push(`${names.map(({ name }) => name).join(" and ")} have the same key`);
  if (problems.length > 0)
    throw new Error(`ORIGINS: ${problems.slice(0, MAX_PROBLEMS).join("; ")}`);
  return origins;
}

function jsonObject(text: string): Record<string, unknown> | undefined {
  try {
    const json: unknown = JSON.parse(text);
    const isObject = typeof json === "object" && json !== null && !Array.isArray(json);
    return isObject ? (json as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

/** Whether an origin may say what a tag means. */
export const mayResolve = ({ tags }: Pick<ConfiguredOrigin, "tags">, tag: string): boolean =>
  tags === undefined || firstMatch(tags, tag) !== undefined;

/** Whether an origin may serve the package set of this label. */
export const mayServe = (
  { packageSets }: Pick<ConfiguredOrigin, "packageSets">,
  label: string,
): boolean => packageSets === undefined || firstMatch(packageSets, label) !== undefined;
