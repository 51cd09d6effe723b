/**
 * How long real clients take to pull, from a registry that has everything ready:
 *
 *   pull.docker.first   an empty client's first pull: mean over FIRST
 *   pull.docker.limit   the same files in two layers each, from Debian's docker-registry
 *   pull.docker.row     the images of ROW one after another, by one client: the sum
 *
 * and pull.ctr.* with containerd. Every first pull and every row begins with a new daemon, whose
 * start is not measured. Registries take turns, and change places from run to run.
 */
import { type ClientKind, containerd, docker } from "../../harness/clients/index.ts";
import { pullImage } from "../../harness/registry-client.ts";
import { pullsWork } from "../../../origin/local/ready.ts";
import type { Figure, Report } from "../figures.ts";
import { seconds, withFirn } from "../firn.ts";
import type { BenchOptions, Part } from "../part.ts";
import { within } from "../signals.ts";
import { startOtherFirn } from "./against.ts";
import { startDelay } from "./delay.ts";
import { DISTRIBUTION, startDistribution } from "./distribution.ts";
import { twoLayers } from "./two-layers.ts";

const FIRST = ["shell", "shell/git/curl", "shell/git/curl/python3"];
const ROW = ["shell", "git", "curl", "shell/git", "shell/curl", ...FIRST.slice(1)];
const CLIENTS: readonly (readonly [string, ClientKind])[] = [
  ["docker", docker],
  ["ctr", containerd],
];
const RUNS = 3;
/** Longest time for one pull, and for making a registry ready, seconds. */
const PULL_LIMIT = 120;
const READY_LIMIT = 300;

/** What clients pull from. */
interface Registry {
  /** Last component of its figures' names; empty for this tree's. */
  readonly name: string;
  readonly url: string;
}
type Options = Pick<BenchOptions, "runs" | "wanted">;

export const pull: Part = {
  groups: ["pull"],
  needs: [DISTRIBUTION, ...docker.needs, ...containerd.needs],
  root: true,
  async run(options, report) {
    const { rtt, mbit } = options;
    // Docker and containerd inflate by unpigz where that is installed; here they never do.
    process.env["MOBY_DISABLE_PIGZ"] = process.env["CONTAINERD_DISABLE_PIGZ"] = "true";
    await withFirn({ edgeEnv: { TAG_FRESH: "3600" } }, async ({ url }) => {
      await using started = new AsyncDisposableStack();
      const others = [...options.registries].map(([name, url]) => ({ name, url }));
      if (options.against !== undefined) {
        const other = await startOtherFirn(options.against);
        started.defer(other.stop);
        others.push({ name: "against", url: other.url });
      }
      const firns = [{ name: "", url }, ...others];
      for (const registry of firns) await makeReady(registry, options.signal);
      const distribution = await startDistribution();
      started.defer(distribution.stop);
      for (const name of FIRST)
        await distribution.push(name, await twoLayers(await pullImage(url, name)));

      const delayed = async (registry: Registry): Promise<Registry> => {
        if (rtt === 0 && mbit === undefined) return registry;
        const network = { rtt, ...(mbit === undefined ? {} : { mbit }) };
        const delay = await startDelay(Number(new URL(registry.url).port), network);
        started.defer(delay.stop);
        return { ...registry, url: `http://127.0.0.1:${delay.port}` };
      };
      const limit = await delayed({ name: "limit", url: distribution.url });
      const here = await Promise.all(firns.map(delayed));
      for (const [name, client] of CLIENTS) {
        await measureFirst(`pull.${name}`, client, [...here, limit], options, report);
        await measureRow(`pull.${name}`, client, here, options, report);
      }
    });
  },
};

/** All images of a registry built, composed, and read once. */
async function makeReady({ name, url }: Registry, signal: AbortSignal): Promise<void> {
  const controller = new AbortController();
  const work = async (): Promise<void> => {
    await pullsWork({
      url,
      signal: AbortSignal.any([signal, controller.signal]),
      onTrouble: () => {},
    });
    for (const image of ROW) await pullImage(url, image);
  };
  try {
    await within(READY_LIMIT, `making ${name || "this tree's registry"} ready`, work());
  } finally {
    controller.abort();
  }
}

async function measureFirst(
  prefix: string,
  client: ClientKind,
  registries: readonly Registry[],
  { runs = RUNS, wanted }: Options,
  report: Report,
): Promise<void> {
  const first = `${prefix}.first`;
  if (!wanted(first) && !wanted(`${prefix}.limit`)) return;
  const nameOf = (name: string): string =>
    name === "limit" ? `${prefix}.limit` : [first, name].filter(Boolean).join(".");
  const times = new Map(registries.map(({ name }) => [nameOf(name), [] as number[]]));
  for (let run = 0; run < runs; run++) {
    const sums = new Map<string, number>();
    for (const image of FIRST)
      for (const { name, url } of turned(registries, run))
        sums.set(name, (sums.get(name) ?? 0) + (await timePulls(client, url, [image])));
    for (const [name, sum] of sums) times.get(nameOf(name))?.push(sum / FIRST.length);
  }
  reportAll(times, `${prefix}.limit`, report);
}

async function measureRow(
  prefix: string,
  client: ClientKind,
  registries: readonly Registry[],
  { runs = RUNS, wanted }: Options,
  report: Report,
): Promise<void> {
  const row = `${prefix}.row`;
  if (!wanted(row)) return;
  const nameOf = (name: string): string => [row, name].filter(Boolean).join(".");
  const times = new Map(registries.map(({ name }) => [nameOf(name), [] as number[]]));
  for (let run = 0; run < runs; run++)
    for (const { name, url } of turned(registries, run))
      times.get(nameOf(name))?.push(await timePulls(client, url, ROW));
  const other = registries.find(({ name }) => name !== "");
  reportAll(times, other === undefined ? undefined : nameOf(other.name), report);
}

/** The registries, beginning with another one in each run. */
const turned = (registries: readonly Registry[], run: number): Registry[] => {
  const start = run % registries.length;
  return [...registries.slice(start), ...registries.slice(0, start)];
};

/** Seconds that a new, empty client takes for the images, one after another. */
async function timePulls(
  kind: ClientKind,
  url: string,
  images: readonly string[],
): Promise<number> {
  const client = await kind.open();
  try {
    return await seconds(async () => {
      for (const image of images)
        await within(
          PULL_LIMIT,
          `${kind.name}'s pull of ${image}`,
          client.pull(`${new URL(url).host}/${image}`),
        );
    });
  } finally {
    await client.close();
  }
}

function reportAll(
  times: ReadonlyMap<string, readonly number[]>,
  yardstickName: string | undefined,
  report: Report,
): void {
  const yardstick: Figure["yardstick"] =
    yardstickName === undefined
      ? undefined
      : { name: yardstickName, values: times.get(yardstickName) ?? [] };
  for (const [name, values] of times)
    report({
      name,
      unit: "s",
      values,
      ...(yardstick === undefined || name === yardstick.name ? {} : { yardstick }),
    });
}
