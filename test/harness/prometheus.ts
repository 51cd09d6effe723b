/** Debian's Prometheus, on 127.0.0.1 with its data in a temporary directory. */
import { ownPort } from "./ports.ts";
import type { Need } from "../../origin/local/needs.ts";
import { type Daemon, startDaemon } from "./daemon.ts";

export const PROMETHEUS: readonly Need[] = [
  { command: "prometheus", debian: "prometheus", purpose: "reads what is measured" },
  { command: "promtool", debian: "prometheus", purpose: "checks rules of alerts" },
];

/** A sample of an instant vector. */
export interface Sample {
  readonly metric: Readonly<Record<string, string>>;
  /** Seconds since 1970, and the number as text. */
  readonly value: readonly [number, string];
}

export interface Prometheus extends Pick<Daemon, "stop" | "output"> {
  /** `data` of an answer of its HTTP API; throws with what it says of a request that it refuses. */
  api<T>(path: string, query?: Readonly<Record<string, string>>): Promise<T>;
  /** Throws where the expression does not evaluate to a vector. */
  query(expression: string): Promise<readonly Sample[]>;
}

/** Starts it with a configuration file, and resolves when it answers; `dir` is for its data. */
export async function startPrometheus(
  config: string,
  dir: string,
  env: Readonly<Record<string, string>> = {},
): Promise<Prometheus> {
  const url = `http://127.0.0.1:${await ownPort()}`;
  const daemon = await startDaemon(
    [
      "prometheus",
      `--config.file=${config}`,
      `--storage.tsdb.path=${dir}`,
      `--web.listen-address=${new URL(url).host}`,
    ],
    env,
    () =>
      fetch(`${url}/-/ready`).then(
        ({ ok }) => ok,
        () => false,
      ),
  );
  const api = async <T>(path: string, query: Readonly<Record<string, string>> = {}): Promise<T> => {
    const answer = await fetch(`${url}/api/v1/${path}?${new URLSearchParams(query)}`);
    const said = (await answer.json()) as { status: string; error?: string; data: T };
    if (said.status !== "success") throw new Error(`Prometheus: ${path}: ${said.error}`);
    return said.data;
  };
  return {
    ...daemon,
    api,
    async query(expression) {
      const data = await api<{ resultType: string; result: Sample[] }>("query", {
        query: expression,
      });
      if (data.resultType !== "vector") throw new Error(`${expression}: a ${data.resultType}`);
      return data.result;
    },
  };
}
