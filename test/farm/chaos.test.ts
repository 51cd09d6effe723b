/**
 * Everything that can go wrong with a farm, at every stage of a job, while clients pull. After each
 * fault: whoever pulled got the right image or a clear answer and gets the image then; equal names
 * have equal digests; what records name is there; the farm takes new work; and images that were
 * known all the while were served.
 *
 *   npm test -- test/farm                       a few faults, chosen and timed by seeds 1 and 2
 *   CHAOS=all npm test -- test/farm             all of them; takes ten minutes
 *   CHAOS=all CHAOS_SEEDS=20 npm test -- test/farm
 *   CHAOS="killed" CHAOS_SEED=7 …               those with this text in their names
 *
 * With an even seed each origin is in a region of its own: a region that loses its origin hands its
 * builds to the other.
 */
import assert from "node:assert/strict";
import { after, afterEach, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { firnUnavailable } from "../harness/firn.ts";
import { pullImage, RegistryAnswer } from "../harness/registry-client.ts";
import { until } from "../harness/until.ts";
import { assertWhole } from "../harness/whole-bucket.ts";
import { FAULTS, type Fault } from "./faults.ts";
import { type Random, seeded, shuffled } from "./random.ts";
import { startWorld, type World } from "./world.ts";

const { CHAOS = "some", CHAOS_SEED = "1", CHAOS_SEEDS = "2" } = process.env;
const FIRST_SEED = Number(CHAOS_SEED);
/** Faults of a seed in a run that is not told which: some ten seconds' worth. */
const SOME = 2;
const KNOWN = "known";
const skip = await firnUnavailable();

/** The faults of one seed, in its order. */
function chosen(random: Random): Fault[] {
  const faults = shuffled(FAULTS, random);
  if (CHAOS === "all") return faults;
  if (CHAOS === "some") return faults.filter(({ long }) => long !== true).slice(0, SOME);
  return faults.filter(({ name }) => name.includes(CHAOS));
}

interface Packages {
  readonly a: string;
  readonly b: string;
  readonly slow: string;
  /** Pulled when the fault is over. */
  readonly later: string;
}
const packagesOf = (number: number): Packages => ({
  a: `a${number}`,
  b: `b${number}`,
  slow: `slow${number}`,
  later: `later${number}`,
});

const attributesOf = (count: number): string =>
  Array.from({ length: count }, (_, number) => packagesOf(number))
    .flatMap(({ a, b, slow, later }) => [
      `${a} = program "${a}";`,
      `${b} = mk "${b}" "mkdir -p $out/bin; seq 1 60000 > $out/bin/${b}";`,
      `${slow} = mk "${slow}" "sleep 2; mkdir -p $out/bin; echo ${slow} > $out/bin/${slow}";`,
      `${later} = program "${later}";`,
    ])
    .join("\n");

for (let seed = FIRST_SEED; seed < FIRST_SEED + Number(CHAOS_SEEDS); seed++) {
  const random = seeded(seed);
  const faults = chosen(random);
  const regions = seed % 2 === 0;

  describe(
    `chaos with CHAOS_SEED=${seed}, ${regions ? "two regions" : "one farm"}`,
    { skip, timeout: 60 * 60_000 },
    () => {
      let world: World;
      let knownDigest: string;
      before(async () => {
        const attributes = `${KNOWN} = program "${KNOWN}";\n${attributesOf(faults.length)}`;
        world = await startWorld({ attributes, regions });
        knownDigest = (await pullImage(world.url, KNOWN)).digest;
      });
      after(() => world?.stop());
      afterEach((context) => {
        if ("passed" in context && !context.passed) process.stderr.write(`${world.log()}\n`);
      });

      for (const [number, fault] of faults.entries())
        test(fault.name, async () => {
          const packages = packagesOf(number);
          const { a, b, slow, later } = packages;
          const names = [a, slow, `${a}/${b}`, `${b}/${slow}`, `${a}/${slow}`, a];
          const digests = new Map<string, Set<string>>();

          const stop = new AbortController();
          const known = Promise.allSettled([pullKnown(world, fault, knownDigest, stop.signal)]);
          const fault_ = fault.run(world, { slow, random });
          const pulls = names.map(async (name) => {
            await sleep(random() * 800);
            const digest = await firstPull(world, name, fault);
            if (digest !== undefined) add(digests, name, digest);
          });
          // Whatever fails, the next fault begins in a world that works, and on its own.
          const ends = await Promise.allSettled([fault_, ...pulls]);
          const healed = await Promise.allSettled([world.heal()]);
          stop.abort();
          for (const end of [...ends, ...healed, ...(await known)])
            if (end.status === "rejected") throw end.reason;

          for (const name of new Set([...names, later]))
            add(digests, name, await endPull(world, name));
          for (const [name, found] of digests) {
            const [digest = "", ...others] = found;
            assert.deepEqual(others, [], `equal requests have equal digests: ${name}`);
            await pullImage(world.url, name, digest);
          }
          await assertWhole(world.bucket);
        });
    },
  );
}

function add(digests: Map<string, Set<string>>, name: string, digest: string): void {
  digests.set(name, (digests.get(name) ?? new Set()).add(digest));
}

/** The image's digest; undefined when it was refused in the way that the fault allows. */
async function firstPull(world: World, name: string, fault: Fault): Promise<string | undefined> {
  try {
    return (await pullImage(world.url, name)).digest;
  } catch (error) {
    if (error instanceof RegistryAnswer) assertClear(world, error, name);
    else assert.ok(fault.cutsClients === true, `${name}: ${String(error)}`);
    return undefined;
  }
}

/** Comes again when it is told to, until it has the image. */
const endPull = (world: World, name: string): Promise<string> =>
  until(`${name} pulled after the fault`, async () => {
    try {
      return (await pullImage(world.url, name)).digest;
    } catch (error) {
      if (!(error instanceof RegistryAnswer)) throw error;
      assertClear(world, error, name);
      await sleep(Math.min(2_000, 1_000 * Number(error.headers.get("retry-after"))));
      return undefined;
    }
  });

/** An answer that says what is the matter and when to come again, and names nobody's origins. */
function assertClear(world: World, error: RegistryAnswer, name: string): void {
  assert.ok([503, 504].includes(error.status), `${name}: ${error.status} ${error.message}`);
  assert.ok(Number(error.headers.get("retry-after")) > 0, `${name}: Retry-After is in seconds`);
  const said = JSON.stringify([error.message, error.detail]).replaceAll(world.url, "");
  assert.doesNotMatch(said, /origin-[12]|127\.0\.0\.1/);
}

/** A known image, pulled all the while. */
async function pullKnown(
  world: World,
  fault: Fault,
  digest: string,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    try {
      assert.equal((await pullImage(world.url, KNOWN)).digest, digest);
    } catch (error) {
      const allowed =
        error instanceof RegistryAnswer ? fault.hidesBucket === true : fault.cutsClients === true;
      if (!allowed) throw new Error("a known image was not served", { cause: error });
    }
    await sleep(100);
  }
}
