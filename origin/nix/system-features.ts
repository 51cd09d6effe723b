/**
 * Nix's system features (`requiredSystemFeatures` of a derivation: `kvm`, `big-parallel`): which
 * this machine has, and which a build lacked.
 */
import { nixEnvironment } from "./settings.ts";
import { run } from "./run.ts";

/** Time limit of each, ms. */
const LIMIT = 30_000;
/** Commands that show Nix's configuration: from 2.20 on, and before. */
const SHOW = [["config", "show"], ["show-config"]] as const;
const COMMAND = ["--extra-experimental-features", "nix-command"];

/** The system features of this machine; none when Nix cannot be asked. */
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

/** Nix's messages about a lack of features: up to 2.19, and since then, on two lines. */
const MACHINE = "'([^']+)' with features \\{([^}]*)\\}";
const LACKING = [
  `a ${MACHINE} is required to build '[^']+', but I am a ${MACHINE}`,
  `Required system: ${MACHINE}\\s+Current system: ${MACHINE}`,
].map((pattern) => new RegExp(pattern, "g"));

/** The features that this machine lacks according to Nix's output. */
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
