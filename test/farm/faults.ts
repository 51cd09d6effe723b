/**
 * What can go wrong with a farm. Each fault happens while clients pull packages that nobody has
 * built; when it is over, the test heals the world and looks at what is left.
 *
 * A fault that waits for a stage of a job ("the build has begun") is armed before the first pull,
 * and fails by name when the stage is never reached.
 */
import { mkdir } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { execa } from "execa";
import { until } from "../harness/until.ts";
import type { Random } from "./random.ts";
import { typeOf, type Direction, type Interceptor } from "./wire.ts";
import type { ChaosOrigin, World } from "./world.ts";

export interface Fault {
  readonly name: string;
  /** Whether clients may be cut off: the edge itself goes away. */
  readonly cutsClients?: boolean;
  /** Whether known images may be refused meanwhile: the bucket itself is in trouble. */
  readonly hidesBucket?: boolean;
  /** Takes half a minute: left out unless all are asked for. */
  readonly long?: boolean;
  /** Makes the fault, and resolves when it is over. `slow`: a package whose build takes a while. */
  run(world: World, context: FaultContext): Promise<void>;
}

export interface FaultContext {
  readonly slow: string;
  readonly random: Random;
}

/** Resolves with the origin that sends or is sent the first message of this type. */
function firstMessage(
  { origins }: World,
  type: string,
  direction: Direction,
  instead: (origin: ChaosOrigin, text: string) => readonly string[],
): Promise<ChaosOrigin> {
  const { promise, resolve } = Promise.withResolvers<ChaosOrigin>();
  let found = false;
  for (const origin of origins)
    origin.wire.intercept = (text, towards) => {
      if (found || towards !== direction || typeOf(text) !== type) return [text];
      found = true;
      resolve(origin);
      return instead(origin, text);
    };
  return untilOver(`a message of type ${type} ${direction}`, promise);
}

const untilOver = async <T>(what: string, promise: Promise<T>): Promise<T> => {
  let over: { value: T } | undefined;
  void promise.then((value) => (over = { value }));
  return (await until(what, () => over)).value;
};

/** Every message of the channel goes through this, at both origins. */
const onBoth = ({ origins }: World, intercept: Interceptor): void => {
  for (const { wire } of origins) wire.intercept = intercept;
};

const nothing = (): readonly string[] => [];
const allOf = <T>(origins: readonly ChaosOrigin[], work: (origin: ChaosOrigin) => Promise<T>) =>
  Promise.all(origins.map(work));
const anyOf = ({ origins }: World, random: Random): ChaosOrigin =>
  random() < 0.5 ? origins[0] : origins[1];
const buildBegun = (world: World, slow: string): Promise<unknown> =>
  until(`a build of ${slow}`, async () =>
    (await world.set.builds()).some((build) => build.includes(slow)),
  );
/** The origin whose log says that it has a job with the package. */
const holderOf = ({ origins }: World, name: string): ChaosOrigin | undefined =>
  origins.find((origin) => origin.said(name) > 0);
const uploads = (method: string | undefined, url = ""): boolean =>
  method === "PUT" && url.includes("/blobs/");

/** Kills the origin at a message, and loses the message. */
const killAt = (type: string, direction: Direction) => async (world: World) => {
  const origin = await firstMessage(world, type, direction, nothing);
  await origin.kill();
};

/** The bucket fails in some way for a while. */
const bucketFor =
  (ms: number, trouble: World["proxy"]["trouble"]) =>
  async ({ proxy }: World): Promise<void> => {
    proxy.trouble = trouble;
    await sleep(ms);
    proxy.trouble = () => "pass";
  };

/** What an origin says is changed on its way, once. */
const liesOnce =
  (change: (text: string) => string) =>
  async (world: World): Promise<void> => {
    await firstMessage(world, "done", "to-edge", (_, text) => [change(text)]);
  };

const MINUTES = 60_000;
/** Node's clock, moved: for NODE_OPTIONS. */
const clockOff = (ms: number): string => {
  const module = `const R = Date;
globalThis.Date = class extends R {
  constructor(...a) { a.length ? super(...a) : super(R.now() + ${ms}) }
  static now() { return R.now() + ${ms} }
}`;
  return `--import=data:text/javascript,${encodeURIComponent(module)}`;
};

