/** `--platform`: platforms by OCI's word, as Nix systems. */
import { type System, SYSTEMS } from "../../edge/contract/records.ts";

/** A platform by OCI's word as a Nix system; the Nix system itself is taken as well. */
const PLATFORM_SYSTEMS: Readonly<Record<string, System>> = {
  "linux/amd64": "x86_64-linux",
  "linux/arm64": "aarch64-linux",
};

/** The systems of `--platform`. Throws an Error that names those that there are. */
export function platformSystems(text: string): System[] {
  return [
    ...new Set(
      text.split(",").map((part) => {
        const name = part.trim();
        const system = PLATFORM_SYSTEMS[name] ?? SYSTEMS.find((known) => known === name);
        if (system === undefined)
          throw new Error(
            `give ${Object.keys(PLATFORM_SYSTEMS).join(" or ")}, or both with a comma`,
          );
        return system;
      }),
    ),
  ];
}
