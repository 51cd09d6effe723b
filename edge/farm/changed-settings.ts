/** Logs which of the edge's variables changed since the last start, without their values. */
import { sha256Hex } from "../contract/digest.ts";
import { canonicalJson } from "../contract/keys.ts";
import { note } from "../log.ts";

/** In the Farm object's storage: variable → SHA-256 of its value. */
const KEY = "settings";

/** Never throws. */
export const noteSettings = (storage: DurableObjectStorage, env: object): Promise<void> =>
  noteChanges(storage, env).catch((error: unknown) =>
    note("error", "settings.unread", { error: String(error) }),
  );

async function noteChanges(storage: DurableObjectStorage, env: object): Promise<void> {
  const variables = Object.entries(env).filter(([, value]) => typeof value === "string");
  const hashes = await Promise.all(
    variables.map(async ([name, value]) => [name, await sha256Hex(value as string)] as const),
  );
  const now: Record<string, string> = Object.fromEntries(hashes);
  const before = await storage.get<Record<string, string>>(KEY);
  const changed = [...new Set([...Object.keys(now), ...Object.keys(before ?? {})])]
    .filter((name) => now[name] !== before?.[name])
    .sort();
  if (changed.length === 0) return;
  await storage.put(KEY, now);
  note("info", "settings.changed", { changed, digest: await sha256Hex(canonicalJson(now)) });
}
