/** Where a client can follow what is being built for it. */
import type { Item } from "../contract/messages.ts";
import { buildName } from "../farm/answer.ts";
import type { Context } from "./context.ts";

export const BUILDS_PATH = "/builds/";

/** The address of the log of the build of these items. */
export const buildLogUrl = async ({ url }: Pick<Context, "url">, items: readonly Item[]) =>
  new URL(BUILDS_PATH + (await buildName(items)), url).href;
