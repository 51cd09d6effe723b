/** A package's closure as a blob: JSON in gzip, the same bytes on every machine. */
import { gunzipSync } from "node:zlib";
import { gzipSync } from "fflate";
import * as v from "valibot";
import {
  MAX_CLOSURE_PATHS,
  MAX_CLOSURE_REFERENCES,
  type PackageClosure,
  PackageClosureSchema,
} from "./closure.ts";
import type { Descriptor } from "./fields.ts";
import { DamagedBlob } from "./records.ts";

/** Largest closure, bytes of JSON: 10,000 paths take 3 MB. Readers hold it in memory as a whole. */
export const MAX_CLOSURE_BYTES = 8 * 2 ** 20;
/** Largest closure as a blob: half of it is hashes, which do not compress. */
export const MAX_CLOSURE_BLOB_BYTES = 4 * 2 ** 20;

/** A closure is too large for a blob; the message names the limit and what exceeds it. */
export class ClosureTooLarge extends RangeError {
  override readonly name = "ClosureTooLarge";
}

/** `mem` is fixed because fflate would otherwise derive it from the length. */
const GZIP = { level: 6, mem: 8, mtime: 0 } as const;

/**
 * The closure with its fields in a fixed order, so that JSON.stringify always gives the same text.
 * (Canonical JSON would take longer than gzip.)
 */
const inOrder = ({
  format,
  nix,
  derivation,
  output,
  paths,
  parts,
}: PackageClosure): PackageClosure => ({
  format,
  nix,
  derivation,
  output,
  paths: paths.map((path) => ({
    path: path.path,
    narHash: path.narHash,
    narSize: path.narSize,
    references: path.references,
    deriver: path.deriver,
    pname: path.pname,
    version: path.version,
    description: path.description,
    homepage: path.homepage,
    licenses: path.licenses?.map(({ spdxId, name }) => ({ spdxId, name })),
  })),
  ...(parts && {
    parts: Object.fromEntries(Object.entries(parts).sort(([a], [b]) => (a < b ? -1 : 1))),
  }),
});

/** Encodes a closure, to the same bytes on every machine. Throws ClosureTooLarge. */
export function encodeClosure(closure: PackageClosure): Uint8Array<ArrayBuffer> {
  const references = closure.paths.reduce((sum, path) => sum + path.references.length, 0);
  if (closure.paths.length > MAX_CLOSURE_PATHS || references > MAX_CLOSURE_REFERENCES)
    throw new ClosureTooLarge(
      `its closure has ${closure.paths.length} store paths with ${references} references; ` +
        `the most is ${MAX_CLOSURE_PATHS} with ${MAX_CLOSURE_REFERENCES}`,
    );
  const json = new TextEncoder().encode(JSON.stringify(inOrder(closure)));
  if (json.length > MAX_CLOSURE_BYTES)
    throw new ClosureTooLarge(
      `the list of its closure has ${json.length} bytes; the most is ${MAX_CLOSURE_BYTES}`,
    );
  const blob = new Uint8Array(gzipSync(json, GZIP));
  if (blob.length > MAX_CLOSURE_BLOB_BYTES)
    throw new ClosureTooLarge(
      `the list of its closure has ${blob.length} bytes compressed; the most is ` +
        `${MAX_CLOSURE_BLOB_BYTES}`,
    );
  return blob;
}

/**
 * Decodes a blob, within the limits whatever the blob claims. Throws a DamagedBlob when it does not
 * hold a closure. The caller has checked the blob's digest.
 */
export function decodeClosure(
  blob: Uint8Array,
  { digest }: Pick<Descriptor, "digest">,
): PackageClosure {
  const damaged = (reason: string): DamagedBlob =>
    new DamagedBlob(`the closure ${digest} ${reason}`, digest, { closure: digest });
  let value: unknown;
  try {
    const json = gunzipSync(blob, { maxOutputLength: MAX_CLOSURE_BYTES });
    value = JSON.parse(new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(json));
  } catch {
    throw damaged("is not JSON in gzip within the limits");
  }
  const parsed = v.safeParse(PackageClosureSchema, value, { abortEarly: true });
  if (!parsed.success) throw damaged(`does not match the schema: ${parsed.issues[0].message}`);
  return parsed.output;
}
