import assert from "node:assert/strict";
import { once, EventEmitter } from "node:events";
import { test } from "node:test";
import { Revisions } from "../../../../origin/nix/sets/revisions.ts";
import { starterSources } from "../../../../origin/nix/sets/starter.ts";
import { FailureError } from "../../../../origin/nix/types.ts";
import {
  directoryWith,
  needs,
  packageSet,
  signal,
  temporary,
  unknownRevision,
} from "../support.ts";

const nix = { ...needs("nix-instantiate"), timeout: 120_000 };
const unknown = (error: unknown): boolean =>
  error instanceof FailureError &&
  error.failure.reason === "unknown" &&
  /tags are latest and/.test(error.message);

test(
  "the revision is the content; a changed set is announced, and the old revision stays",
  nix,
  async (t) => {
    const text = packageSet(`a = program "a";`, "starter");
    let dir = directoryWith(t, text);
    const settings = { stateDir: temporary(t), nixTimeout: 60 };
    const errors: unknown[] = [];
    const options = {
      settings,
      revisions: new Revisions(settings, "starter"),
      prepare: async () => ({ dir }),
      onError: (error: unknown) => errors.push(error),
      refresh: 20,
    };
    const backend = await starterSources(options);
    const old = await backend.resolve("latest", signal);
    const other = await starterSources({
      ...options,
      prepare: async () => ({ dir: directoryWith(t, text) }),
    });
    assert.equal(await other.resolve("latest", signal), old, "equal content, equal revision");
    await assert.rejects(backend.resolve("main", signal), unknown);
    const revision = "0".repeat(40);
    await assert.rejects(backend.resolve(revision, signal), unknownRevision(revision, "origin"));
    await assert.rejects(backend.source(revision, signal), unknownRevision(revision, "origin"));

    const events = new EventEmitter();
    const seen: string[] = [];
    const alive = setInterval(() => {}, 1_000);
    t.after(() => clearInterval(alive));
    const stop = backend.watch((tag, revision) => {
      seen.push(`${tag} ${revision}`);
      events.emit("seen");
    });
    while (seen.length < 1) await once(events, "seen");
    dir = directoryWith(t, `${text}\n`);
    while (seen.length < 2) await once(events, "seen");
    // Its last refresh writes into the directories that the test removes.
    await stop();
    const now = await backend.resolve("latest", signal);
    assert.notEqual(now, old);
    assert.deepEqual(seen, [`latest ${old}`, `latest ${now}`]);
    assert.equal(await backend.resolve(old, signal), old);
    assert.notEqual(
      (await backend.source(old, signal)).path,
      (await backend.source(now, signal)).path,
    );
    assert.deepEqual(errors, []);
  },
);
