/**
 * Closures, read from Nix's database with two calls of nix-store whatever their size.
 *
 * The second call prints Nix's registration format (libstore, makeValidityRegistration), which has
 * not changed since 2004, while the JSON of `nix path-info` has. For each store path:
 *
 *   its path / NAR hash, hex / NAR size / deriver or empty / number of references / one line each
 */
import { HEX256_PATTERN } from "../../../edge/contract/digest.ts";
import { nixOutput } from "../nix-output.ts";
import { nixEnvironment } from "../settings.ts";
import type { StorePathInfo } from "../types.ts";

/** Store paths per call: 80 characters each stay far below the kernel's 2 MiB for arguments. */
const PATHS_PER_CALL = 5_000;

/** The closure of the roots, by path. Throws a FailureError when a root is not in the store. */
export async function queryClosure(
  roots: readonly string[],
  signal?: AbortSignal,
): Promise<Map<string, StorePathInfo>> {
  const paths = lines(await query(["--query", "--requisites"], roots, signal));
  const infos = await queryPaths([...new Set(paths)].sort(), signal);
  return new Map(infos.map((info) => [info.path, info]));
}

/** What Nix's database has of store paths. Throws a FailureError when one is not in the store. */
export async function queryPaths(
  paths: readonly string[],
  signal?: AbortSignal,
): Promise<StorePathInfo[]> {
  return parseRegistrations(await query(["--dump-db"], paths, signal));
}

/** Those of the paths that are valid: in the store, and registered in the database. */
export async function validPaths(
  paths: readonly string[],
  signal?: AbortSignal,
): Promise<Set<string>> {
  const valid = new Set(paths);
  const invalid = await query(["--check-validity", "--print-invalid"], [...valid].sort(), signal);
  for (const path of lines(invalid)) valid.delete(path);
  return valid;
}

/** NAR bytes of all store paths together. */
export async function storeBytes(signal?: AbortSignal): Promise<number> {
  let [total, field, references] = [0, 0, 0];
  await nixOutput("Nix's database cannot be read", "nix-store", ["--dump-db"], {
    env: nixEnvironment(),
    signal,
    // Line by line, since the database of a large store does not fit into one string.
    onOutput(line) {
      if (references > 0) return void (references -= 1);
      field += 1;
      if (field === 3) total += Number(line);
      if (field < 5) return;
      references = Number(line);
      field = 0;
    },
  });
  return total;
}

async function query(
  operation: readonly string[],
  paths: readonly string[],
  signal: AbortSignal | undefined,
): Promise<string> {
  let text = "";
  for (let start = 0; start < paths.length; start += PATHS_PER_CALL)
    text += await nixOutput(
      "Nix's database cannot be read",
      "nix-store",
      [...operation, "--", ...paths.slice(start, start + PATHS_PER_CALL)],
      { env: nixEnvironment(), signal },
    );
  return text;
}

const lines = (text: string): string[] => text.split("\n").filter((line) => line !== "");

/**
 * Parses Nix's registration format. Throws an Error when the text is incomplete or of another form.
 */
export function parseRegistrations(text: string): StorePathInfo[] {
  const lines = text.split("\n");
  if (lines.at(-1) === "") lines.pop();
  const infos: StorePathInfo[] = [];
  for (let at = 0; at < lines.length;) {
    const [path = "", hash = "", size, deriver, count] = lines.slice(at, at + 5);
    const narSize = Number(size);
    const end = at + 5 + Number(count);
    if (
      !path.startsWith("/") ||
      !HEX256_PATTERN.test(hash) ||
      !Number.isSafeInteger(narSize) ||
      !Number.isSafeInteger(end)
    )
      throw new Error(
        `nix-store --dump-db wrote an entry of an unknown form at line ${at + 1}: ${path.slice(0, 200)}`,
      );
    if (end > lines.length) throw new Error("nix-store --dump-db ended in the middle of an entry");
    const references = new Set(lines.slice(at + 5, end));
    references.delete(path);
    infos.push({
      path,
      narHash: `sha256:${hash}`,
      narSize,
      references: [...references].sort(),
      ...(deriver && { deriver }),
    });
    at = end;
  }
  return infos;
}
