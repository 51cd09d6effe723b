/**
 * Repairs one object. A damaged or forged record is withdrawn, and made again when somebody needs
 * it; packages whose blobs are lost are made again at once, as for a pull
 * (pull/packages/complete-packages.ts).
 */
import * as v from "valibot";
import type { Scope } from "../contract/keys.ts";
import { parseImageName } from "../contract/names.ts";
import { blobsOf, ImageRecordSchema, systemsOf } from "../contract/records.ts";
import { type Finding, isNotice, type Repaired, type VerifyKind } from "../contract/verify.ts";
import type { Context } from "../pull/context.ts";
import { RegistryError } from "../pull/errors.ts";
import { withPackages } from "../pull/packages/complete-packages.ts";
import { BlobsLost, forgetBlob, missingNow } from "../store/blobs.ts";
import { withdrawRecord } from "../store/records.ts";
import { placeOfPackage } from "./check-record.ts";
import { findingsAt, type KeyOf, readText, VERIFIED } from "./verify.ts";

/** How long one request waits for an origin, milliseconds; the command asks again. */
const WAIT_MS = 60_000;

export interface Broken {
  readonly kind: VerifyKind;
  readonly key: string;
}

/** Repairs whatever is wrong with the object now. */
export async function repair(context: Context, keyOf: KeyOf, broken: Broken): Promise<Repaired> {
  const { kind, key } = broken;
  const look = async (): Promise<Finding[]> => {
    const found = key.startsWith(VERIFIED[kind])
      ? await findingsAt({ bucket: context.bucket, keyOf }, kind, key)
      : [];
    return found.filter((finding) => !isNotice(finding));
  };
  const found = await look();
  if (found.length === 0) return { key, state: "whole" };
  if (kind === "plans")
    return { key, state: "operator", message: "`firn plan` makes another layer plan" };
  if (found.every(({ problem }) => problem === "lost")) {
    try {
      for (const wanted of await packagesBehind(context, broken)) await make(context, wanted);
    } catch (error) {
      if (!(error instanceof RegistryError) && !(error instanceof BlobsLost)) throw error;
      return { key, state: isBuilding(error) ? "building" : "later", message: error.message };
    }
    if ((await look()).length === 0) return { key, state: "made" };
  }
  // The blobs were made again with other bytes: the next pull by tag composes the image from those.
  if (kind === "blobs") forgetBlob(`sha256:${key.slice(VERIFIED.blobs.length)}`);
  await withdrawRecord(context.bucket, key);
  return { key, state: "withdrawn" };
}

const isBuilding = (error: Error): boolean =>
  error instanceof RegistryError &&
  (error.detail as { readonly state?: unknown } | undefined)?.state === "building";

interface Wanted {
  readonly scope: Scope;
  readonly names: readonly string[];
}

/** The packages whose blobs complete the object; empty when it should be withdrawn instead. */
async function packagesBehind({ bucket }: Context, { kind, key }: Broken): Promise<Wanted[]> {
  if (kind === "packages") {
    const place = placeOfPackage(key);
    // Another level is made when an image needs it.
    return place === null || place.level !== undefined
      ? []
      : [{ scope: place.scope, names: [place.name] }];
  }
  if (kind !== "images") return [];
  const { packageSet, revision, plan, ...record } = v.parse(
    ImageRecordSchema,
    JSON.parse((await readText(bucket, key)) ?? ""),
  );
  return systemsOf(record).map((system) => ({
    scope: { packageSet, revision, system, plan },
    names: Object.keys(record.images[system]?.levels ?? {}),
  }));
}

/** Has origins make what packages lack. */
async function make(context: Context, { scope, names }: Wanted): Promise<void> {
  const { bucket } = context;
  const held = { ...context, heldUntil: Date.now() + WAIT_MS };
  const request = parseImageName(names.join("/"));
  await withPackages(held, { scope, request }, async ({ packages }) => {
    const named = packages.flatMap(({ record, made }) => [
      ...blobsOf(record),
      ...(made ? blobsOf(made) : []),
    ]);
    const lost = await missingNow(bucket, named);
    if (lost.length > 0) throw new BlobsLost(lost.map(({ digest }) => digest));
  });
}
