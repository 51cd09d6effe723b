/**
 * Who may ask for what: the ACCESS mode and the accounts that the operator configured.
 *
 *   public    anybody pulls, and anybody's pull may start a build
 *   cached    anybody pulls what is built; starting a build requires an account
 *   private   everything requires an account
 *
 * ACCOUNTS is a JSON object, account name → account. `firn user NAME` prints an entry:
 *   {"ci": {"password": "pbkdf2-sha256$…", "names": ["shell*"], "packages": {"deny": ["gcc*"]},
 *           "build": false, "limits": {"images": "1000/3600"}}}
 */
import * as v from "valibot";
import { byName } from "../contract/by-name.ts";
import { issueText } from "../contract/fields.ts";
import { firstMatch, globFault } from "../contract/globs.ts";
import {
  BASE_PACKAGES,
  canonicalName,
  hasAlias,
  type ImageRequest,
  SHELL,
  SHELL_PACKAGES,
} from "../contract/names.ts";
import { formOf, type Limit, parseLimit } from "./limits.ts";
import { ACCOUNT_NAME_PATTERN, PASSWORD_HASH_PATTERN } from "../contract/account.ts";

export const ACCESS_MODES = ["public", "cached", "private"] as const;
export type AccessMode = (typeof ACCESS_MODES)[number];

/** Most accounts: they are in one variable of the Worker, which holds 5 kB to 100 kB. */
const MAX_ACCOUNTS = 500;
const MAX_GLOBS = 100;

const globs = v.pipe(
  v.array(
    v.pipe(
      v.string(),
      v.check(
        (glob) => globFault(glob) === undefined,
        ({ input }) => `the glob "${input}" ${globFault(input)}`,
      ),
    ),
  ),
  v.maxLength(MAX_GLOBS),
);

/**
 * Limits that an account may have of its own. Those of logins apply before the account is known.
 */
const OWN_LIMITS = ["requests", "images", "tags", "packages", "indexes", "waits"] as const;
type OwnLimit = (typeof OWN_LIMITS)[number];

/** In the format of the LIMIT_ variables. */
const limit = (name: OwnLimit) =>
  v.optional(
    v.pipe(
      v.string(),
      v.check((text) => parseLimit(name, text) !== undefined, `must be ${formOf(name)}`),
      v.transform((text) => parseLimit(name, text) as Limit | null),
    ),
  );
const LimitsSchema = v.strictObject(
  Object.fromEntries(OWN_LIMITS.map((name) => [name, limit(name)])) as Record<
    OwnLimit,
    ReturnType<typeof limit>
  >,
);

const AccountSchema = v.strictObject({
  password: v.pipe(
    v.string(),
    v.regex(PASSWORD_HASH_PATTERN, "password must be a hash that `firn user` prints"),
  ),
  /** Globs that match whole image names; unset: any name. */
  names: v.optional(globs),
  /** Globs of package names that are allowed and denied; deny wins. */
  packages: v.optional(v.strictObject({ allow: v.optional(globs), deny: v.optional(globs) })),
  /** Whether its pulls may start builds. */
  build: v.optional(v.boolean(), true),
  /**
   * Whether it may use the operator API, for example to revoke origins and withdraw their records.
   */
  operator: v.optional(v.boolean(), false),
  /** Limits that replace the registry's for this account; null: no limit. */
  limits: v.optional(LimitsSchema),
});

export interface Account extends v.InferOutput<typeof AccountSchema> {
  readonly name: string;
}

/** The sender of a request. */
export interface Caller {
  /** Null when not signed in. */
  readonly account: Account | null;
  /** Whether the request carried a token: then getting another one would not help. */
  readonly hasToken: boolean;
  /** The key under which its requests are counted (`clientKey` in limits.ts); null when unknown. */
  readonly client: string | null;
  /** The WWW-Authenticate header of a 401; null when nobody can sign in. */
  readonly challenge: string | null;
}

const AccountsSchema = v.pipe(
  byName(
    v.pipe(
      v.string(),
      v.regex(ACCOUNT_NAME_PATTERN, "an account name is 1 to 64 letters, digits, . _ @ and -"),
    ),
    AccountSchema,
  ),
  v.check((accounts) => Object.keys(accounts).length <= MAX_ACCOUNTS, `more than ${MAX_ACCOUNTS}`),
);

/** Parses ACCOUNTS. Throws an Error that names the variable and the problem, and shows no hash. */
export function parseAccounts(text: string): ReadonlyMap<string, Account> {
  if (text.trim() === "") return new Map();
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    throw new Error("ACCOUNTS must be a JSON object, account name → account (see `firn user`)");
  }
  const parsed = v.safeParse(AccountsSchema, json);
  if (!parsed.success) {
    const problems = parsed.issues.map(
      (issue) => `${v.getDotPath(issue) ?? "the object"}: ${issueText(issue)}`,
    );
    throw new Error(`ACCOUNTS: ${problems.slice(0, 5).join("; ")}`);
  }
  return new Map(Object.entries(parsed.output).map(([name, rest]) => [name, { name, ...rest }]));
}

/**
 * Why an account may not pull an image, worded for the person who asked; undefined when it may.
 * Packages that are in every image are not checked: nobody asked for them.
 */
export function refusal(account: Account, image: ImageRequest): string | undefined {
  const { names } = account;
  // Globs match the packages that an alias stands for, so they neither allow nor deny an alias
  // itself.
  const name = hasAlias(image.name) ? canonicalName(image.names, image.shell) : image.name;
  if (names !== undefined && firstMatch(names, name) === undefined)
    return (
      `the account ${account.name} may not pull ${name}: it may pull images whose names match ` +
      `${names.join(", ")}`
    );
  return listRefusal(account, image.requested);
}

/**
 * Why an account may not have one of these packages in any image; undefined when it may have all.
 * `*` of a glob matches `/`, too, so a glob with one leaves room for any package.
 */
export function packagesRefusal(account: Account, packages: readonly string[]): string | undefined {
  const { name, names } = account;
  const refused = names && packages.find((each) => !names.some((glob) => hasRoom(glob, each)));
  if (refused !== undefined)
    return (
      `the account ${name} may not have the package ${refused}: its image names are ` +
      `${names?.join(", ")}`
    );
  return listRefusal(account, packages);
}

function hasRoom(glob: string, name: string): boolean {
  const parts = glob.toLowerCase().split("/");
  if (glob.includes("*") || parts.includes(name.toLowerCase())) return true;
  return BASE_PACKAGES.includes(name) || (parts.includes(SHELL) && SHELL_PACKAGES.includes(name));
}

function listRefusal(
  { name: account, packages }: Account,
  names: readonly string[],
): string | undefined {
  for (const name of names) {
    const deny = firstMatch(packages?.deny ?? [], name);
    if (deny !== undefined)
      return `the account ${account} may not have the package ${name}: ${deny} is denied`;
    if (packages?.allow !== undefined && firstMatch(packages.allow, name) === undefined)
      return (
        `the account ${account} may not have the package ${name}: it may have ` +
        `${packages.allow.join(", ")}`
      );
  }
  return undefined;
}

/** Whether there are images that an account may not pull, by its own lists. */
export const hasLists = ({ names, packages }: Account): boolean =>
  names !== undefined || packages?.allow !== undefined || (packages?.deny ?? []).length > 0;

/** Whether a pull of this account, or an anonymous one (null), may start a build. */
export const mayBuild = (mode: AccessMode, account: Account | null): boolean =>
  account === null ? mode === "public" : account.build;
