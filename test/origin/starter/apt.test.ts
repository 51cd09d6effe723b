/** apt in the place of which a script stands: what its private state makes of one that hangs. */
import assert from "node:assert/strict";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { test } from "node:test";
import { openApt } from "../../../origin/starter/apt.ts";
import { until } from "../../harness/until.ts";
import { temporary } from "../nix/support.ts";

test("a refresh that never ends is ended with all its processes, and what is there stays", async (t) => {
  const programs = temporary(t);
  const pid = join(programs, "pid");
  const script = `#!/bin/sh\ncase "$*" in *update*) echo $$ > ${pid}; exec sleep 600;; esac\n`;
  writeFileSync(join(programs, "apt-get"), script, { mode: 0o755 });
  const before = process.env["PATH"] ?? "";
  process.env["PATH"] = `${programs}${delimiter}${before}`;
  t.after(() => (process.env["PATH"] = before));
  // Until the script has begun before it is ended, on however slow a machine.
  for (let updateMs = 1_000; !existsSync(pid); updateMs *= 2) {
    const said: string[] = [];
    const log = (line: string): void => void said.push(line);
    const apt = await openApt(join(temporary(t), "apt"), ["amd64"], log, updateMs);
    await apt.refresh();
    const seconds = updateMs / 1_000;
    assert.match(said.join("\n"), new RegExp(`are used\\n {2}it took longer than ${seconds} s`));
  }
  const running = Number(readFileSync(pid, "utf8"));
  await until("its process has ended", () => {
    try {
      return /^\d+ \(.*\) Z/.test(readFileSync(`/proc/${running}/stat`, "utf8"));
    } catch {
      return true;
    }
  });
});
