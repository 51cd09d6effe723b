/** Makes the member of one store path: its tar, compressed by itself, in the cache. */
import { createHash } from "node:crypto";
import { crc32 } from "node:zlib";
import { type CancelFlag, requireWanted } from "./cancel.ts";
import { type Codec, CODECS, type CodecName, FRAME_BYTES, windowOf } from "./codecs.ts";
import { MemberWriter } from "./member-file.ts";
import { tarChunks } from "./tar-chunks.ts";

export interface MemberWanted {
  readonly root: string;
  readonly storePath: string;
  /**
   * File of the member, by compressor; only these are made. One reading of the store path serves
   * all.
   */
  readonly files: Partial<Record<CodecName, string>>;
}

/** Two frames at once: one is compressed while the next is read. */
const BUFFERS = 2;
/** Buffers that no member uses now: they are large, and a thread makes one member after another. */
const idle: Buffer[] = [];

/**
 * Bytes of memory that making one member takes at most: buffers, what comes out of them, and zlib's
 * state for each piece.
 */
export const MEMBER_MEMORY = BUFFERS * 3 * FRAME_BYTES;

/**
 * Makes the members; returns the bytes written. Throws TreeError when the store path changes
 * meanwhile, and leaves nothing behind when it throws.
 */
export async function makeMember(wanted: MemberWanted, cancel: CancelFlag): Promise<number> {
  const outputs: Output[] = [];
  try {
    for (const name of Object.keys(wanted.files) as CodecName[])
      outputs.push(new Output(CODECS[name], wanted.files[name] as string));
    const { tarBytes, tarCrc } = await compressTar(wanted, outputs, cancel);
    return outputs.reduce((sum, output) => sum + output.finish(tarBytes, tarCrc), 0);
  } catch (error) {
    for (const output of outputs) output.drop();
    throw error;
  }
}

async function compressTar(
  { root, storePath }: MemberWanted,
  outputs: readonly Output[],
  cancel: CancelFlag,
): Promise<{ tarBytes: number; tarCrc: number }> {
  const buffers = Array.from(
    { length: BUFFERS },
    () => idle.pop() ?? Buffer.allocUnsafeSlow(FRAME_BYTES),
  );
  let tarBytes = 0;
  let tarCrc = 0;
  let taken = 0;
  let before: Buffer | undefined;
  let compressing: Promise<Buffer[][]> | undefined;
  const write = async (): Promise<void> => {
    const frames = await compressing;
    frames?.forEach((pieces, index) => outputs[index]?.append(pieces));
  };
  try {
    for (const chunk of tarChunks(root, storePath, () => buffers[taken++ % BUFFERS] as Buffer)) {
      requireWanted(cancel);
      tarBytes += chunk.length;
      tarCrc = crc32(chunk, tarCrc);
      await write();
      const dictionary = before;
      before = windowOf(chunk);
      compressing = Promise.all(outputs.map((output) => output.codec.frame(chunk, dictionary)));
    }
    await write();
  } catch (error) {
    // The compressor still reads the buffers.
    await compressing?.catch(() => undefined);
    throw error;
  } finally {
    idle.push(...buffers);
  }
  return { tarBytes, tarCrc };
}

/** The member of one compressor on its way to disk. */
class Output {
  readonly codec: Codec;
  readonly #writer: MemberWriter;
  readonly #hash = createHash("sha256");
  #bytes = 0;
  #open = true;

  constructor(codec: Codec, path: string) {
    this.codec = codec;
    this.#writer = new MemberWriter(path);
    this.append([codec.begin()]);
  }

  append(pieces: readonly Buffer[]): void {
    for (const piece of pieces) {
      this.#hash.update(piece);
      this.#bytes += piece.length;
      this.#writer.append(piece);
    }
  }

  finish(tarBytes: number, tarCrc: number): number {
    this.append([this.codec.end(tarCrc, tarBytes)]);
    this.#writer.finish({ payloadBytes: this.#bytes, tarBytes, tarCrc, hash: this.#hash.digest() });
    this.#open = false;
    return this.#bytes;
  }

  drop(): void {
    if (this.#open) this.#writer.drop();
    this.#open = false;
  }
}
