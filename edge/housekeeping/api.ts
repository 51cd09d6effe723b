/**
 * The operator API for garbage collection, step by step (contract/housekeeping.ts), and for
 * verification and repair (verify.ts).
 */
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
import { VERIFY_KINDS, type VerifyKind } from "../contract/verify.ts";
import { readConfig } from "../config.ts";
import type { Env, HousekeepingRpc } from "../env.ts";
import { configuredOrigins } from "../farm/origins/configured-origins.ts";
import { note } from "../log.ts";
import { json, wrong } from "../operator/requests.ts";
import type { OperatorRequest } from "../operator/authorize.ts";
import { RegistryError } from "../pull/errors.ts";
import { openContext } from "../pull/context.ts";
import { KEEPER, openBucket } from "../store/open.ts";
import { repair } from "./repair.ts";
import { type KeyOf, verify } from "./verify.ts";

/** Starts a run, or continues one on the same terms. */
export async function beginGc(request: OperatorRequest, env: Env): Promise<Response> {
  const terms = termsOf(new URL(request.url).searchParams);
  const begun = await housekeepingOf(env).begin(terms);
  if ("busy" in begun)
    throw new RegistryError({
      code: "UNSUPPORTED",
      status: 409,
      message:
        `another run of garbage collection is under way (${inWords(begun.busy)}): ` +
        `try again when it is done`,
    });
  note("info", "operator.gc", { run: begun.run, ...terms, account: request.operator });
  return json(begun);
}

/** Takes the next step of a run. */
export async function stepGc({ params }: OperatorRequest, env: Env): Promise<Response> {
  const progress = await housekeepingOf(env).step(params["run"] ?? "");
  if (progress === null)
    throw new RegistryError({
      code: "UNSUPPORTED",
      status: 404,
      message: "this run no longer exists: another one has taken its place",
    });
  return json(progress);
}

/** A page of broken objects. */
export async function verifyPage(request: OperatorRequest, env: Env): Promise<Response> {
  const query = new URL(request.url).searchParams;
  const after = query.get("after") ?? undefined;
  const since = query.get("since") ?? "";
  return json(
    await verify(
      { bucket: openBucket(env), keyOf: keysIn(env) },
      { kind: kindIn(query), after, since: /^\d{1,15}$/.test(since) ? Number(since) : Date.now() },
    ),
  );
}

/** Withdraws one broken object, or has it made again. */
export async function repairObject(
  request: OperatorRequest,
  env: Env,
  ctx: ExecutionContext,
): Promise<Response> {
  const query = new URL(request.url).searchParams;
  const [kind, key] = [kindIn(query), query.get("key") ?? ""];
  const { access } = await readConfig(env);
  const account = access.accounts.get(request.operator ?? "") ?? null;
  const caller = { account, hasToken: true, client: null, challenge: null };
  const { url, headers, cf } = request;
  const asked = { url, headers, caller, ...(cf && { cf }) };
  const context = await openContext(asked as Parameters<typeof openContext>[0], env, ctx);
  const repaired = await repair({ ...context, bucket: openBucket(env) }, keysIn(env), {
    kind,
    key,
  });
  note("warn", "operator.repair", { kind, ...repaired, account: request.operator });
  return json(repaired);
}

const keysIn =
  (env: Env): KeyOf =>
  (origin) =>
    configuredOrigins(env).get(origin)?.key;

function kindIn(query: URLSearchParams): VerifyKind {
  const kind = VERIFY_KINDS.find((known) => known === query.get("kind"));
  if (kind === undefined) throw wrong(`kind must be one of ${VERIFY_KINDS.join(", ")}`);
  return kind;
}

function housekeepingOf({
  HOUSEKEEPING,
}: Pick<Env, "HOUSEKEEPING">): DurableObjectStub<HousekeepingRpc> {
  if (HOUSEKEEPING === undefined)
    throw wrong("this edge has no HOUSEKEEPING binding, so it cannot collect garbage");
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
  const does = terms.delete ? "deleting" : "deleting nothing";
  return `begun at ${at}, unused ${terms.unused} s, grace ${terms.grace} s, ${does}`;
}
