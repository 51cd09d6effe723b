/** A directory with a `nix/store` in it, filled by tests: store paths need no Nix to be packed. */
import { createCipheriv, createHash } from "node:crypto";
import {
  chmodSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { layerKey } from "../../../edge/contract/keys.ts";
import type { Layer, LayerStatement } from "../../../edge/contract/records.ts";
import { type LayerPart, type MadeLayer, UnfitError } from "../../../origin/layers/index.ts";
import type { StorePathInfo } from "../../../origin/nix/types.ts";

/**
 * A file's contents; an executable; a link's target; another name of an earlier file; an empty
 * directory.
 */
export type Content =
  | string
  | Uint8Array
  | { readonly run: string }
  | { readonly link: string }
  | { readonly same: string }
  | { readonly directory: true };

export class LocalStore {
  /** Holds nix/store. */
  readonly root: string;
  /** For caches and whatever else a test leaves. */
  readonly scratch: string;

  constructor() {
    const directory = mkdtempSync(join(tmpdir(), "firn-layers-"));
    this.root = join(directory, "root");
    this.scratch = join(directory, "scratch");
    mkdirSync(join(this.root, "nix/store"), { recursive: true });
    mkdirSync(this.scratch);
  }

  /**
   * Adds a store path; `files` by path within it, or one file's content when the store path is a
   * file.
   */
  add(name: string, files: Readonly<Record<string, Content>> | string): StorePathInfo {
    const path = `/nix/store/${createHash("sha256").update(name).digest("hex").slice(0, 32)}-${name}`;
    const at = join(this.root, path);
    if (typeof files === "string") writeFileSync(at, files);
    else {
      mkdirSync(at);
      for (const [file, content] of Object.entries(files)) this.#write(at, file, content);
    }
    const hash = createHash("sha256");
    let narSize = 0;
    for (const [file, content] of typeof files === "string"
      ? [["", files] as const]
      : Object.entries(files)) {
      const bytes =
        typeof content === "string" || content instanceof Uint8Array
          ? content
          : JSON.stringify(content);
      hash.update(file).update("\0").update(bytes).update("\0");
      narSize += bytes.length;
    }
    return { path, narHash: `sha256:${hash.digest("hex")}`, narSize, references: [] };
  }

  remove(): void {
    rmSync(dirname(this.root), { recursive: true, force: true });
  }

  #write(at: string, file: string, content: Content): void {
    const to = join(at, file);
    mkdirSync(dirname(to), { recursive: true });
    if (typeof content === "string" || content instanceof Uint8Array) writeFileSync(to, content);
    else if ("run" in content) {
      writeFileSync(to, content.run);
      chmodSync(to, 0o755);
    } else if ("link" in content) symlinkSync(content.link, to);
    else if ("same" in content) linkSync(join(at, content.same), to);
    else mkdirSync(to);
  }
}

export async function partOf(...paths: StorePathInfo[]): Promise<LayerPart> {
  return { key: await layerKey(paths), paths };
}

/** What `make` made of a part, which must be a layer. */
export const madeLayer = (made: Made, part: LayerPart): Layer => madeOf(made, part).layer;

/** What this origin states of a part that it has made. */
export const statementsOf = (made: Made, part: LayerPart): readonly LayerStatement[] =>
  madeOf(made, part).statements;

type Made = ReadonlyMap<string, MadeLayer | UnfitError>;

function madeOf(made: Made, { key }: LayerPart): MadeLayer {
  const layer = made.get(key);
  if (layer === undefined) throw new Error(`nothing was made of ${key}`);
  if (layer instanceof UnfitError) throw layer;
  return layer;
}

/** Bytes that do not compress, the same every time. */
export function noise(bytes: number, seed = "noise"): Buffer {
  const key = createHash("sha256").update(seed).digest().subarray(0, 16);
  return createCipheriv("aes-128-ctr", key, Buffer.alloc(16)).update(Buffer.alloc(bytes));
}

/** Bytes that compress about as programs do. */
export function prose(bytes: number, seed = 1): Buffer {
  const words = [
    "layer",
    "snow",
    "ice",
    "store",
    "path",
    "closure",
    "member",
    "edge",
    "origin",
    "bucket",
    "\n",
    "0x",
    "ff",
  ];
  let state = seed;
  let text = "";
  while (text.length < bytes) {
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648;
    text += words[state % words.length] + (state % 7 === 0 ? String(state) : " ");
  }
  return Buffer.from(text.slice(0, bytes));
}
