/**
 * Tells garbage collection (edge/housekeeping) that an image was pulled. Pulls are recorded by the
 * day, so an isolate reports an image at most once a day, behind the answer. GET and HEAD count, by
 * tag and by digest: a node that has the image sends only HEAD.
 */
import { pulledImage } from "../../contract/housekeeping.ts";
import type { Digest } from "../../contract/digest.ts";
import { digestHint } from "../../contract/keys.ts";
import { readConfig } from "../../config.ts";
import type { Env } from "../../env.ts";
import { note } from "../../log.ts";
import { memory } from "../../store/memory.ts";
import { KEEPER, openBucket } from "../../store/open.ts";
import { resolveName } from "../aliases.ts";
import { imageNameOf } from "./derived-blobs.ts";
import { type ImageName, nameKeyOf } from "./image-paths.ts";

const DAY_MS = 86_400_000;
/** About 4,000 images that this isolate has reported today; others are reported again. */
const NOTED_BYTES = 2 ** 20;
/** Pulls within this time are reported together, ms: the runtime lets work go on for 30 s. */
const GATHER_MS = 1_000;
/**
 * When the next pull reports what is waiting, because the request that should have has ended, ms.
 */
const LOST_MS = 20_000;
/** Most images that wait to be reported: others are noted when they are pulled again. */
const MAX_WAITING = 5_000;

/** By digest and name: the day on which it was reported. */
const noted = memory<{ readonly day: number }>(NOTED_BYTES, () => 8);
const waiting = new Map<string, { readonly name: string; readonly digest: Digest }>();
let sendingUntil = 0;

/**
 * To be called for every manifest that is looked up. `name`: the image's, as in the path. An answer
 * that is repeated from memory for some seconds (registry/answers.ts) was noted when it was made.
 */
export function notePull(
  name: string,
  digest: Digest,
  env: Env,
  ctx: Pick<ExecutionContext, "waitUntil">,
): void {
  if (env.HOUSEKEEPING === undefined) return;
  const now = Date.now();
  const day = Math.floor(now / DAY_MS);
  const key = `${digest} ${name}`;
  if (noted.get(key)?.day !== day && waiting.size < MAX_WAITING) {
    noted.set(key, { day });
    waiting.set(key, { name, digest });
  }
  if (waiting.size === 0 || now < sendingUntil) return;
  sendingUntil = now + LOST_MS;
  ctx.waitUntil(send(env));
}

async function send(env: Env): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, GATHER_MS));
  const pulled = [...waiting];
  waiting.clear();
  sendingUntil = 0;
  try {
    const config = await readConfig(env);
    const bucket = openBucket(env);
    const told = await Promise.allSettled(
      pulled.map(async ([, { name, digest }]) =>
        pulledImage(
          await nameKeyOf(imageNameOf({ config }, await resolveName(bucket, name))),
          digestHint(digest),
        ),
      ),
    );
    await env.HOUSEKEEPING?.getByName(KEEPER).pulled(
      told.flatMap((each) => (each.status === "fulfilled" ? [each.value] : [])),
    );
    // An alias that cannot be read keeps no other image from being recorded.
    for (const each of told) if (each.status === "rejected") throw each.reason;
  } catch (error) {
    // The next pull reports it again.
    for (const [key] of pulled) noted.delete(key);
    note("warn", "pull.unrecorded", { images: pulled.length, error: String(error) });
  }
}

/** Most questions of an isolate in a second, so that a flood of nonsense costs no more. */
const ASKED_A_SECOND = 20;
let asked = { second: 0, times: 0 };

/**
 * Restores images of the name that garbage collection is just deleting; returns whether there were
 * any. The client may have got the manifest just before, and now ask for the rest. To be called
 * before answering that a digest is unknown.
 */
export async function isBroughtBack(
  { HOUSEKEEPING }: Pick<Env, "HOUSEKEEPING">,
  name: ImageName,
): Promise<boolean> {
  const second = Math.floor(Date.now() / 1_000);
  if (asked.second !== second) asked = { second, times: 0 };
  if (HOUSEKEEPING === undefined || asked.times >= ASKED_A_SECOND) return false;
  asked.times += 1;
  try {
    return await HOUSEKEEPING.getByName(KEEPER).bringBack(await nameKeyOf(name));
  } catch (error) {
    note("warn", "pull.unrecorded", { error: String(error) });
    return false;
  }
}
