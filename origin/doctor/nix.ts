/** The doctor's checks of Nix: its version, and whether it builds in a sandbox. */
import { buildUsersExist } from "../local/build-users.ts";
import { nixConfig } from "../local/nix-config.ts";
import { BUILD_USERS_COMMAND } from "../nix/safety.ts";
import { probeSandbox } from "../nix/sandbox.ts";
import { FIXED_VERSIONS, isVulnerable, nixVersion } from "../nix/version.ts";
import { fault, type Finding, ok, warning } from "./finding.ts";

export interface NixCheck {
  readonly env: NodeJS.ProcessEnv;
  /** The starter set is built without a sandbox. */
  readonly starter: boolean;
  /** Other people have packages built here: what `firn origin` is for. */
  readonly forOthers: boolean;
}

/** Whether Nix is installed, its sandbox has no known holes, and builds are sandboxed. */
export async function checkNix({ env, starter, forOthers }: NixCheck): Promise<Finding[]> {
  let found: string;
  try {
    found = await nixVersion();
  } catch (error) {
    return [
      fault("Nix", (error as Error).message, "nixos.org/download, or apt-get install nix-bin"),
    ];
  }
  const leaks = isVulnerable(found);
  const version = !leaks
    ? ok("Nix", `version ${found}`)
    : (forOthers ? fault : warning)(
        "Nix",
        `version ${found}, whose sandbox builds can escape (CVE-2024-27297, CVE-2026-39860)`,
        `update it to ${FIXED_VERSIONS.join(", ")} or newer; until then build only for people you trust`,
      );
  return [version, await checkSandbox({ env, starter, forOthers })];
}

async function checkSandbox({ env, starter, forOthers }: NixCheck): Promise<Finding> {
  const { sandboxed, reason, asRoot } = await probeSandbox(await nixConfig(env, false));
  const missing = forOthers ? fault : warning;
  if (!sandboxed)
    return (starter && !forOthers ? ok : missing)(
      "sandbox",
      `builds are not sandboxed: ${reason}`,
      "use a kernel that lets Nix make namespaces (user.max_user_namespaces), or " +
        "NIX_CONFIG='sandbox = false' where all packages are your own",
    );
  if (asRoot === true && !(await buildUsersExist()))
    return missing("sandbox", "builds run as root", `make users for them: ${BUILD_USERS_COMMAND}`);
  return ok("sandbox", "builds are sandboxed");
}
