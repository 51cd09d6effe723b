/** Garbage collection for operators (contract/housekeeping.ts): a run, step by step; and pins. */
import * as v from "valibot";
import {
  GC_PATH,
  type GcProgress,
  type GcTerms,
  GcTermsSchema,
  GRACE,
  MAX_GRACE,
  MAX_UNUSED,
  MIN_GRACE,
  MIN_UNUSED,
  UNUSED,
} from "../contract/housekeeping.ts";
import type { Env, HousekeepingRpc } from "../env.ts";
import { note } from "../log.ts";
import { json, wrong } from "../operator/api.ts";
import type { OperatorRequest } from "../operator/authorize.ts";
import { RegistryError } from "../pull/errors.ts";
import { KEEPER } from "../store/open.ts";

/** Begins a run, or goes on with one on the same terms. */
export async function beginGc(request: OperatorRequest, env: Env): Promise<Response> {
  const terms = termsOf(new URL(request.url).searchParams);
  const begun = await keeperOf(env).begin(terms);
  if ("busy" in begun)
    throw new RegistryError({
      code: "UNSUPPORTED",
      status: 409,
      message: `another run of garbage collection is under way (${inWords(begun.busy)}): try again when it is done`,
    });
  note("info", "operator.gc", { run: begun.run, ...terms, account: request.operator });
  return json(begun);
}

/** The next step of a run. */
export async function stepGc({ params }: OperatorRequest, env: Env): Promise<Response> {
  const progress = await keeperOf(env).step(params["run"] ?? "");
  if (progress === null)
    throw new RegistryError({
      code: "UNSUPPORTED",
      status: 404,
      message: "there is no such run: another one has taken its place",
    });
  return json(progress);
}

export function keeperOf({
  HOUSEKEEPING,
}: Pick<Env, "HOUSEKEEPING">): DurableObjectStub<HousekeepingRpc> {
  if (HOUSEKEEPING === undefined)
    throw wrong("this edge has no binding HOUSEKEEPING, so it collects no garbage");
  return HOUSEKEEPING.getByName(KEEPER);
}

function termsOf(query: URLSearchParams): GcTerms {
  const seconds = (name: string, preset: number): number => {
    const text = query.get(name);
    return text === null ? preset : /^\d{1,12}$/.test(text) ? Number(text) : NaN;
  };
  const terms = v.safeParse(GcTermsSchema, {
    unused: seconds("unused", UNUSED),
    grace: seconds("grace", GRACE),
    delete: query.get("delete") === "on",
  });
  if (terms.success) return terms.output;
  throw wrong(
    `${GC_PATH} takes unused, ${MIN_UNUSED} to ${MAX_UNUSED} seconds, and grace, ${MIN_GRACE} to ` +
      `${MAX_GRACE} seconds`,
  );
}

function inWords({ startedAt, terms }: GcProgress): string {
  const at = new Date(startedAt).toISOString();
  return `begun at ${at}, unused ${terms.unused} s, grace ${terms.grace} s, ${terms.delete ? "deleting" : "deleting nothing"}`;
}
