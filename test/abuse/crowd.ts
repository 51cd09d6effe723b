/**
 * An edge that a crowd asks: known packages, a package set of 25,000 names, no origin; and the
 * crowd: honest clients, people who ask for new images or mistype, and those who hang up, ask for
 * nonsense, and flood.
 */
import {
  putIndex,
  putKnown,
  send,
  startTestEdge,
  type TestEdge,
} from "../edge/registry/support.ts";
import type { Group } from "./traffic.ts";

export const ADDRESS_HEADER = "X-Client";
const PACKAGES = Array.from({ length: 20 }, (_, n) => `pkg${n}`);
/** As many as nixpkgs has at its top. */
const NAMES = 25_000;
const SYLLABLES = [
  ["lib", "py", "go", "rust", "k", "gtk", "git", "curl", "net", "vim", "sql", "x", "open"],
  ["web", "mail", "font", "box", "jump", "zip", "quick", "hash", "desk", "view", "math"],
  ["d", "fs", "ctl", "-tools", "top", "box", "kit", "-utils", "2json", "", "ng", "sharp"],
] as const;

/** Names that look like those of a package set, the same every time. */
function names(): string[] {
  const made = new Set(["cacert", "iana-etc", ...PACKAGES]);
  for (let n = 0; made.size < NAMES; n += 1) {
    const parts = SYLLABLES.map((some, at) => some[(n >> (2 * at)) % some.length]);
    made.add(`${parts.join("")}${n >> 8}`);
  }
  return [...made].sort();
}

export async function startCrowdedEdge(
  env: Readonly<Record<string, string>> = {},
): Promise<TestEdge> {
  const firn = await startTestEdge({
    CLIENT_ADDRESS_HEADER: ADDRESS_HEADER,
    BUILD_WAIT: "5",
    TAG_FRESH: "3600",
    ...env,
  });
  const { bucket } = firn;
  await putKnown(bucket, PACKAGES);
  await putIndex(bucket, names());
  return firn;
}

/** Known images by tag and by digest, and a blob. */
async function knownPaths({ url }: TestEdge): Promise<string[]> {
  const paths: string[] = [];
  for (const name of PACKAGES.slice(0, 5)) {
    const tag = `/v2/${name}/manifests/latest`;
    const { headers, body } = await send("GET", url + tag, { [ADDRESS_HEADER]: "192.0.2.250" });
    const [layer] = (JSON.parse(String(body)) as { layers: { digest: string }[] }).layers;
    const digest = String(headers["docker-content-digest"]);
    paths.push(tag, `/v2/${name}/manifests/${digest}`, tag, `/v2/${name}/blobs/${layer?.digest}`);
  }
  return paths;
}

const nonsense = (name: string): string => `/v2/${name}{n}/manifests/latest`;

/**
 * 64 connections. Everybody stays within what one client may do, but for the flood, which comes
 * from one address.
 */
export async function crowd(firn: TestEdge): Promise<Record<"hits" | "others", readonly Group[]>> {
  const known = await knownPaths(firn);
  const manifests = known.filter((path) => path.includes("/manifests/"));
  return {
    // What memory answers is not counted, so these never meet a limit.
    hits: [{ name: "hits", connections: 36, paths: manifests, expected: [200] }],
    others: [
      { name: "blobs", connections: 4, paths: known, expected: [200], pause: 200 },
      {
        name: "misses",
        connections: 4,
        paths: ["/v2/{pick}/manifests/latest"],
        picks: PACKAGES,
        expected: [200],
        pause: 1_000,
      },
      {
        name: "nonsense",
        connections: 8,
        paths: [nonsense("nonsense"), nonsense("curlwebz"), nonsense("a/b/c/libwebz")],
        expected: [404, 429],
      },
      {
        name: "aborts",
        connections: 4,
        paths: [...known, nonsense("gone")],
        expected: [],
        aborts: true,
        pause: 100,
      },
      {
        name: "flood",
        connections: 8,
        address: "198.51.100.1",
        paths: ["/v2/pkg1/tags/list", nonsense("x"), "/token", ...known.slice(3, 4)],
        expected: [200, 404, 429],
      },
    ],
  };
}
