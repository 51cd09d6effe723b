/** Permissions of a caller: by the registry's package policy, and by the account that signed in. */
import { mayBuild, refusal } from "../access/accounts.ts";
import type { ImageRequest } from "../contract/names.ts";
import { policyRefusal } from "../contract/package-policy.ts";
import type { Context } from "./context.ts";
import { denied, unauthorized } from "./errors.ts";

/** Throws DENIED (403) when the registry's policy, or the caller's account, refuses the image. */
export function checkAllowed({ config, caller }: Context, image: ImageRequest): void {
  for (const name of image.requested) {
    const refused = policyRefusal(config.packages, name);
    if (refused !== undefined) throw denied(refused, { package: name });
  }
  const refused = caller.account === null ? undefined : refusal(caller.account, image);
  if (refused !== undefined) throw denied(refused, { account: caller.account?.name });
}

/** Whether the caller's pull may start a build. */
export const mayHaveBuilt = ({ config, caller }: Context): boolean =>
  mayBuild(config.access.mode, caller.account);

/**
 * Throws when the caller's pull may not start a build: UNAUTHORIZED (401) when signing in may help,
 * else DENIED (403).
 */
export function checkMayBuild(context: Context): void {
  if (mayHaveBuilt(context)) return;
  const { caller } = context;
  const what = "this image is not built yet, and starting a build requires an account";
  if (caller.account !== null)
    throw denied(`${what} that may build; ${caller.account.name} may not`);
  const how = `${what}: use docker login, or pull an image that is already built`;
  throw caller.hasToken || caller.challenge === null
    ? denied(how)
    : unauthorized(how, caller.challenge);
}
