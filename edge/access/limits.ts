/**
 * Rate limits of a client: how many requests, images, builds and so on in a period, or at once.
 *
 * A client is an account, or else an address. Of an IPv6 address only the first 64 bits count,
 * since that is what a network assigns to one customer. Counts are kept per isolate: on Cloudflare
 * a client reaches several isolates in its location, so it may get a few times the limit. What must
 * hold over all of them, the number of items in the queue, is counted by the farm.
 */
import { LRUCache } from "lru-cache";

/** `count` per `seconds`; `count` at the same time where `seconds` is 0. */
export interface Limit {
  readonly count: number;
  readonly seconds: number;
}

/** What is limited, and what the error that a client gets calls it. */
export const LIMITED = {
  /**
   * A pull of 40 layers is 45 requests, so this serves a cluster of 60 nodes behind one address.
   */
  requests: { default: { count: 3_000, seconds: 60 }, words: "requests" },
  /** Images that nobody has pulled before: each costs 20 ms of CPU and a 10 kB object. */
  images: { default: { count: 200, seconds: 3_600 }, words: "new images" },
  /** The same over all clients and locations: a day of it is 2 hours of CPU and 1 GB of records. */
  total_images: {
    default: { count: 5_000, seconds: 3_600 },
    words: "new images of all clients together",
  },
  /** Tags that nobody has pulled before: each asks an origin. */
  tags: { default: { count: 30, seconds: 3_600 }, words: "new tags" },
  /** Packages that nobody has pulled before: each asks an origin for a build. */
  packages: { default: { count: 300, seconds: 3_600 }, words: "new packages" },
  /**
   * Lists of package names that nobody has needed before: each asks an origin for an evaluation.
   */
  indexes: { default: { count: 60, seconds: 3_600 }, words: "new lists of package names" },
  /** Images of which a package does not exist: finding the nearest names takes CPU time. */
  unknown: { default: { count: 120, seconds: 60 }, words: "unknown packages" },
  /** Searches, and looks at images in the API: each reads dozens of records, or 25,000 names. */
  looks: { default: { count: 600, seconds: 60 }, words: "searches and looks at images" },
  /** Requests that are waiting for origins. */
  waits: { default: { count: 20, seconds: 0 }, words: "waiting requests" },
  /** Tags, packages and lists in the farm's queue, which counts them over all locations. */
  queued: { default: { count: 200, seconds: 0 }, words: "items in the queue of builds" },
  /** Password checks. A password that was right within the hour is remembered, and not counted. */
  logins: { default: { count: 30, seconds: 60 }, words: "logins" },
  /**
   * Of all clients together: a check takes 30 ms of CPU, so this is a third of an isolate's time,
   * however many addresses somebody guesses from.
   */
  passwords: { default: { count: 10, seconds: 1 }, words: "logins of all clients together" },
} as const satisfies Record<string, { default: Limit; words: string }>;

export type Limited = keyof typeof LIMITED;
/** Null: no limit. */
export type Limits = Readonly<Record<Limited, Limit | null>>;
export type LimitVariables = { readonly [Name in `LIMIT_${Uppercase<Limited>}`]?: string };

/** Retry-After when too many of a client's requests are waiting, seconds: the end is not known. */
export const WAITS_RETRY_SECONDS = 10;
/** Most counters, one for each client and limit; the least recently used is dropped first. */
const MAX_COUNTS = 20_000;
const PREFIX = "LIMIT_";
const VARIABLES: readonly string[] = Object.keys(LIMITED).map(
  (name) => `${PREFIX}${name.toUpperCase()}`,
);
const PATTERN = /^(\d{1,9})\/(\d{1,5})$/;

/**
 * Parses LIMIT_REQUESTS and so on: `<count>/<seconds>`, for waits `<count>`, or `off`. Throws an
 * Error that names the variable and what it may be.
 */
export function readLimits(variables: LimitVariables): Limits {
  const wrong = Object.keys(variables).find(
    (variable) => variable.startsWith(PREFIX) && !VARIABLES.includes(variable),
  );
  if (wrong !== undefined)
    throw new Error(`${wrong} is no limit: the limits are ${VARIABLES.join(", ")}`);
  const read = (name: Limited): Limit | null => {
    const variable = `LIMIT_${name.toUpperCase() as Uppercase<Limited>}` as const;
    const text = variables[variable] || undefined;
    if (text === undefined) return LIMITED[name].default;
    const limit = parseLimit(name, text);
    if (limit === undefined) throw new Error(`${variable} must be ${formOf(name)}`);
    return limit;
  };
  return Object.fromEntries(
    (Object.keys(LIMITED) as Limited[]).map((name) => [name, read(name)]),
  ) as Limits;
}

/** Null for `off`, undefined when the text is not a limit. */
export function parseLimit(name: Limited, text: string): Limit | null | undefined {
  if (text === "off") return null;
  const atOnce = LIMITED[name].default.seconds === 0;
  const match = PATTERN.exec(atOnce ? `${text}/0` : text);
  const [count, seconds] = [Number(match?.[1]), Number(match?.[2])];
  if (match === null || count === 0 || (seconds === 0) !== atOnce) return undefined;
  return { count, seconds };
}

