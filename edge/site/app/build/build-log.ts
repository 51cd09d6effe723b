/** Follows the log of a build: a hook that reads its server-sent events. */
import { useEffect, useState } from "preact/hooks";
import { type Refused, send } from "../api.ts";
import { builtName, nextPhase, type Phase } from "./build-phases.ts";
import { EventReader, type LogEvent } from "./server-sent-events.ts";

/** Time until the next attempt to read a log, ms: a requested build may not have begun yet. */
const AGAIN_MS = 1_000;
/** Most attempts in a row that give no line of the log. */
const TRIES = 15;
/** Lines that are kept on the page. */
const MAX_LINES = 3_000;

/** How a build ended. */
export interface End {
  readonly state: "done" | "failed";
  readonly message?: string;
}

/** What the log has told so far. */
export interface Watched {
  readonly lines: readonly string[];
  readonly phase: Phase;
  /** Packages that the build is of. */
  readonly packages: readonly string[];
  readonly building: string | null;
  readonly end: End | null;
  readonly error: Error | null;
}

const BEGUN: Watched = {
  lines: [],
  phase: "Waiting",
  packages: [],
  building: null,
  end: null,
  error: null,
};

/** Reads the log until the build ends; after a lost connection it continues where it was. */
export function useBuildLog(id: string): Watched {
  const [watched, setWatched] = useState(BEGUN);
  useEffect(() => {
    const stop = new AbortController();
    let last = "";
    const read = async (): Promise<void> => {
      const headers: Record<string, string> = { Accept: "text/event-stream" };
      if (last !== "") headers["Last-Event-ID"] = last;
      const response = await send(`/builds/${id}`, { headers, signal: stop.signal });
      const packages = (response.headers.get("Firn-Packages") ?? "").split(",").filter(Boolean);
      setWatched((now) => ({ ...now, packages }));
      const events = new EventReader();
      const decoder = new TextDecoder();
      for await (const chunk of chunksOf(response)) {
        const found = events.read(decoder.decode(chunk, { stream: true }));
        last = found.findLast((event) => event.id !== "")?.id ?? last;
        setWatched((now) => found.reduce(withEvent, now));
        if (found.some(({ type }) => type === "end")) return;
      }
      throw new TypeError("the log broke off");
    };
    const follow = async (tries: number): Promise<void> => {
      try {
        await read();
      } catch (error) {
        if (stop.signal.aborted) return;
        const mayCome = error instanceof TypeError || (error as Refused).status === 404;
        if (!mayCome || tries >= TRIES)
          return setWatched((now) => ({ ...now, error: error as Error }));
        await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
        await follow(last === "" ? tries + 1 : 0);
      }
    };
    // Only a build that was just requested from this page is worth waiting for.
    void follow(location.search.includes("image=") ? 0 : TRIES - 1);
    return () => stop.abort();
  }, [id]);
  return watched;
}

async function* chunksOf({ body }: Response): AsyncGenerator<Uint8Array> {
  const reader = body?.getReader();
  if (reader === undefined) return;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    yield value;
  }
}

function withEvent(watched: Watched, { type, data }: LogEvent): Watched {
  if (type === "end") {
    const end = JSON.parse(data) as End;
    return { ...watched, end, building: null };
  }
  const phase = nextPhase(watched.phase, data);
  return {
    ...watched,
    phase,
    building: phase === "Building" ? (builtName(data) ?? watched.building) : null,
    lines: [...watched.lines, data].slice(-MAX_LINES),
  };
}
