/** How far a build is, by the lines that it has written. Pure. */

export const PHASES = ["Waiting", "Evaluating", "Building", "Packing", "Done"] as const;
export type Phase = (typeof PHASES)[number];

const RULES: readonly (readonly [RegExp, Phase])[] = [
  [/^waiting for an origin/, "Waiting"],
  [/^evaluating /, "Evaluating"],
  [/^(copying path|downloading|fetching|unpacking)/, "Building"],
  [/^(these \d+ (paths|derivations)|this (path|derivation))/, "Building"],
  [/^(building|\S+> |checking outputs)/, "Building"],
  [/^(packing|compressing|uploading)/, "Packing"],
];

/** The phase that a line begins, if it does. */
const phaseOf = (line: string): Phase | undefined =>
  RULES.find(([pattern]) => pattern.test(line))?.[1];

/** A phase never goes back, except when another attempt waits again. */
export function nextPhase(phase: Phase, line: string): Phase {
  const told = phaseOf(line);
  if (told === undefined) return phase;
  return told === "Waiting" || PHASES.indexOf(told) > PHASES.indexOf(phase) ? told : phase;
}

/** The name of what is being built, from a line of Nix's: `git-2.51.0`. */
export const builtName = (line: string): string | undefined =>
  /^building '\/nix\/store\/[0-9a-z]{32}-(.+?)\.drv'/.exec(line)?.[1];
