/**
 * Aliases: short names for long lists of packages, since a name has at most 255 characters.
 * `x/<key>` stands for its list wherever an image's name may have a package (`arm64/x/<key>`,
 * `x/<key>/git`).
 *
 *   ["shell", "git", "curl"]   {"packages": ["curl", "git"], "shell": true}   x/7f0c…
 *
 * The key is a hash of the list, so an alias of the same packages is the same at every registry,
 * and never means anything else. Meta-packages for the platform are not part of it: an alias is for
 * all platforms.
 */
import * as v from "valibot";
import { sha256Hex } from "./digest.ts";
import { ComponentSchema } from "./fields.ts";
import { canonicalJson } from "./keys.ts";
import { MAX_ALIAS_PACKAGES } from "./name-rules.ts";

/** The component in front of a key. Followed by anything else, `x` is an ordinary package. */
export const ALIAS = "x";
/** Hex digits of a key: 160 bits, so that nobody can find two lists with one key. */
const KEY_DIGITS = 40;
export const ALIAS_KEY_PATTERN = /^[0-9a-f]{40}$/;

/** The list of an alias as it is stored: sorted, unique, without meta-packages. */
export const AliasRecordSchema = v.strictObject({
  packages: v.pipe(v.array(ComponentSchema), v.maxLength(MAX_ALIAS_PACKAGES)),
  /** Whether the list contains `shell`. */
  shell: v.boolean(),
});
export type Aliased = Readonly<v.InferOutput<typeof AliasRecordSchema>>;

/** The key of a list. */
export async function aliasKey({ packages, shell }: Aliased): Promise<string> {
  return (await sha256Hex(canonicalJson({ alias: 1, packages, shell }))).slice(0, KEY_DIGITS);
}

/**
 * The body of POST /api/aliases: a list of packages, each spelled as in a name, or a whole name.
 */
export const AliasRequestSchema = v.union(
  [v.string(), v.array(v.string())],
  'the body must be a JSON list of packages (["git", "curl"]) or an image name ("git/curl")',
);

/** Its answer. */
export const AliasAnswerSchema = v.object({
  key: v.pipe(v.string(), v.regex(ALIAS_KEY_PATTERN)),
  /** The image's name, with the platform where the list names one. */
  name: v.string(),
  packages: v.array(v.string()),
  shell: v.boolean(),
  /** For a person: the command that pulls it. */
  pull: v.string(),
});
export type AliasAnswer = v.InferOutput<typeof AliasAnswerSchema>;

export const ALIASES_PATH = "/api/aliases";
