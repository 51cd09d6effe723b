/** The systems that an answer is about. */
import { PLATFORMS, type System } from "../contract/records.ts";
import type { Context } from "../pull/context.ts";

/** The one that is asked for; else those that the registry serves, the default first. */
export const systemsFor = (
  { config }: Pick<Context, "config">,
  asked: System | undefined,
): readonly [System, ...System[]] => (asked === undefined ? config.systems : [asked]);

/** OCI's word for a system: `linux/arm64`. */
export const platformOf = (system: System): string =>
  `${PLATFORMS[system].os}/${PLATFORMS[system].architecture}`;
