/**
 * The memory for packing: a fixed number of pieces, which are lent to the layers that are read.
 * Their number limits the memory, and how many pieces are compressed at the same time.
 */
import { type Codecs, type Piece, PIECE_MEMORY } from "./codecs.ts";

/** Most concurrent calls of koffi. */
const MOST_PIECES = 256;

/** The pieces of an origin. */
export class Pieces {
  readonly #codecs: Codecs;
  readonly #limit: number;
  readonly #idle: Piece[] = [];
  readonly #waiting: ((piece: Piece) => void)[] = [];
  #lent = 0;
  #closed = false;
  #peak = 0;

  /** Two for each of `threads`, or as many as fit into `memory` (bytes), but at least one. */
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

  /** Lends a piece, when one is free; first come, first served. */
  async take(): Promise<Piece> {
    if (this.#lent === this.#limit)
      return new Promise((resolve) => void this.#waiting.push(resolve));
    this.#lent++;
    this.#peak = Math.max(this.#peak, this.#lent);
    return this.#idle.pop() ?? this.#codecs.allocate();
  }

  /** Takes a lent piece back. */
  give(piece: Piece): void {
    const next = this.#waiting.shift();
    if (next !== undefined) return next(piece);
    this.#lent--;
    if (this.#closed) this.#codecs.free(piece);
    else this.#idle.push(piece);
  }

  /** Frees all pieces; lent ones when they are given back. */
  close(): void {
    this.#closed = true;
    for (const piece of this.#idle.splice(0)) this.#codecs.free(piece);
  }
}
