/** The closure of a package as a blob (edge/contract/closure.ts), and what its record has of it. */
import {
  CLOSURE_FORMAT,
  type ClosureEntry,
  closureParts,
  closurePaths,
  type Metadata,
} from "../../edge/contract/closure.ts";
import { nameAndVersion, storeName } from "../../edge/contract/store-path.ts";
import { ClosureTooLarge, encodeClosure } from "../../edge/contract/closure-blob.ts";
import { CLOSURE } from "../../edge/contract/media-types.ts";
import type { Descriptor } from "../../edge/contract/records.ts";
import { type LayerStore, UnfitError } from "../layers/index.ts";
import type { Cut } from "../plan/index.ts";
import type { BuiltPackage, Closure } from "../nix/types.ts";

/** A package, its closure, and the parts of the closure. */
export interface ClosedPackage {
  readonly built: BuiltPackage;
  readonly closure: Closure;
  readonly cut: Pick<Cut, "parts">;
}

export interface ClosureContext {
  /** Version of this machine's Nix. */
  readonly nix: string;
  /** Metadata of store paths by their names. */
  readonly metadata: ReadonlyMap<string, Metadata>;
  readonly layers: Pick<LayerStore, "blob">;
}

/** Stores the closure of a package as a blob. Throws an UnfitError when it is too large. */
export async function publishClosure(
  { built, closure, cut }: ClosedPackage,
  { nix, metadata, layers }: ClosureContext,
): Promise<Descriptor> {
  const entries = [...closure.values()].map((info): ClosureEntry => {
    const own = info.path === built.storePath;
    return { ...info, ...(own ? ownMetadata(built) : metadata.get(storeName(info.path))) };
  });
  const { derivation, output } = built;
  const paths = closurePaths(entries);
  try {
    const blob = encodeClosure({
      format: CLOSURE_FORMAT,
      nix,
      derivation,
      output,
      paths,
      parts: closureParts(paths, cut.parts),
    });
    return await layers.blob(blob, CLOSURE);
  } catch (error) {
    if (error instanceof ClosureTooLarge) throw new UnfitError(`${built.name}: ${error.message}`);
    throw error;
  }
}

function ownMetadata({ pname, version, description, homepage, licenses }: BuiltPackage) {
  return {
    pname,
    version,
    ...(description === undefined ? {} : { description }),
    ...(homepage === undefined ? {} : { homepage }),
    ...(licenses.length === 0 ? {} : { licenses }),
  };
}

/** The first glibc 2.x that has the locale C.UTF-8 (its NEWS: "Version 2.35"). */
const GLIBC_UTF8_MINOR = 35;

/**
 * Whether all C libraries of a closure have the locale C.UTF-8, by the names of their store paths:
 * glibc from 2.35 on, and musl, which has no other encoding. Undefined without a C library.
 */
export function hasUtf8(paths: Iterable<string>): boolean | undefined {
  let found: boolean | undefined;
  for (const path of paths) {
    const { name, version } = nameAndVersion(storeName(path));
    const numbers = /^(\d+)\.(\d+)/.exec(version);
    if (numbers === null || !["glibc", "musl"].includes(name)) continue;
    const [major, minor] = [Number(numbers[1]), Number(numbers[2])];
    const isNew = name === "musl" || major > 2 || (major === 2 && minor >= GLIBC_UTF8_MINOR);
    found = found !== false && isNew;
  }
  return found;
}
