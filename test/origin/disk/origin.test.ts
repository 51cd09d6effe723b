/** `firn origin` as a process, whose Nix store lies on a full disk. */
import assert from "node:assert/strict";
import { rmSync } from "node:fs";
import { test } from "node:test";
import { ORIGIN_NEEDS } from "../../../origin/local/needs.ts";
import { unavailable } from "../../harness/available.ts";
import { ownNixUnavailable, withSmallNix } from "../../harness/own-nix.ts";
import { tagJob, WELCOME } from "../channel/open.ts";
import { rudeEdge } from "../channel/rude-edge.ts";
import { directoryWith, firnOrigin, packageSet } from "../nix/support.ts";

const skip = (await unavailable(ORIGIN_NEEDS)) || (await ownNixUnavailable());
/** Of 300 MB, 30 are kept free; 280 are full already. */
const FULL = ["sh", "-ec", 'head -c 280000000 /dev/zero >/nix/fill; exec "$@"', "sh"];

test(
  "it says why it takes no jobs, refuses one, and takes jobs when there is room again",
  { skip, timeout: 120_000 },
  async (t) => {
    const edge = await rudeEdge(t);
    const set = directoryWith(t, packageSet(`one = program "one";`));
    const origin = firnOrigin(
      t,
      {},
      {
        FIRN_EDGES: edge.url.href,
        PACKAGE_SET: `path:${set}`,
        NIX_CONFIG: process.env["NIX_CONFIG"] ?? "",
        DRAIN: "0",
      },
      [...withSmallNix(300e6), ...FULL],
    );
    const connection = await edge.connected();
    connection.say(WELCOME);
    const full = await connection.heard("status");
    assert.equal(full.accepting, false);
    assert.match(full.reason ?? "", /the disk is full: \/nix\/store has \d+\.\d MB free/);
    connection.say(tagJob("1"));
    assert.match((await connection.heard("refused")).message, /the disk is full/);

    // Its /nix, as this process sees it.
    rmSync(`/proc/${origin.pid}/root/nix/fill`);
    const again = await connection.heard("status");
    assert.deepEqual([again.accepting, again.reason], [true, undefined]);
    connection.say(tagJob("2"));
    assert.equal((await connection.heard("accepted")).job, "2");

    origin.kill("SIGTERM");
    const { all = "", stderr } = await origin;
    const log = `${all}${stderr}`;
    assert.match(log, /this origin takes no jobs until there is room/);
    assert.match(log, /run nix-collect-garbage/, "what to do, where Firn does not collect");
    assert.equal(log.match(/takes no jobs until there is room/g)?.length, 1, "said once");
  },
);
