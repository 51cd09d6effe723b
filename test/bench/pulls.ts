/**
 * cold.*, compose, hot.*, limit.constant: what a client of a whole Firn on this machine waits for.
 */
import { type Firn, startFirn } from "../harness/firn.ts";
import { pullImage, pullManifest } from "../harness/registry-client.ts";
import { load } from "./load.ts";
import { median, type Report, wanted } from "./report.ts";

const SHELL = "shell";
const NEXT = "shell/git/curl/python3";
/** Packages whose combinations are composed: common ones, small and large. */
const KNOWN = ["git", "curl", "python3", "jq", "htop", "tmux", "vim", "ripgrep", "nano", "hello"];
const COMPOSITIONS = 50;
const CONNECTIONS = 16;
/** The three loads take turns, so that whatever else the machine does hits them alike. */
const ROUNDS = 5;
const ROUND_SECONDS = 2;
/** About as long as a manifest. */
const CONSTANT =
  'const body = "x".repeat(5000); export default { fetch: () => new Response(body) };';
const ACCEPT = "application/vnd.oci.image.manifest.v1+json";

export const PULL_BENCHES = [
  "cold.shell",
  "cold.next",
  "compose",
  "hot.tag",
  "hot.digest",
  "limit.constant",
] as const;

export async function pullsBench(names: readonly string[], report: Report): Promise<void> {
  if (!PULL_BENCHES.some((name) => wanted(names, name))) return;
  // Nix builds before anything is measured: what is compared is packing, moving and answering.
  await withFirn({}, async (firn) => {
    await pullImage(firn.url, NEXT);
  });
  await withFirn({ beside: { constant: CONSTANT } }, async (firn) => {
    const shell = await seconds(() => pullImage(firn.url, SHELL));
    const next = await seconds(() => pullImage(firn.url, NEXT));
    if (wanted(names, "cold.shell")) report({ name: "cold.shell", value: shell, unit: "s" });
    if (wanted(names, "cold.next")) report({ name: "cold.next", value: next, unit: "s" });
    if (wanted(names, "compose"))
      report({ name: "compose", value: (await compose(firn)) * 1000, unit: "ms" });
    if (["hot.tag", "hot.digest", "limit.constant"].some((name) => wanted(names, name)))
      await hot(firn, names, report);
  });
}

/**
 * Seconds for the manifest of a combination that nobody asked for yet, of packages that Firn knows:
 * the median.
 */
async function compose(firn: Firn): Promise<number> {
  await Promise.all(KNOWN.map((name) => pullManifest(firn.url, name)));
  const times: number[] = [];
  for (const combination of combinations(KNOWN, COMPOSITIONS))
    times.push(await seconds(() => pullManifest(firn.url, `${SHELL}/${combination.join("/")}`)));
  return median(times);
}

/** The first `count` subsets of 2 to 5, by counting in binary: always the same ones. */
function combinations(names: readonly string[], count: number): string[][] {
  const found: string[][] = [];
  for (let bits = 1; found.length < count && bits < 2 ** names.length; bits++) {
    const subset = names.filter((_, index) => (bits >> index) % 2 === 1);
    if (subset.length >= 2 && subset.length <= 5) found.push(subset);
  }
  return found;
}

/**
 * Requests per second for a known manifest, by tag and by digest, and for a constant answer by the
 * same workerd.
 */
async function hot(firn: Firn, names: readonly string[], report: Report): Promise<void> {
  const { digest } = await pullManifest(firn.url, SHELL);
  const urls = {
    "hot.tag": `${firn.url}/v2/${SHELL}/manifests/latest`,
    "hot.digest": `${firn.url}/v2/${SHELL}/manifests/${digest}`,
    "limit.constant": `${firn.edge.beside["constant"]}/`,
  };
  const rates = new Map<string, number[]>();
  for (let round = 0; round <= ROUNDS; round++) {
    for (const [name, url] of Object.entries(urls)) {
      const rate = await load({
        url,
        connections: CONNECTIONS,
        seconds: ROUND_SECONDS,
        headers: { accept: ACCEPT },
      });
      // The first round warms everything up.
      if (round > 0) rates.set(name, [...(rates.get(name) ?? []), rate]);
    }
  }
  for (const [name, values] of rates)
    if (wanted(names, name)) report({ name, value: median(values), unit: "req/s" });
}

async function withFirn(
  options: Parameters<typeof startFirn>[0],
  use: (firn: Firn) => Promise<void>,
): Promise<void> {
  const firn = await startFirn(options);
  try {
    await use(firn);
  } catch (error) {
    process.stderr.write(`${firn.log()}\n`);
    throw error;
  } finally {
    await firn.stop();
  }
}

async function seconds(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await work();
  return (performance.now() - start) / 1000;
}
