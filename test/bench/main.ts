/** `npm run bench`: measures Firn on this machine. README.md tells what the figures mean. */
import { parseArgs } from "node:util";
import { ORIGIN_NEEDS, STARTER_NEEDS } from "../../origin/local/needs.ts";
import { unavailable } from "../harness/available.ts";
import { toJson, toText } from "./figures.ts";
import type { BenchOptions } from "./part.ts";
import { PARTS } from "./parts.ts";
import { endingSignal } from "./signals.ts";

const USAGE = `usage: npm run bench -- [NAME…] [options]

NAME             a figure, or what its name begins with: hot, pull.docker, cold.shell; all when left out
                 (${PARTS.flatMap(({ groups }) => groups).join(", ")})
--json           one JSON object a line
--runs N         runs of each measurement, instead of each part's own number
--rtt MS         round-trip time between the clients of pull and the registries, 0 when left out
--mbit N         megabits per second from the registries to these clients, unlimited when left out
--seed N         draws the trace of layers and the combinations of compose, 1 when left out
--origins N      farm: connected origins, 1000 when left out
--items N        farm: items in its long queue, 10000 when left out; a multiple of 200
--against REV    pull: measures this repository's commit REV beside this tree
--registry NAME=URL
                 pull: measures a running registry beside this tree; may be given several times
`;

function usage(problem?: string): never {
  process.stderr.write(problem === undefined ? USAGE : `${problem}\n\n${USAGE}`);
  process.exit(problem === undefined ? 0 : 2);
}

function readArguments() {
  try {
    return parseArgs({
      allowPositionals: true,
      options: {
        json: { type: "boolean", default: false },
        runs: { type: "string" },
        rtt: { type: "string", default: "0" },
        mbit: { type: "string" },
        seed: { type: "string", default: "1" },
        origins: { type: "string" },
        items: { type: "string" },
        against: { type: "string" },
        registry: { type: "string", multiple: true, default: [] },
        help: { type: "boolean", default: false },
      },
    });
  } catch (error) {
    return usage((error as Error).message);
  }
}

function whole(option: string, text: string, min: number): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || value < min)
    usage(`--${option} is ${JSON.stringify(text)}: give a whole number from ${min}`);
  return value;
}

/** A tenth of them, too, is whole requests of 20. */
function itemsOf(text: string): number {
  const items = whole("items", text, 200);
  if (items % 200 !== 0) usage(`--items is ${items}: give a multiple of 200`);
  return items;
}

function registryOf(text: string): readonly [string, string] {
  const [, name, url] = /^([a-z0-9-]+)=(https?:\/\/[^/]+)\/?$/.exec(text) ?? [];
  if (name === undefined || url === undefined)
    usage(`--registry is ${JSON.stringify(text)}: give NAME=URL`);
  return [name, url];
}

const { values, positionals: names } = readArguments();
if (values.help) usage();
const groups = new Set(PARTS.flatMap((part) => part.groups));
const unknown = names.filter((name) => !groups.has(name.split(".")[0] ?? ""));
if (unknown.length > 0) usage(`there is no measurement ${unknown.join(", ")}`);

/** Whether one of the two is the other, or above it: `cold` and `cold.shell`. */
const related = (a: string, b: string): boolean =>
  a === b || a.startsWith(`${b}.`) || b.startsWith(`${a}.`);
const wanted = (name: string): boolean =>
  names.length === 0 || names.some((asked) => related(asked, name));

const options: BenchOptions = {
  ...(values.runs === undefined ? {} : { runs: whole("runs", values.runs, 1) }),
  rtt: whole("rtt", values.rtt, 0),
  ...(values.mbit === undefined ? {} : { mbit: whole("mbit", values.mbit, 1) }),
  ...(values.origins === undefined ? {} : { origins: whole("origins", values.origins, 1) }),
  ...(values.items === undefined ? {} : { items: itemsOf(values.items) }),
  seed: whole("seed", values.seed, 0),
  ...(values.against === undefined ? {} : { against: values.against }),
  registries: new Map(values.registry.map(registryOf)),
  wanted,
  signal: endingSignal(),
};
const chosen = PARTS.filter((part) => part.groups.some(wanted));
for (const { needs, root = false } of chosen) {
  const reason = await unavailable([...ORIGIN_NEEDS, ...STARTER_NEEDS, ...needs], { root });
  if (reason !== false) {
    process.stderr.write(`bench: ${reason}\n`);
    process.exit(1);
  }
}
try {
  for (const part of chosen)
    await part.run(options, (figure) => {
      if (wanted(figure.name))
        process.stdout.write(`${values.json ? toJson(figure) : toText(figure)}\n`);
    });
} catch (error) {
  if (!options.signal.aborted) throw error;
  process.stderr.write("bench: ended by a signal\n");
  process.exitCode = 130;
}
