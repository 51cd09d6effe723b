/**
 * What is composed on the first page. The address holds all of it, so that a link is the whole
 * state:
 *
 *   /?p=git+curl&platform=arm64&tag=nixos-25.05&pin=1&shell=0
 */

import {
  COMPONENT_PATTERN,
  MAX_ALIAS_PACKAGES,
  MAX_COMPONENTS,
  MAX_NAME_LENGTH,
  SHELL,
} from "../../../contract/name-rules.ts";

export type Platform = "any" | "amd64" | "arm64";
export const PLATFORMS: readonly Platform[] = ["any", "amd64", "arm64"];

export interface Composition {
  /** In the order in which they were added. */
  readonly packages: readonly string[];
  readonly shell: boolean;
  readonly platform: Platform;
  /** Empty for latest. */
  readonly tag: string;
  /** Whether the commands contain the revision that the tag means now. */
  readonly pin: boolean;
}

const META: ReadonlySet<string> = new Set([SHELL, "amd64", "arm64"]);

/** Whether a component is a package, rather than a meta-package or invalid. */
export const isPackage = (name: string): boolean => COMPONENT_PATTERN.test(name) && !META.has(name);

/** Parses an address; anything invalid is left out. */
export function parseComposition(query: string): Composition {
  const parameters = new URLSearchParams(query);
  const names = (parameters.get("p") ?? "").toLowerCase().split(/[\s/,]+/);
  const platform = parameters.get("platform")?.replace(/^linux\//, "");
  return {
    packages: [...new Set(names.filter(isPackage))],
    shell: parameters.get("shell") !== "0",
    platform: PLATFORMS.find((each) => each === platform) ?? "any",
    tag: parameters.get("tag") ?? "",
    pin: parameters.get("pin") === "1",
  };
}

/** The query of an address, without default values. */
export function formatComposition({ packages, shell, platform, tag, pin }: Composition): string {
  const parts = [
    packages.length > 0 ? `p=${packages.join("+")}` : "",
    shell ? "" : "shell=0",
    platform === "any" ? "" : `platform=${platform}`,
    tag === "" ? "" : `tag=${encodeURIComponent(tag)}`,
    pin ? "pin=1" : "",
  ].filter(Boolean);
  return parts.length === 0 ? "" : `?${parts.join("&")}`;
}

/** What the image's name is made of; nothing when nothing is chosen. */
export function components({ packages, shell, platform }: Composition): string[] {
  const what = [...(shell ? [SHELL] : []), ...packages];
  return what.length === 0 ? [] : [...(platform === "any" ? [] : [platform]), ...what];
}

/** The image's name, written out; empty when nothing is chosen. */
export const imageName = (composition: Composition): string => components(composition).join("/");

/** Why the packages do not fit into a name; `packages`: not even into an alias. */
export function whyLong(composition: Composition): "packages" | "components" | "characters" | null {
  if (composition.packages.length > MAX_ALIAS_PACKAGES) return "packages";
  if (components(composition).length > MAX_COMPONENTS) return "components";
  return imageName(composition).length > MAX_NAME_LENGTH ? "characters" : null;
}

/** The name by an alias of the packages: `arm64/x/7f0c…`. */
export const aliasedName = ({ platform }: Composition, alias: string): string =>
  platform === "any" ? alias : `${platform}/${alias}`;

/** The address where an image of that name is composed. */
export function composeLink(name: string, tag: string): string {
  const parts = name.split("/");
  return `/${formatComposition({
    packages: parts.filter((part) => !META.has(part)),
    shell: parts.includes(SHELL),
    platform: PLATFORMS.find((each) => parts.includes(each)) ?? "any",
    tag,
    pin: false,
  })}`;
}
