/**
 * A blob that is being written: members are appended to a temporary file and hashed. The file has
 * no name, so a process that dies leaves nothing behind.
 */
import { createHash } from "node:crypto";
import { closeSync, mkdirSync, openSync, rmSync, writeSync } from "node:fs";
import { join } from "node:path";
import type { Digest } from "../../edge/contract/digest.ts";
import { temporaryName } from "../disk/temporary.ts";

/** A complete blob in a temporary file, of which the owner closes `fd`. */
export interface SpooledBlob {
  readonly digest: Digest;
  readonly size: number;
  readonly fd: number;
  /** Bytes of each member, in order. */
  readonly members: readonly number[];
}

/** The temporary file of one blob. */
export class BlobFile {
  readonly #fd: number;
  readonly #hash = createHash("sha256");
  readonly #members: number[] = [];
  #size = 0;

  constructor(directory: string) {
    mkdirSync(directory, { recursive: true });
    // If the process dies between these two calls, the next start removes the file. A process that
    // starts now may have removed it already.
    const path = join(directory, temporaryName("blob"));
    this.#fd = openSync(path, "wx+");
    rmSync(path, { force: true });
  }

  append(member: Buffer): void {
    this.#hash.update(member);
    // write(2) may take less than it was given.
    for (let at = 0; at < member.length;)
      at += writeSync(this.#fd, member, at, member.length - at, this.#size + at);
    this.#size += member.length;
    this.#members.push(member.length);
  }

  /** Returns the blob, whose file now belongs to the caller. */
  finish(): SpooledBlob {
    return {
      digest: `sha256:${this.#hash.digest("hex")}`,
      size: this.#size,
      fd: this.#fd,
      members: this.#members,
    };
  }

  drop(): void {
    closeSync(this.#fd);
  }
}
