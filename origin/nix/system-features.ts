/**
 * Nix's system features (`requiredSystemFeatures` of a derivation: `kvm`, `big-parallel`): which
 * this machine has, and which a build lacked.
 */
import { nixEnvironment } from "./settings.ts";
import { run } from "./run.ts";

/** Longest look at the configuration, ms. */
const LIMIT = 30_000;
/** How Nix shows its configuration: from 2.20 on, and before. */
const SHOW = [["config", "show"], ["show-config"]] as const;
const COMMAND = ["--extra-experimental-features", "nix-command"];

/** The features of this machine; none when Nix does not tell, so only what needs none is built. */
export async function systemFeatures(signal?: AbortSignal): Promise<string[]> {
  for (const show of SHOW) {
    const { exitCode, stdout } = await run("nix", [...COMMAND, ...show], {
      env: nixEnvironment(),
      signal,
      timeout: LIMIT,
    });
    const features = /^system-features = (.*)$/m.exec(stdout)?.[1];
    if (exitCode === 0 && features !== undefined)
      return features.split(/\s+/).filter((feature) => feature !== "");
  }
  return [];
}

/** In Nix's words up to 2.19, and since then, which take two lines. */
const MACHINE = "'([^']+)' with features \\{([^}]*)\\}";
const LACKING = [
  `a ${MACHINE} is required to build '[^']+', but I am a ${MACHINE}`,
  `Required system: ${MACHINE}\\s+Current system: ${MACHINE}`,
].map((pattern) => new RegExp(pattern, "g"));

/** The features that builds needed and this machine does not have, by Nix's output. */
export function lackingFeatures(text: string): string[] {
  const lacking = LACKING.flatMap((pattern) =>
    Array.from(text.matchAll(pattern), ([, system, required = "", own, has = ""]) => {
      const there = new Set(listOf(has));
      return system === own ? listOf(required).filter((feature) => !there.has(feature)) : [];
    }),
  );
  return [...new Set(lacking.flat())];
}

const listOf = (text: string): string[] =>
  text.split(",").flatMap((feature) => (feature.trim() === "" ? [] : feature.trim()));
