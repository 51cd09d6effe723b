/** Whose builds may run here: strangers' only with a Nix whose sandbox holds. */
import type { Logger } from "pino";
import { isVulnerable, nixVersion } from "./version.ts";

/** Hosts that only this machine reaches. */
const isLoopback = (hostname: string): boolean =>
  hostname === "localhost" || hostname === "[::1]" || /^127(\.\d{1,3}){3}$/.test(hostname);

/**
 * The version of the machine's Nix. A build can leave the sandbox of some versions (CVE-2024-27297,
 * CVE-2026-39860), and whoever reaches the edge chooses what is built: so such a Nix is refused for
 * an edge on another machine, unless the operator insists; for one on this machine it is a warning.
 */
export async function refuseVulnerableNix(
  options: { readonly edges: readonly URL[]; readonly allowVulnerableNix: boolean },
  logger: Logger,
): Promise<string> {
  const nix = await nixVersion();
  if (!isVulnerable(nix)) return nix;
  const reached = options.edges
    .filter((edge) => !isLoopback(edge.hostname))
    .map((edge) => edge.host);
  const what = `Nix ${nix} lets builds out of their sandbox (CVE-2024-27297, CVE-2026-39860)`;
  if (reached.length > 0 && !options.allowVulnerableNix) {
    throw new Error(
      `${what}, and ${reached.join(", ")} may be open to strangers: update to 2.28.6, 2.29.3, 2.30.4, 2.31.4, 2.32.7, 2.33.4, 2.34.5 or newer, or say --allow-vulnerable-nix (ALLOW_VULNERABLE_NIX) where only people you trust can pull`,
    );
  }
  logger.warn({ nix }, `${what}: let only people you trust pull from this edge`);
  return nix;
}
