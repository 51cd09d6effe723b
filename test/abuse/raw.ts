/** A request exactly as an attacker writes it: no client tidies its path or its headers. */
import { connect } from "node:net";
import type { TestEdge } from "../edge/registry/support.ts";

export interface RawAnswer {
  readonly status: number;
  /** By lower-case name; several of one name joined by commas. */
  readonly headers: ReadonlyMap<string, string>;
  readonly body: string;
}

/** An answer that has not come by then never will, milliseconds. */
const ANSWER_MS = 90_000;

export interface RawRequest {
  readonly method?: string;
  /** The target of the request line. */
  readonly path: string;
  /** Header lines in their order; Host is sent unless one of them is. */
  readonly headers?: readonly string[];
  readonly body?: string;
}

/** Rejects when no answer comes, or one that is not HTTP. */
export function raw({ url }: Pick<TestEdge, "url">, request: RawRequest): Promise<RawAnswer> {
  const { hostname, port, host } = new URL(url);
  const { method = "GET", path, headers = [], body = "" } = request;
  const named = headers.some((line) => /^host:/i.test(line));
  const lines = [
    `${method} ${path} HTTP/1.1`,
    ...(named ? [] : [`Host: ${host}`]),
    "Connection: close",
    ...headers,
  ];
  return new Promise((resolve, reject) => {
    const socket = connect(Number(port), hostname);
    const chunks: Buffer[] = [];
    socket.setTimeout(ANSWER_MS, () => socket.destroy(new Error(`no answer to ${path}`)));
    socket.on("error", reject);
    socket.on("data", (chunk) => chunks.push(chunk));
    socket.on("end", () => {
      const text = Buffer.concat(chunks).toString("latin1");
      const [head = "", ...rest] = text.split("\r\n\r\n");
      const [first = "", ...fields] = head.split("\r\n");
      const status = Number(/^HTTP\/1\.1 (\d{3})/.exec(first)?.[1]);
      if (Number.isNaN(status)) return reject(new Error(`not HTTP: ${text.slice(0, 200)}`));
      const found = new Map<string, string>();
      for (const field of fields) {
        const [name = "", ...value] = field.split(":");
        const key = name.toLowerCase();
        found.set(key, [found.get(key), value.join(":").trim()].filter(Boolean).join(", "));
      }
      resolve({
        status,
        headers: found,
        body: Buffer.from(rest.join("\r\n\r\n"), "latin1").toString("utf8"),
      });
    });
    socket.end(`${lines.join("\r\n")}\r\n\r\n${body}`, "latin1");
  });
}
