/**
 * Who uses the JSON API: an account, by Basic credentials (scripts) or by a token (as docker gets
 * it); without either an anonymous client, which a private registry refuses.
 */
import { basicCredentials } from "../access/credentials.ts";
import { clientAddress, clientKey } from "../access/limits.ts";
import { readConfig } from "../config.ts";
import type { Env } from "../env.ts";
import { unauthorized } from "../pull/errors.ts";
import { spend } from "../pull/limits.ts";
import { type AuthorizedRequest, authorizeAny } from "../registry/authorize.ts";
import { signIn } from "../registry/token.ts";

const BASIC = 'Basic realm="firn", charset="UTF-8"';

/**
 * Throws UNAUTHORIZED (401) for a wrong user or password, and TOOMANYREQUESTS (429); otherwise as
 * authorizeAny does.
 */
export async function authorizeAccount(
  request: AuthorizedRequest,
  env: Env,
  ctx: ExecutionContext,
): Promise<void> {
  const credentials = basicCredentials(request.headers.get("Authorization"));
  if (credentials === null) return authorizeAny(request, env, ctx);
  const config = await readConfig(env);
  const address = clientAddress(request, config.clientAddressHeader);
  const account = await signIn(config, credentials, address);
  if (account === undefined) throw unauthorized("the user or the password is wrong", BASIC);
  const client = clientKey(account.name, address);
  request.caller = { account, hasToken: true, client, challenge: null };
  spend({ config, caller: request.caller }, "requests");
}
