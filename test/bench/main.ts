/**
 * `npm run bench [-- names…] [--json]`: measures Firn on this machine. Without names, everything; a name such as `cold` means all that begins with it.
 * With --json, one object a line: {"name","value","unit"}. Everything runs on the starter set, with store paths built before.
 */
import { parseArgs } from "node:util";
import { firnUnavailable } from "../harness/firn.ts";
import { PULL_BENCHES, pullsBench } from "./pulls.ts";
import type { Report } from "./report.ts";

const { values, positionals: names } = parseArgs({
  allowPositionals: true,
  options: { json: { type: "boolean", default: false }, seed: { type: "string", default: "1" }, help: { type: "boolean", default: false } },
});

const GROUPS = ["cold", "hot", "limit", "layers", "pack", "repack"];
const known = new Set<string>([...PULL_BENCHES, ...GROUPS]);
const unknown = names.filter((name) => !known.has(name) && !/^(layers|pack|repack)\./.test(name));
if (values.help || unknown.length > 0) {
  process.stderr.write(`${unknown.length > 0 ? `there is no measurement ${unknown.join(", ")}\n` : ""}usage: npm run bench -- [names…] [--json] [--seed N]\nnames: ${[...known].join(", ")}\n`);
  process.exit(values.help ? 0 : 2);
}

const report: Report = ({ name, value, unit }) => {
  const rounded = Number(value.toPrecision(4));
  process.stdout.write(values.json ? `${JSON.stringify({ name, value: rounded, unit })}\n` : `${name.padEnd(36)} ${String(rounded).padStart(10)} ${unit}\n`);
};

const reason = await firnUnavailable();
if (reason !== false) {
  process.stderr.write(`bench: ${reason}\n`);
  process.exit(1);
}
await pullsBench(names, report);
