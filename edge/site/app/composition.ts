/**
 * What is composed on the first page, and how the address says it, so that a link is the whole
 * state:
 *
 *   /?p=git+curl&platform=arm64&tag=nixos-25.05&pin=1&shell=0
 */

export type Platform = "any" | "amd64" | "arm64";
export const PLATFORMS: readonly Platform[] = ["any", "amd64", "arm64"];

export interface Composition {
  /** In the order in which they were added. */
  readonly packages: readonly string[];
  readonly shell: boolean;
  readonly platform: Platform;
  /** Empty for latest. */
  readonly tag: string;
  /** Whether the commands name the revision that the tag means now. */
  readonly pin: boolean;
}

/** A component of an image's name, as the registry takes it. */
const COMPONENT = /^[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*$/;
const META: ReadonlySet<string> = new Set(["shell", "amd64", "arm64"]);
/** Longest name that clients take. */
export const MAX_NAME = 255;

export const isPackage = (name: string): boolean => COMPONENT.test(name) && !META.has(name);

/** What an address says; what it says wrong is left out. */
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

/** The query of an address; what is as it is by itself is left out. */
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

/** The image's name; empty when nothing is chosen. */
export function imageName({ packages, shell, platform }: Composition): string {
  const what = [...(shell ? ["shell"] : []), ...packages];
  return what.length === 0 ? "" : [...(platform === "any" ? [] : [platform]), ...what].join("/");
}
