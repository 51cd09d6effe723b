/**
 * The origin's worker threads: a queue of tasks, urgent ones first, then the heaviest, each run by
 * the next thread that is free. A thread that dies fails its own task and is replaced.
 */
import { Worker } from "node:worker_threads";
import { cancel, cancelFlag, type CancelFlag } from "./cancel.ts";
import type { Reply, Request, Results, Task } from "./tasks.ts";

interface Job {
  readonly request: Request;
  readonly weight: number;
  readonly resolve: (value: Results[keyof Results]) => void;
  readonly reject: (error: Error) => void;
}

interface Thread {
  readonly worker: Worker;
  /** Whether it has ever answered. */
  proven: boolean;
  job: Job | undefined;
}

export interface RunOptions<V> {
  /** When it aborts, a queued task is dropped and a running one ends soon. */
  readonly signal: AbortSignal;
  /** Goes before all that is not urgent. */
  readonly urgent?: boolean;
  /** Heavier tasks go first, so that no long one is left alone at the end. */
  readonly weight?: number;
  /** Takes a result that came after the abort. */
  readonly release?: (value: V) => void;
}

/**
 * Work that a worker thread could not do. `code` is the system's (ENOSPC), where the system
 * refused.
 */
export class TaskError extends Error {
  override name = "TaskError";
  readonly code: string | undefined;

  constructor(reply: Reply & { ok: false }) {
    super(reply.message);
    this.name = reply.name === "Error" ? "TaskError" : reply.name;
    this.code = reply.code;
    if (reply.stack !== undefined) this.stack = reply.stack;
  }
}

export class Workers {
  readonly #threads: Thread[];
  readonly #queue: Job[] = [];
  #nextId = 0;
  #closed = false;

  constructor(threads: number) {
    this.#threads = Array.from({ length: threads }, () => this.#start());
  }

  run<K extends Task["kind"]>(
    task: Task & { kind: K },
    { signal, urgent = false, weight = 0, release }: RunOptions<Results[K]>,
  ): Promise<Results[K]> {
    return new Promise<Results[K]>((resolve, reject) => {
      if (this.#closed) throw new Error("the layer store is closed");
      if (this.#threads.length === 0) throw new Error("no packing thread could be started");
      signal.throwIfAborted();
      const flag: CancelFlag = cancelFlag();
      const onAbort = (): void => {
        cancel(flag);
        const index = this.#queue.indexOf(job);
        if (index >= 0) this.#queue.splice(index, 1);
        reject(signal.reason as Error);
      };
      const job: Job = {
        request: { id: this.#nextId++, task, cancel: flag },
        weight: urgent ? Infinity : weight,
        resolve: (value) => {
          signal.removeEventListener("abort", onAbort);
          if (signal.aborted) release?.(value as Results[K]);
          else resolve(value as Results[K]);
        },
        reject: (error) => {
          signal.removeEventListener("abort", onAbort);
          reject(error);
        },
      };
      signal.addEventListener("abort", onAbort, { once: true });
      const lighter = this.#queue.findIndex((other) => other.weight < job.weight);
      this.#queue.splice(lighter < 0 ? this.#queue.length : lighter, 0, job);
      this.#dispatch();
    });
  }

  /** Ends all threads; what they were doing fails. */
  async close(): Promise<void> {
    this.#closed = true;
    const error = new Error("the layer store was closed");
    for (const job of this.#queue.splice(0)) job.reject(error);
    for (const thread of this.#threads) {
      if (thread.job !== undefined) cancel(thread.job.request.cancel);
      thread.job?.reject(error);
      thread.job = undefined;
    }
    await Promise.all(this.#threads.map(({ worker }) => worker.terminate()));
  }

  #dispatch(): void {
    for (const thread of this.#threads) {
      if (thread.job !== undefined) continue;
      const job = this.#queue.shift();
      if (job === undefined) return;
      thread.job = job;
      thread.worker.ref();
      // oxlint-disable-next-line unicorn/require-post-message-target-origin -- that is for windows
      thread.worker.postMessage(job.request);
    }
  }

  #start(): Thread {
    // A thread hands its spool files over: it must not close, when it ends, what by then are other
    // files' descriptors.
    const worker = new Worker(new URL("./worker.ts", import.meta.url), {
      name: "firn-pack",
      trackUnmanagedFds: false,
    });
    const thread: Thread = { worker, proven: false, job: undefined };
    worker.on("message", (reply: Reply) => {
      const { job } = thread;
      thread.job = undefined;
      thread.proven = true;
      // An idle thread keeps no process alive.
      worker.unref();
      if (reply.ok) job?.resolve(reply.value);
      else job?.reject(new TaskError(reply));
      this.#dispatch();
    });
    worker.on("error", (error) => thread.job?.reject(error));
    worker.on("exit", (code) => {
      const error = new Error(`a packing thread ended with code ${code}`);
      thread.job?.reject(error);
      const index = this.#threads.indexOf(thread);
      if (this.#closed || index < 0) return;
      // One that never did anything would end again at once, and so on.
      if (thread.proven) this.#threads[index] = this.#start();
      else this.#threads.splice(index, 1);
      if (this.#threads.length === 0) for (const job of this.#queue.splice(0)) job.reject(error);
      this.#dispatch();
    });
    worker.unref();
    return thread;
  }
}