export const FAULTS: readonly Fault[] = [
  { name: "an origin is killed before it accepts a job", run: killAt("job", "to-origin") },
  {
    name: "an origin is killed while nix-build runs",
    async run(world, { slow }) {
      await buildBegun(world, slow);
      await (holderOf(world, slow) ?? world.origins[0]).kill();
    },
  },
  {
    name: "an origin is killed in the middle of an upload",
    async run(world) {
      const { origins, proxy } = world;
      let seen = false;
      proxy.trouble = ({ method, url }) => {
        if (seen || !uploads(method, url)) return "pass";
        seen = true;
        return "silence";
      };
      await until("an upload begun", () => seen);
      const busy = origins.find((origin) => origin.said("job begun") > origin.said("job done"));
      await (busy ?? origins[0]).kill();
    },
  },
  {
    name: "an origin is killed when all is uploaded and nothing said",
    run: killAt("done", "to-edge"),
  },
  {
    name: "an origin is killed before it hears that its results are stored",
    run: killAt("settled", "to-origin"),
  },
  {
    name: "an origin is told to stop while it builds",
    async run(world, { slow }) {
      await buildBegun(world, slow);
      await (holderOf(world, slow) ?? world.origins[0]).stop();
    },
  },
  {
    name: "both origins are restarted, one after the other",
    async run({ origins }, { random }) {
      for (const origin of origins) {
        await sleep(random() * 1_000);
        await origin.stop();
        await origin.start();
        await origin.connected();
      }
    },
  },
  {
    name: "both origins are killed at once, and come back",
    async run(world, { slow }) {
      await buildBegun(world, slow);
      await allOf(world.origins, (origin) => origin.kill());
      await sleep(1_000);
      await allOf(world.origins, (origin) => origin.start());
    },
  },
  {
    name: "an origin's connection is cut while it builds",
    async run(world, { slow }) {
      await buildBegun(world, slow);
      (holderOf(world, slow) ?? world.origins[0]).wire.cut();
    },
  },
  {
    name: "an origin's connection is cut when it says that it is done",
    async run(world) {
      const origin = await firstMessage(world, "done", "to-edge", nothing);
      origin.wire.cut();
    },
  },
  {
    name: "connections are cut again and again",
    async run({ origins }, { random }) {
      for (let time = 0; time < 8; time++) {
        await sleep(100 + random() * 400);
        origins.forEach(({ wire }) => wire.cut());
      }
    },
  },
  {
    name: "an origin cannot reach the edge for a while",
    async run(world, { random }) {
      const { wire } = anyOf(world, random);
      wire.refusing = true;
      wire.cut();
      await sleep(2_000);
      wire.refusing = false;
    },
  },
  {
    name: "a connection that loses everything and does not say so",
    long: true,
    async run(world, { slow }) {
      await buildBegun(world, slow);
      const origin = holderOf(world, slow) ?? world.origins[0];
      origin.wire.intercept = nothing;
      await until("the silence noticed", () => origin.said("lost the connection") > 0);
      origin.wire.intercept = undefined;
    },
  },
  {
    name: "a connection that loses all that the edge says",
    long: true,
    async run(world, { slow }) {
      await buildBegun(world, slow);
      const origin = holderOf(world, slow) ?? world.origins[0];
      const before = origin.said("lost the connection");
      origin.wire.intercept = (text, direction) => (direction === "to-edge" ? [text] : []);
      await until("the silence noticed", () => origin.said("lost the connection") > before);
      origin.wire.intercept = undefined;
    },
  },
  {
    name: "a slow connection: each message takes half a second",
    async run(world) {
      onBoth(world, async (text) => {
        await sleep(500);
        return [text];
      });
      await sleep(6_000);
    },
  },
  {
    name: "every message arrives twice",
    async run(world) {
      onBoth(world, (text) => (typeOf(text) === "hello" ? [text] : [text, text]));
      await sleep(4_000);
    },
  },
  {
    name: "messages overtake each other",
    async run(world) {
      const held = new Map<Direction, string>();
      onBoth(world, (text, direction) => {
        const type = typeOf(text);
        if (type === "accepted" || type === "log") {
          held.set(direction, text);
          return [];
        }
        const late = held.get(direction);
        held.delete(direction);
        return late === undefined ? [text] : [text, late];
      });
      await sleep(4_000);
    },
  },
  {
    name: "an acceptance is lost",
    run: async (world) => void (await firstMessage(world, "accepted", "to-edge", nothing)),
  },
  {
    name: "a confirmation is lost",
    run: async (world) => void (await firstMessage(world, "settled", "to-origin", nothing)),
  },
  {
    name: "the Worker is restarted while an origin builds",
    cutsClients: true,
    async run(world, { slow }) {
      await buildBegun(world, slow);
      await world.restartEdge();
    },
  },
  {
    name: "the Farm object hibernates while an origin builds",
    async run(world, { slow }) {
      await buildBegun(world, slow);
      await world.evictFarms("hibernate");
    },
  },
  {
    name: "the Farm object is moved while an origin builds",
    async run(world, { slow }) {
      await buildBegun(world, slow);
      await world.evictFarms("close");
    },
  },
  {
    name: "the bucket answers every write with 500",
    hidesBucket: true,
    run: bucketFor(3_000, ({ method }) => (method === "PUT" ? { status: 500 } : "pass")),
  },
  {
    name: "the bucket answers everything with 503",
    hidesBucket: true,
    run: bucketFor(3_000, () => ({ status: 503 })),
  },
  { name: "the bucket is slow", run: bucketFor(8_000, () => ({ delay: 700 })) },
  {
    name: "the bucket takes requests and never answers",
    hidesBucket: true,
    long: true,
    run: bucketFor(12_000, () => "silence"),
  },
  {
    name: "the bucket hangs up in the middle of every second upload",
    async run({ proxy }) {
      let count = 0;
      proxy.trouble = ({ method, url }) =>
        uploads(method, url) && count++ % 2 === 0 ? "hang-up" : "pass";
      await sleep(4_000);
    },
  },
  {
    name: "an origin's disk is full",
    async run({ origins: [origin] }) {
      await origin.stop();
      const full = `${origin.stateDir}/layers`;
      await mkdir(full, { recursive: true });
      await execa("mount", ["-t", "tmpfs", "-o", "size=4k", "firn-full", full]);
      await origin.start();
      await origin.connected();
      await sleep(3_000);
      await origin.stop();
      await execa("umount", ["--lazy", full]);
    },
  },
  {
    name: "an origin's clock is five minutes late",
    async run({ origins: [origin] }) {
      await origin.stop();
      await origin.start({ NODE_OPTIONS: clockOff(-5 * MINUTES) });
      await origin.connected();
      await sleep(2_000);
      await origin.stop();
    },
  },
  {
    name: "an origin's clock is five minutes early",
    async run({ origins: [origin] }) {
      await origin.stop();
      await origin.start({ NODE_OPTIONS: clockOff(5 * MINUTES) });
      await origin.connected();
      await sleep(2_000);
      await origin.stop();
    },
  },
  {
    name: "an origin lies: its record names a blob that is not there",
    run: liesOnce((text) => text.replace(/sha256:[0-9a-f]{8}/g, "sha256:00000000")),
  },
  {
    name: "an origin lies: its record gives another size",
    run: liesOnce((text) =>
      text.replace(/"size":(\d+)/, (_, size) => `"size":${Number(size) + 1}`),
    ),
  },
  {
    name: "results are lost on a connection that lives on",
    long: true,
    run: async (world) => void (await firstMessage(world, "done", "to-edge", nothing)),
  },
  {
    name: "an origin answers for another job",
    long: true,
    run: liesOnce((text) => text.replace(/"job":"[^"]*"/, '"job":"of nobody"')),
  },
  {
    name: "an origin says what is no message",
    async run(world, { random }) {
      const garbage = ["{", "[]", '{"type":"done"}', '{"type":"nonsense"}', "\u0000"];
      const { wire } = anyOf(world, random);
      wire.intercept = (text, direction) =>
        direction === "to-origin" || typeOf(text) === "hello"
          ? [text]
          : [garbage[Math.floor(random() * garbage.length)] ?? "{", text];
      await sleep(3_000);
    },
  },
  {
    name: "an origin sends a message that is too long",
    async run(world) {
      await firstMessage(world, "done", "to-edge", (_, text) => [
        JSON.stringify({ type: "log", job: "x", first: 0, lines: ["x".repeat(20 * 2 ** 20)] }),
        text,
      ]);
    },
  },
  {
    name: "an origin floods the edge with messages",
    async run(world) {
      await firstMessage(world, "accepted", "to-edge", (_, text) => {
        const { job } = JSON.parse(text) as { job: string };
        const line = JSON.stringify({ type: "log", job, first: 0, lines: ["x".repeat(1_000)] });
        return [text, ...Array.from({ length: 3_000 }, () => line)];
      });
    },
  },
];
