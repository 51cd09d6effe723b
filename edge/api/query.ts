/** Query parameters of the API, validated by schema, and its answers. */
import * as v from "valibot";
import { TAG_PATTERN } from "../contract/names.ts";
import { platformName, PLATFORMS, type System, SYSTEMS } from "../contract/records.ts";
import type { Context } from "../pull/context.ts";
import { RegistryError } from "../pull/errors.ts";

/**
 * The parameters in a schema; of a repeated parameter the first. Throws 400 with the parameter and
 * its rule.
 */
export function readQuery<const Entries extends v.ObjectEntries>(
  { url }: Pick<Request, "url">,
  entries: Entries,
): v.InferOutput<v.ObjectSchema<Entries, undefined>> {
  const { searchParams } = new URL(url);
  const given = Object.keys(entries).flatMap((name) => {
    const value = searchParams.get(name);
    return value === null ? [] : [[name, value] as const];
  });
  const parsed = v.safeParse(v.object(entries), Object.fromEntries(given));
  if (parsed.success) return parsed.output;
  const [issue] = parsed.issues;
  const name = v.getDotPath(issue) ?? "the query";
  const message = issue.received === "undefined" ? "is missing" : issue.message;
  throw new RegistryError({
    code: "UNSUPPORTED",
    status: 400,
    message: `${name} ${message}`,
    detail: { parameter: name },
  });
}

/** A whole number from 1 to `max`; `preset` when left out. */
export function count(preset: number, max: number) {
  const rule = `must be a whole number from 1 to ${max}`;
  return v.optional(
    v.pipe(v.string(), v.regex(/^[1-9]\d{0,8}$/, rule), v.transform(Number), v.maxValue(max, rule)),
    String(preset),
  );
}

/** `1` for yes. */
export const yes = v.optional(
  v.pipe(
    v.picklist(["0", "1"], "must be 0 or 1"),
    v.transform((text) => text === "1"),
  ),
  "0",
);

const TAG_RULE = 'must be 1 to 128 letters, digits, "_", "." or "-", and not begin with "." or "-"';
export const tag = v.optional(v.pipe(v.string(), v.regex(TAG_PATTERN, TAG_RULE)), "latest");

const SYSTEM_OF: Readonly<Record<string, System>> = Object.fromEntries(
  SYSTEMS.flatMap((system) => [
    [platformName(system), system],
    [PLATFORMS[system].architecture, system],
  ]),
);
/** `linux/arm64`, or `arm64`; parsed to Nix's name of the system. */
export const platform = v.optional(
  v.pipe(
    v.string(),
    v.check(
      (text) => Object.hasOwn(SYSTEM_OF, text),
      `must be one of ${Object.keys(SYSTEM_OF).join(", ")}`,
    ),
    v.transform((text) => SYSTEM_OF[text] as System),
  ),
);

/** The system that was asked for, else those that the registry serves, the default first. */
export const systemsFor = (
  { config }: Pick<Context, "config">,
  asked: System | undefined,
): readonly [System, ...System[]] => (asked === undefined ? config.systems : [asked]);

/**
 * A JSON answer. `seconds`: how long it may be cached; only for requests with the same credentials,
 * since each account sees the packages that it may have.
 */
export function answer(value: object, seconds = 0): Response {
  return Response.json(value, {
    headers: {
      "Cache-Control": seconds === 0 ? "no-store" : `public, max-age=${seconds}`,
      Vary: "Authorization",
      "X-Content-Type-Options": "nosniff",
    },
  });
}
