/**
 * Names the packages of an image in messages for people: only those that the image's name mentions;
 * for the others, what adds them. Pure.
 */
import { type ImageRequest, SHELL } from "../contract/names.ts";
import { platformName, type System } from "../contract/records.ts";

/** The parts of an image request that decide how messages name its packages. */
export type Asked = Pick<ImageRequest, "requested" | "shell">;

/** Names that a message lists before "and N more". */
const MAX_NAMED = 10;

/** Packages in the terms of the image's name: those that it mentions, or what adds the others. */
export function packagesForPeople(names: readonly string[], asked: Asked): string {
  const own = mentioned(names, asked);
  if (own.length > 0) return listed(own);
  return asked.shell ? SHELL : "the packages of every image";
}

/**
 * The Warning for a pull that was held until origins had built packages. `system`: given when the
 * image is for several.
 */
export function builtForThisPull(
  names: readonly string[],
  asked: Asked,
  { log, system }: { readonly log: string; readonly system?: System | undefined },
): string {
  const platform = system === undefined ? "" : ` for ${platformName(system)}`;
  const own = mentioned(names, asked);
  const isOne = own.length === 1 || (own.length === 0 && asked.shell);
  const verb = isOne ? "was" : "were";
  return (
    `${packagesForPeople(names, asked)} ${verb} built${platform} for this pull; ` +
    `${isOne ? "its" : "their"} log: ${log}`
  );
}

/** `git, curl and 3 more`. */
export function listed(names: readonly string[]): string {
  return names.length <= MAX_NAMED
    ? names.join(", ")
    : `${names.slice(0, MAX_NAMED).join(", ")} and ${names.length - MAX_NAMED} more`;
}

/** The packages that the image's name mentions. */
export const mentioned = (names: readonly string[], { requested }: Asked): string[] =>
  names.filter((name) => requested.includes(name));
