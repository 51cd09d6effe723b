/** The URL of a build's log, and reading the log while the build runs. */
import type { Item } from "../contract/items.ts";
import type { Env } from "../env.ts";
import { buildName } from "../farm/builds/answer.ts";
import {
  LOG_AFTER,
  LOG_FORM,
  type LogForm,
  MAX_FOLLOWERS,
  PACKAGES_HEADER,
} from "../farm/builds/build-log.ts";
import type { Context } from "./context.ts";
import { RegistryError, unavailable } from "./errors.ts";

export const BUILDS_PATH = "/builds/";

/** Seconds after which one of a build's followers may have left. */
const FOLLOWERS_RETRY = 30;

/** The address of the log of the build of these items. */
export const buildLogUrl = async ({ url }: Pick<Context, "url">, items: readonly Item[]) =>
  new URL(BUILDS_PATH + (await buildName(items)), url).href;

export interface FollowedBuild {
  /** The packages that are built. */
  readonly names: readonly string[];
  readonly body: ReadableStream<Uint8Array> | null;
}

/**
 * The log of a build, from line number `after` on, for reading while it runs. Throws 404 when
 * nobody is or was lately waiting for such a build, UNAVAILABLE (503) when it has too many
 * followers.
 */
export async function followBuild(
  { BUILD }: Pick<Env, "BUILD">,
  id: string,
  { form, after }: { readonly form: LogForm; readonly after: string },
): Promise<FollowedBuild> {
  const address = new URL("https://build/");
  address.searchParams.set(LOG_FORM, form);
  address.searchParams.set(LOG_AFTER, after);
  const answer = await BUILD.getByName(id).fetch(new Request(address));
  if (!answer.ok) await answer.body?.cancel();
  if (answer.status === 404) throw unknownBuild();
  if (!answer.ok)
    throw unavailable(
      `${MAX_FOLLOWERS} clients already follow this build; try again in half a minute`,
      FOLLOWERS_RETRY,
    );
  const names = JSON.parse(answer.headers.get(PACKAGES_HEADER) ?? "[]") as string[];
  return { names, body: answer.body };
}

/** 404: the build never ran, or ended a while ago. */
export const unknownBuild = (): RegistryError =>
  new RegistryError({
    code: "UNKNOWN",
    status: 404,
    message:
      "there is no such build: a log is available while its build runs and shortly afterwards",
  });
