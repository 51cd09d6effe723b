/**
 * Reads from nix-build's output which derivations failed, and why. Nix has two forms:
 *
 *   Nix 2.8     error: builder for '/nix/store/….drv' failed with exit code 3;
 *   Nix 2.31    error: Cannot build '/nix/store/….drv'.
 *                      Reason: builder failed with exit code 3.
 *
 * Both also name the derivations that need a failed one. These are left out: what counts is the
 * derivation that failed by itself.
 */
import { machineTrouble } from "../error-message.ts";

export interface FailedDerivation {
  readonly drvPath: string;
  /** What happened, as the end of a sentence: `failed with exit code 3`. */
  readonly how: string;
  /** A limit of Nix's own configuration (timeout, max-silent-time) ended it. */
  readonly timedOut: boolean;
  /** The machine is the cause (out of memory, a full disk): another origin may succeed. */
  readonly trouble: boolean;
}

/** A derivation, with the outputs wanted of it in some messages. */
const DRV = "'(/nix/store/[^'!^]+\\.drv)(?:[!^][^']*)?'";
const OLD = new RegExp(`^error: builder for ${DRV} (failed .*?)[;,.]?$`);
const OLD_TIMEOUT = new RegExp(`^error: building of ${DRV}.* timed out after (.*)$`);
const LOG_LIMIT = new RegExp(`^error: building of ${DRV}.* (killed after writing more than .*)$`);
/** From a remote builder; newer versions wrap the form of either version. */
const REMOTE = new RegExp(
  `^error: build of ${DRV} on '[^']*' failed: (?:builder (?:for ${DRV} )?)?(.*?)[;,.]?$`,
);
const HASH_MISMATCH = new RegExp(`^error: hash mismatch in fixed-output derivation ${DRV}`);
const WRONG_SYSTEM = new RegExp(
  `^error: a '([^']+)' .*is required to build ${DRV}, but I am a '([^']+)'`,
);
/** Any other error that begins with the derivation. */
const OTHER = new RegExp(
  `^error: (?:output .* of |some outputs of )?(?:fixed-output )?derivation ${DRV} (.*)$`,
);
const NEW = new RegExp(`^error: Cannot build ${DRV}`);
const NEW_REASON = /^\s*Reason: (.*?)\.?$/;
/** A derivation that failed because of another: `Reason: 1 dependency failed`. */
const DEPENDENCY = /dependenc(y|ies)\b.*failed/;
/** The kernel's out-of-memory killer, or an operator: a builder does not kill itself. */
const KILLED = /signal 9\b/;

/** Takes the lines of nix-build's stderr one by one. */
export class FailedDerivations {
  readonly #failed = new Map<string, FailedDerivation>();
  #trouble: string | null = null;
  #pending: string | null = null;

  add(line: string): void {
    if (this.#pending !== null) {
      const reason = NEW_REASON.exec(line)?.[1];
      if (reason !== undefined && !DEPENDENCY.test(reason))
        this.#note(this.#pending, reason.replace(/^builder /, ""));
      if (reason !== undefined || line.startsWith("error:")) this.#pending = null;
    }
    if (!line.startsWith("error:")) return;
    this.#pending = NEW.exec(line)?.[1] ?? null;
    const [, drv, how] = OLD.exec(line) ?? HASH_MISMATCH.exec(line) ?? [];
    if (drv !== undefined) return this.#note(drv, how ?? "has another hash than it should");
    const [, remote, , there] = REMOTE.exec(line) ?? [];
    if (remote !== undefined) return this.#note(remote, there ?? "failed");
    const [, loud, logged] = LOG_LIMIT.exec(line) ?? [];
    if (loud !== undefined) return this.#note(loud, `was ${logged}`);
    const [, slow, limit] = OLD_TIMEOUT.exec(line) ?? [];
    if (slow !== undefined) return this.#note(slow, `timed out after ${limit}`);
    const [, needed, foreign, own] = WRONG_SYSTEM.exec(line) ?? [];
    if (foreign !== undefined)
      return this.#note(foreign, `needs a machine of ${needed}, this one is ${own}`, true);
    const [, other, why] = OTHER.exec(line) ?? [];
    if (other !== undefined && !DEPENDENCY.test(line)) return this.#note(other, why ?? "failed");
    this.#trouble ??= machineTrouble(line);
  }

  #note(drvPath: string, how: string, trouble = false): void {
    if (this.#failed.has(drvPath)) return;
    const foreign = /^(required system or feature|platform mismatch)/i.test(how);
    this.#failed.set(drvPath, {
      drvPath,
      how,
      timedOut: /timed out/.test(how),
      trouble: trouble || foreign || KILLED.test(how) || machineTrouble(how) !== null,
    });
  }

  /** In the order in which they failed. */
  get failed(): FailedDerivation[] {
    return [...this.#failed.values()];
  }

  /** A problem of this machine that Nix reported without a derivation; null if none. */
  get trouble(): string | null {
    return this.#trouble;
  }
}
