import assert from "node:assert/strict";
import { test } from "node:test";
import { localSystems } from "../../../origin/local/origin.ts";

const HOST = process.arch === "arm64" ? "aarch64-linux" : "x86_64-linux";
const OTHER = process.arch === "arm64" ? "x86_64-linux" : "aarch64-linux";

test("npm start serves both systems, this machine's first, where nothing foreign must run", async () => {
  for (const [packageSet, systems] of [
    ["starter", [HOST, OTHER]],
    ["channel:nixos-unstable", [HOST, OTHER]],
    ["path:/some/where", [HOST]],
    ["git:https://git.example/set.git", [HOST]],
  ] as const)
    assert.equal(await localSystems(packageSet), systems.join(","), packageSet);
});
