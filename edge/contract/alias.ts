/**
 * Aliases: short names for long lists of packages. `x/<key>` stands for its list wherever a package
 * may stand in an image's name (`arm64/x/<key>`, `x/<key>/git`), for names have 255 characters.
 *
 *   ["shell", "git", "curl"]   {"packages": ["curl", "git"], "shell": true}   x/7f0c…
 *
 * The key is a hash of the list, so whoever makes an alias of the same packages gets the same one,
 * at any registry, and what it stands for never changes. Meta-packages for the platform are no part
 * of it: the same alias is for every platform.
 */
import * as v from "valibot";
import { sha256Hex } from "./digest.ts";
import { ComponentSchema } from "./fields.ts";
import { canonicalJson } from "./keys.ts";

/** The component in front of a key. Followed by anything else, `x` is a package like any other. */
export const ALIAS = "x";
/** Hex digits of a key: 160 bits, so nobody finds two lists of one key. */
const KEY_DIGITS = 40;
export const ALIAS_KEY_PATTERN = /^[0-9a-f]{40}$/;

/**
 * Most packages of an alias, and of any image. At the coarsest level every package is one layer,
 * the base is another, and docker mounts at most 119 layers of packages (levels.ts): the base, the
 * four packages of `shell`, these, and two to spare.
 */
export const MAX_ALIAS_PACKAGES = 112;

/**
 * The list of an alias, as the bucket holds it: packages sorted, each once, without meta-packages.
 */
export const AliasRecordSchema = v.strictObject({
  packages: v.pipe(v.array(ComponentSchema), v.maxLength(MAX_ALIAS_PACKAGES)),
  /** Whether the list has `shell`. */
  shell: v.boolean(),
});
export type Aliased = Readonly<v.InferOutput<typeof AliasRecordSchema>>;

/** The key of a list. */
export async function aliasKey({ packages, shell }: Aliased): Promise<string> {
  return (await sha256Hex(canonicalJson({ alias: 1, packages, shell }))).slice(0, KEY_DIGITS);
}

/** What POST /api/aliases takes: a list of packages, each as in a name, or a whole name. */
export const AliasRequestSchema = v.union(
  [v.string(), v.array(v.string())],
  'the body is a JSON list of packages, ["git", "curl"], or an image\'s name, "git/curl"',
);

/** What it answers. */
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
