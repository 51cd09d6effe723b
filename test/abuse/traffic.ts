/**
 * Traffic of many clients at once against an edge: honest ones whose answers count, and those who
 * are up to no good. In a thread of its own, over bare sockets, every body checked against the
 * digest that its answer claims.
 */
import { createHash } from "node:crypto";
import { connect, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";

/** Clients that do the same. Each has a connection and an address of its own, unless told. */
export interface Group {
  readonly name: string;
  readonly connections: number;
  /**
   * Paths in turn. `{n}` in one is a number that no other request of this group has; `{pick}` two
   * to four of `picks` that no other request has in this combination.
   */
  readonly paths: readonly string[];
  readonly picks?: readonly string[];
  /** Statuses that are right; any other answer is a wrong one. */
  readonly expected: readonly number[];
  /** The one address of all of them. */
  readonly address?: string;
  /** Between an answer and the next request, milliseconds. */
  readonly pause?: number;
  /** Hangs up as soon as the request is sent, or in the middle of the answer. */
  readonly aborts?: boolean;
}

export interface TrafficOptions {
  readonly url: string;
  /** The header in which the edge is told a client's address. */
  readonly addressHeader: string;
  readonly seconds: number;
  readonly groups: readonly Group[];
}

export interface Traffic {
  readonly name: string;
  /** Complete answers by status. */
  readonly answers: Readonly<Record<number, number>>;
  /** What was wrong with answers, the first few of them. */
  readonly wrong: readonly string[];
  readonly wrongCount: number;
}

/** What each group got. */
export function drive(options: TrafficOptions): Promise<readonly Traffic[]> {
  const { promise, resolve, reject } = Promise.withResolvers<readonly Traffic[]>();
  const worker = new Worker(new URL(import.meta.url), { workerData: options });
  worker.once("message", resolve);
  worker.once("error", reject);
  return promise;
}

interface Head {
  readonly status: number;
  readonly length: number;
  readonly digest: string | undefined;
}

const HEAD_END = Buffer.from("\r\n\r\n");
/** Wrong answers that are told. */
const MAX_TOLD = 5;
/** An answer that has not come by then never will, milliseconds. */
const ANSWER_MS = 60_000;

class Connection {
  readonly #target: { host: string; port: number };
  #socket: Socket | undefined;
  constructor(target: { host: string; port: number }) {
    this.#target = target;
  }

  /** Sends a request and reads its whole answer. Rejects when the connection ends before that. */
  ask(request: string): Promise<{ head: Head; body: Buffer }> {
    const socket = (this.#socket ??= connect({ ...this.#target, noDelay: true }));
    const { promise, resolve, reject } = Promise.withResolvers<{ head: Head; body: Buffer }>();
    const late = setTimeout(() => fail(new Error("no answer came")), ANSWER_MS);
    let received: Buffer = Buffer.alloc(0);
    let head: Head | undefined;
    const done = (): void => {
      clearTimeout(late);
      socket.removeAllListeners();
    };
    const fail = (error: Error): void => {
      done();
      this.hangUp();
      reject(error);
    };
    socket.on("error", fail);
    socket.on("close", () => fail(new Error("the connection was closed")));
    socket.on("data", (chunk: Buffer) => {
      received = received.length === 0 ? chunk : Buffer.concat([received, chunk]);
      if (head === undefined) {
        const end = received.indexOf(HEAD_END);
        if (end < 0) return;
        head = readHead(received.toString("latin1", 0, end));
        received = received.subarray(end + HEAD_END.length);
      }
      if (received.length < head.length) return;
      done();
      resolve({ head, body: received });
    });
    socket.write(request);
    return promise;
  }

  /** Sends a request and goes away: at once, or when the answer has begun. */
  async askAndLeave(request: string, begun: boolean): Promise<void> {
    const socket = connect({ ...this.#target, noDelay: true });
    const { promise, resolve } = Promise.withResolvers<void>();
    socket.on("error", () => resolve());
    socket.on("close", () => resolve());
    socket.once("connect", () => {
      socket.write(request);
      if (!begun) setImmediate(resolve);
    });
    socket.once("data", () => resolve());
    await promise;
    socket.resetAndDestroy();
  }

  hangUp(): void {
    this.#socket?.removeAllListeners();
    this.#socket?.on("error", () => undefined);
    this.#socket?.destroy();
    this.#socket = undefined;
  }
}

function readHead(text: string): Head {
  const field = (name: string): string | undefined =>
    new RegExp(`^${name}: (.*)$`, "im").exec(text)?.[1]?.trim();
  return {
    status: Number(/^HTTP\/1\.1 (\d{3})/.exec(text)?.[1]),
    length: Number(field("content-length")),
    digest: field("docker-content-digest"),
  };
}

/** What is wrong with an answer; undefined when nothing is. */
function fault({ expected }: Group, { status, length, digest }: Head, body: Buffer) {
  if (!expected.includes(status)) return `${status} ${String(body).slice(0, 300)}`;
  if (body.length !== length) return `${body.length} bytes instead of ${length}`;
  if (status !== 200) return undefined;
  const found = `sha256:${createHash("sha256").update(body).digest("hex")}`;
  return digest === undefined || digest === found ? undefined : `${found} instead of ${digest}`;
}

/** Combinations of two to four of `picks`, each once: `a/b`, `a/c`, … */
function* combinations(picks: readonly string[]): Generator<string, void, void> {
  for (const size of [2, 3, 4]) yield* chosen(picks, size);
}
function* chosen(picks: readonly string[], size: number): Generator<string, void, void> {
  if (size === 0) return yield "";
  for (const [at, pick] of picks.entries())
    for (const rest of chosen(picks.slice(at + 1), size - 1))
      yield rest === "" ? pick : `${pick}/${rest}`;
}

async function runGroup(group: Group, at: number, options: TrafficOptions): Promise<Traffic> {
  const { hostname, port, host } = new URL(options.url);
  const until = performance.now() + options.seconds * 1_000;
  const answers: Record<number, number> = {};
  const wrong: string[] = [];
  let wrongCount = 0;
  let n = 0;
  const picks = combinations(group.picks ?? []);
  const next = (): string | undefined => {
    n += 1;
    const path = group.paths[n % group.paths.length] ?? "/";
    if (!path.includes("{pick}")) return path.replace("{n}", String(n));
    const pick = picks.next();
    return pick.done ? undefined : path.replace("{pick}", pick.value);
  };
  const client = async (number: number): Promise<void> => {
    const connection = new Connection({ host: hostname, port: Number(port) });
    const address = group.address ?? `10.${at}.${number >> 8}.${number & 255}`;
    const lines = `Host: ${host}\r\nAccept: */*\r\n${options.addressHeader}: ${address}\r\n\r\n`;
    while (performance.now() < until) {
      const path = next();
      if (path === undefined) break;
      const request = `GET ${path} HTTP/1.1\r\n${lines}`;
      try {
        if (group.aborts) await connection.askAndLeave(request, n % 2 === 0);
        else {
          const { head, body } = await connection.ask(request);
          answers[head.status] = (answers[head.status] ?? 0) + 1;
          const problem = fault(group, head, body);
          if (problem !== undefined) wrongCount += 1;
          if (problem !== undefined && wrong.length < MAX_TOLD) wrong.push(`${path}: ${problem}`);
        }
      } catch (error) {
        wrongCount += 1;
        if (wrong.length < MAX_TOLD) wrong.push(`${path}: ${String(error)}`);
      }
      if (group.pause !== undefined) await sleep(group.pause);
    }
    connection.hangUp();
  };
  await Promise.all(Array.from({ length: group.connections }, (_, number) => client(number)));
  return { name: group.name, answers, wrong, wrongCount };
}

async function run(options: TrafficOptions): Promise<readonly Traffic[]> {
  return Promise.all(options.groups.map((group, at) => runGroup(group, at, options)));
}

// oxlint-disable-next-line unicorn/require-post-message-target-origin -- a port has no origin
if (!isMainThread) parentPort?.postMessage(await run(workerData as TrafficOptions));