/** The format of a limit, for a person. */
export const formOf = (name: Limited): string =>
  LIMITED[name].default.seconds === 0
    ? `<count>, such as ${LIMITED[name].default.count}, or off`
    : `<count>/<seconds>, such as ${LIMITED[name].default.count}/${LIMITED[name].default.seconds}, or off`;

interface Window {
  /** Milliseconds since 1970. */
  readonly start: number;
  readonly used: number;
}

/** How often a request that holds a place refreshes it, milliseconds. */
const SHOWN_MS = 1_000;
/** A place that was not refreshed for this long is free again, milliseconds. */
const GONE_MS = 5_000;

/** A place that a waiting request holds. */
interface Place {
  /** When the request last refreshed it, milliseconds since 1970. */
  seenAt: number;
}

/** Counts what clients use, in windows that start with a client's first use. */
export class Meter {
  readonly #windows = new LRUCache<string, Window>({ max: MAX_COUNTS });
  readonly #held = new LRUCache<string, Set<Place>>({ max: MAX_COUNTS });

  /**
   * Takes `amount` of a client's limit. Returns 0; or, when not enough is left, takes nothing and
   * returns the milliseconds after which to try again. An amount above the whole limit is granted
   * only in a new window.
   */
  take(client: string, name: Limited, { count, seconds }: Limit, amount = 1): number {
    const key = `${name} ${client}`;
    const now = Date.now();
    const known = this.#windows.get(key);
    const open = known !== undefined && now < known.start + seconds * 1_000;
    const window = open ? known : { start: now, used: 0 };
    if (window.used > 0 && window.used + amount > count)
      return window.start + seconds * 1_000 - now;
    this.#windows.set(key, { start: window.start, used: window.used + amount });
    return 0;
  }

  /**
   * Holds one of a client's places until the returned function is called; null when all are held.
   *
   * The runtime drops a request whose client hung up, wherever it is waiting, so the function may
   * never be called. The request's timers stop with it, so a place that is no longer refreshed
   * becomes free.
   */
  hold(client: string, { count }: Limit): (() => void) | null {
    const now = Date.now();
    const places = this.#held.get(client) ?? new Set();
    for (const place of places) if (now >= place.seenAt + GONE_MS) places.delete(place);
    if (places.size >= count) return null;
    const own = { seenAt: now };
    this.#held.set(client, places.add(own));
    const timer = setInterval(() => (own.seenAt = Date.now()), SHOWN_MS);
    return () => {
      clearInterval(timer);
      places.delete(own);
    };
  }
}

/**
 * The address that a request came from, or null. Where the operator named a header of the proxy in
 * front, it is the header's last entry, which that proxy added; requests without the header share
 * one address, so that going around the proxy does not evade the limits. Otherwise it is
 * Cloudflare's own header, on Cloudflare only: elsewhere a client could send that header itself.
 */
export function clientAddress(
  request: { readonly headers: Pick<Headers, "get">; readonly cf?: unknown },
  header: string | null,
): string | null {
  if (header !== null) {
    const last = request.headers.get(header)?.split(",").at(-1)?.trim();
    return last?.slice(0, MAX_ADDRESS) || NO_ADDRESS;
  }
  // Read once: it is the same for all requests of an isolate, and reading it takes 3 % of the time
  // of a request that is answered from memory.
  onCloudflare ??= (request.cf as { readonly colo?: unknown } | undefined)?.colo !== undefined;
  return onCloudflare ? request.headers.get("CF-Connecting-IP") : null;
}

let onCloudflare: boolean | undefined;

/** Longest address, characters: an IPv6 address with a zone. One is kept for every client. */
const MAX_ADDRESS = 64;
const NO_ADDRESS = "none";

/**
 * The key under which a client is counted: its account, else its address. Null when neither is
 * known, as on a self-hosted Firn without a proxy in front: clients cannot be told apart there, and
 * nothing is limited.
 */
export function clientKey(account: string | null, address: string | null): string | null {
  if (account !== null) return `account ${account}`;
  if (address === null || address === "") return null;
  // An IPv4 address as some proxies and dual-stack sockets write it: 192.0.2.1:4711,
  // ::ffff:192.0.2.1.
  const ipv4 = IPV4.exec(address)?.[1];
  if (ipv4 !== undefined) return `address ${ipv4}`;
  return `address ${address.includes(":") ? network64(address) : address}`;
}

const IPV4 = /^(?:(?:::|(?:0+:){5})ffff:)?(\d{1,3}(?:\.\d{1,3}){3})(?::\d{1,5})?$/i;

/** The first 64 bits of an IPv6 address, as four groups: `2001:db8:0:0`. */
function network64(address: string): string {
  const [head = "", tail] = address.toLowerCase().split("::");
  const groups = head === "" ? [] : head.split(":");
  const rest = tail === undefined || tail === "" ? [] : tail.split(":");
  // An IPv4 address at the end takes the place of two groups.
  const width = rest.length + (rest.at(-1)?.includes(".") === true ? 1 : 0);
  const zeros = tail === undefined ? 0 : Math.max(0, 8 - groups.length - width);
  const all = [...groups, ...Array.from({ length: zeros }, () => "0"), ...rest];
  return all
    .slice(0, 4)
    .map((group) => group.replace(/^0+(?=.)/, ""))
    .join(":");
}
