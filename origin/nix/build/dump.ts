/**
 * Nix's registration format, which `nix-store --dump-db` writes and `--load-db` reads (libstore,
 * makeValidityRegistration): for each path
 *   path / NAR hash, hex / NAR size / deriver or empty / number of references / each reference on a line
 * It has not changed since 2004, where the JSON of `nix path-info` did between versions.
 */
import type { StorePathInfo } from "../types.ts";

export function parseDump(text: string): StorePathInfo[] {
  const lines = text.split("\n");
  const infos: StorePathInfo[] = [];
  let at = 0;
  const next = (): string => {
    const line = lines[at];
    if (line === undefined) throw new Error("nix-store --dump-db ended in the middle of an entry");
    at += 1;
    return line;
  };
  while (at < lines.length && !(at === lines.length - 1 && lines[at] === "")) {
    const path = next();
    const hash = next();
    const narSize = Number(next());
    next();
    const count = Number(next());
    if (
      !path.startsWith("/") ||
      !/^[0-9a-f]{64}$/.test(hash) ||
      !Number.isSafeInteger(narSize) ||
      !Number.isSafeInteger(count)
    ) {
      throw new Error(
        `nix-store --dump-db wrote an entry of an unknown form at line ${at - 4}: ${path.slice(0, 200)}`,
      );
    }
    const references = new Set<string>();
    for (let index = 0; index < count; index += 1) references.add(next());
    references.delete(path);
    infos.push({ path, narHash: `sha256:${hash}`, narSize, references: [...references].sort() });
  }
  return infos;
}
