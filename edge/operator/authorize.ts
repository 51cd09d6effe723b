/**
 * Who may operate this edge: accounts with `operator`, by Basic credentials or a token of theirs.
 */
import type { IRequestStrict } from "itty-router";
import type { Account } from "../access/accounts.ts";
import { basicCredentials, bearerToken } from "../access/credentials.ts";
import { clientAddress } from "../access/limits.ts";
import { verifyToken } from "../access/token.ts";
import { type Config, readConfig } from "../config.ts";
import type { Env } from "../env.ts";
import { note } from "../log.ts";
import { denied, type RegistryError, unauthorized } from "../pull/errors.ts";
import { tokenContext } from "../registry/authorize.ts";
import { signIn } from "../registry/token.ts";

/** An operator's request; `authorizeOperator` sets whose. */
export type OperatorRequest = IRequestStrict & { operator?: string };

/** RFC 7617. */
const CHALLENGE = 'Basic realm="firn operators", charset="UTF-8"';

/**
 * Throws UNAUTHORIZED (401) when nobody is signed in, DENIED (403) when the account is not an
 * operator's. Logs every use.
 */
export async function authorizeOperator(
  request: OperatorRequest,
  env: Env,
  _ctx: ExecutionContext,
): Promise<void> {
  const config = await readConfig(env);
  admit(request, config, await accountOf(request, config));
}

/**
 * For routes that show a part to everybody when FARM_PUBLIC is on: a request without credentials,
 * or of another account, then passes too, with `operator` unset. Wrong credentials are refused.
 */
export async function authorizeViewer(
  request: OperatorRequest,
  env: Env,
  _ctx: ExecutionContext,
): Promise<void> {
  const config = await readConfig(env);
  if (config.farmPublic && !request.headers.has("Authorization")) return;
  const account = await accountOf(request, config);
  if (config.farmPublic && account?.operator === false) return;
  admit(request, config, account);
}

/** Sets the request's operator. `account`: whose credentials the request has, if they are right. */
function admit(request: OperatorRequest, config: Config, account: Account | undefined): void {
  const { method } = request;
  const { pathname } = new URL(request.url);
  const address = clientAddress(request, config.clientAddressHeader);
  const facts = { account: account?.name ?? null, method, path: pathname, address };
  const refuse = (error: RegistryError): never => {
    note("warn", "operator.refused", facts);
    throw error;
  };
  if (account === undefined)
    return refuse(unauthorized("an operator's user and password are needed here", CHALLENGE));
  if (!account.operator) return refuse(denied(`the account ${account.name} is not an operator`));
  // A browser attaches stored credentials to requests from any site's pages, so those from another
  // site count as anonymous.
  if (request.headers.get("Sec-Fetch-Site")?.endsWith("-site") === true)
    return refuse(denied("this request comes from another site's page"));
  note("info", "operator.request", facts);
  request.operator = account.name;
}

/** The account whose credentials or token a request has; undefined without right ones. */
async function accountOf(request: OperatorRequest, config: Config): Promise<Account | undefined> {
  const header = request.headers.get("Authorization");
  const credentials = basicCredentials(header);
  if (credentials !== null)
    return signIn(config, credentials, clientAddress(request, config.clientAddressHeader));
  const token = bearerToken(header);
  if (token === null || config.access.tokenKey === null) return undefined;
  const grant = await verifyToken(token, tokenContext(request, config.access));
  return grant?.account == null ? undefined : config.access.accounts.get(grant.account);
}
