import assert from "node:assert/strict";
import { test } from "node:test";
import { readOriginLine } from "../../../origin/local/origin-log.ts";

test("pino's JSON becomes the message and what it is about", () => {
  const line = JSON.stringify({
    level: 30,
    time: 1,
    pid: 2,
    hostname: "h",
    name: "local",
    msg: "built",
    package: "git",
    seconds: 3,
  });
  assert.deepEqual(readOriginLine(line), {
    level: 30,
    text: "built (package=git seconds=3)",
    connected: false,
  });
});

test("an error's message is shown", () => {
  assert.equal(
    readOriginLine(
      JSON.stringify({ level: 50, msg: "upload failed", err: { message: "no space" } }),
    ).text,
    "upload failed (no space)",
  );
});

test("what is no JSON is Node's own trouble", () => {
  assert.deepEqual(readOriginLine("Error: cannot find module"), {
    level: 50,
    text: "Error: cannot find module",
    connected: false,
  });
});
