/**
 * Prepares an isolate for its first pull, behind the answer to `/v2/`: docker, podman and skopeo
 * request that first, and a manifest one round trip later.
 *
 * It reads what every pull reads, `latest` and the layer plan, and composes the image of `shell` if
 * its packages are published. It stores nothing, and asks nobody for what is missing. The isolate
 * then composes its first image in two thirds of the time: V8 has compiled the code, connections to
 * the bucket are open, and the packages that most images share are in memory.
 */
import { parseImageName, SHELL } from "../contract/names.ts";
import { note } from "../log.ts";
import { planInForce } from "../store/current.ts";
import type { Context } from "./context.ts";
import { composeWithin } from "./images/composing.ts";
import { knownPackages } from "./packages/package-levels.ts";
import { knownRecords } from "./packages/package-records.ts";
import { knownRevision } from "./tags/resolve-tag.ts";

let hasBegun = false;

/** Runs once in an isolate. Never throws: a pull would meet the same trouble, and can report it. */
export function prepareBehind(
  ctx: Pick<ExecutionContext, "waitUntil">,
  open: () => Promise<Context>,
): void {
  if (hasBegun) return;
  hasBegun = true;
  ctx.waitUntil(
    answerIsSent()
      .then(open)
      .then(prepare)
      .catch((error: unknown) => note("warn", "prepare.failed", { error: String(error) })),
  );
}

/** Composing blocks the isolate for some 30 ms. */
const answerIsSent = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 0));

async function prepare(context: Context): Promise<void> {
  const { bucket, config } = context;
  const packageSet = config.packageSet.id;
  const [revision, plan] = await Promise.all([
    knownRevision(context, "latest"),
    planInForce(bucket, packageSet),
  ]);
  if (revision === null) return;
  const request = parseImageName(SHELL);
  const scope = { packageSet, revision, system: config.systems[0], plan };
  const found = await knownRecords(context, scope, request.names);
  const records = found.filter((record) => record !== null);
  if (records.length < found.length) return;
  const { packages } = await knownPackages(context, scope, records);
  if (packages !== null) await composeWithin(bucket, { scope, request, packages });
}
