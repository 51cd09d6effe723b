/**
 * `npm run bench [-- names…] [--json] [--seed N]`: measures Firn on this machine. Without names,
 * everything; a name such as `cold` means all that begins with it. With --json, one object a line:
 * {"name","value","unit"}. Pulls and packing use the starter set, with store paths built before
 * anything is timed.
 */
import { parseArgs } from "node:util";
import type { Need } from "../../origin/local/needs.ts";
import { unavailable } from "../harness/available.ts";
import { firnUnavailable } from "../harness/firn.ts";
import { layersBench } from "./layers/index.ts";
import { packBench } from "./pack.ts";
import { PULL_BENCHES, pullsBench } from "./pulls.ts";
import { type Figure, wanted } from "./report.ts";
import { shellClosure } from "./shell-closure.ts";

/** What packing is compared with. */
const PACKERS: readonly Need[] = [
  { command: "pigz", debian: "pigz", purpose: "gzip on all cores" },
  { command: "zstd", debian: "zstd", purpose: "zstd on all cores" },
];
const GROUPS = ["cold", "hot", "limit", "layers", "pack", "repack"];

const { values, positionals: names } = parseArgs({
  allowPositionals: true,
  options: {
    json: { type: "boolean", default: false },
    seed: { type: "string", default: "1" },
    help: { type: "boolean", default: false },
  },
});
const known = [...PULL_BENCHES, ...GROUPS];
const unknown = names.filter(
  (name) => !known.includes(name) && !/^(layers|pack|repack)\./.test(name),
);
const seed = Number(values.seed);
if (values.help || unknown.length > 0 || !Number.isInteger(seed)) {
  const wrong = unknown.length > 0 ? `there is no measurement ${unknown.join(", ")}\n` : "";
  process.stderr.write(
    `${wrong}usage: npm run bench -- [names…] [--json] [--seed N]\nnames: ${known.join(", ")}, and what begins with layers., pack. or repack.\n`,
  );
  process.exit(values.help ? 0 : 2);
}

function report({ name, value, unit }: Figure): void {
  if (!wanted(names, name)) return;
  const rounded = Number(value.toPrecision(4));
  process.stdout.write(
    values.json
      ? `${JSON.stringify({ name, value: rounded, unit })}\n`
      : `${name.padEnd(44)} ${String(rounded).padStart(10)} ${unit}\n`,
  );
}

/** Whether anything of a group is wanted. */
const group = (name: string): boolean =>
  names.length === 0 || names.some((asked) => asked === name || asked.startsWith(`${name}.`));

const reason =
  (await firnUnavailable()) ||
  (group("pack") || group("repack") ? await unavailable(PACKERS) : false);
if (reason !== false) {
  process.stderr.write(`bench: ${reason}\n`);
  process.exit(1);
}
await pullsBench(names, report);
if (group("pack") || group("repack"))
  for await (const figure of packBench(await shellClosure())) report(figure);
if (group("layers")) for await (const figure of layersBench({ seed })) report(figure);
