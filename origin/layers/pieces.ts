/**
 * The memory for packing: a fixed number of pieces, lent to whichever layer is read next. Their
 * number limits the memory, and how many are compressed at the same time.
 */
import { type Codecs, type Piece, PIECE_MEMORY } from "./codecs.ts";

/** Concurrent calls of koffi. */
const MOST_PIECES = 256;

export class Pieces {
  readonly #codecs: Codecs;
  readonly #limit: number;
  readonly #idle: Piece[] = [];
  readonly #waiting: ((piece: Piece) => void)[] = [];
  #lent = 0;
  #closed = false;
  #peak = 0;

  /**
   * As many as keep `threads` compressors and one reader busy, and as fit `memory` (bytes); one at
   * least.
   */
  constructor(codecs: Codecs, memory: number, threads: number) {
    this.#codecs = codecs;
    const affordable = Math.floor(memory / PIECE_MEMORY);
    this.#limit = Math.max(1, Math.min(affordable, 2 * threads, MOST_PIECES));
  }

  /** Pieces that are lent now. */
  get lent(): number {
    return this.#lent;
  }

  /** Most pieces that were lent at the same time. */
  get peak(): number {
    return this.#peak;
  }

  /** A piece to work in; first come, first served. */
  async take(): Promise<Piece> {
    if (this.#lent === this.#limit)
      return new Promise((resolve) => void this.#waiting.push(resolve));
    this.#lent++;
    this.#peak = Math.max(this.#peak, this.#lent);
    return this.#idle.pop() ?? this.#codecs.allocate();
  }

  give(piece: Piece): void {
    const next = this.#waiting.shift();
    if (next !== undefined) return next(piece);
    this.#lent--;
    if (this.#closed) this.#codecs.free(piece);
    else this.#idle.push(piece);
  }

  /** Frees the pieces, those that are lent when they are given back. */
  close(): void {
    this.#closed = true;
    for (const piece of this.#idle.splice(0)) this.#codecs.free(piece);
  }
}
