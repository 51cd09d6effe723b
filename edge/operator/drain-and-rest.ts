/** Operator API (contract/operator.ts): drains origins and rests them. */
import { MAX_REST_SECONDS } from "../contract/operator.ts";
import type { Env } from "../env.ts";
import { allFarms } from "../farm/farms.ts";
import { note } from "../log.ts";
import { RegistryError } from "../pull/errors.ts";
import { json, originOf, wrong } from "./requests.ts";
import type { OperatorRequest } from "./authorize.ts";
import { farmView } from "./farm-state.ts";

/** Gives the origin no more jobs, in any farm, until undrained. It finishes the jobs it has. */
export const drainOrigin = (request: OperatorRequest, env: Env): Promise<Response> =>
  setDrained(request, env, true);

/** Undoes `drainOrigin`. */
export const undrainOrigin = (request: OperatorRequest, env: Env): Promise<Response> =>
  setDrained(request, env, false);

async function setDrained(request: OperatorRequest, env: Env, drained: boolean): Promise<Response> {
  const name = originOf(request);
  const jobs = await jobsOf(env, name);
  const changes = await Promise.all(allFarms(env).map(({ farm }) => farm.drain(name, drained)));
  note("warn", drained ? "operator.drained" : "operator.undrained", {
    origin: name,
    account: request.operator,
  });
  return json({ origin: name, drained, changed: changes.includes(true), jobs });
}

/** Gives the origin no job for `seconds`, then one at a time until one is done. */
export async function restOrigin(request: OperatorRequest, env: Env): Promise<Response> {
  const name = originOf(request);
  const text = new URL(request.url).searchParams.get("seconds") ?? "";
  const seconds = Number(text);
  if (!/^\d{1,9}$/.test(text) || seconds > MAX_REST_SECONDS)
    throw wrong(`seconds must be a whole number from 0 to ${MAX_REST_SECONDS}`);
  const jobs = await jobsOf(env, name);
  const known = await Promise.all(
    allFarms(env).map(({ farm }) => farm.rest(name, seconds * 1_000)),
  );
  if (!known.includes(true))
    throw absent(`the origin ${name} is not connected, so it cannot be rested`);
  note("warn", "operator.rested", { origin: name, seconds, account: request.operator });
  return json({ origin: name, seconds, jobs });
}

/** How many jobs the origin has. Throws 404 for a name that neither a farm nor ORIGINS knows. */
async function jobsOf(env: Env, name: string): Promise<number> {
  const { origins } = await farmView(env);
  const origin = origins.find((each) => each.name === name);
  if (origin === undefined) throw absent(`there is no origin ${name}: ORIGINS does not name it`);
  return origin.jobs.tags + origin.jobs.packages;
}

const absent = (message: string): RegistryError =>
  new RegistryError({ code: "UNSUPPORTED", status: 404, message });
