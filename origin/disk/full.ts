/** Recognizes a full disk as the cause of an error, and says so to a person. */

/** What a full disk makes programs say, Nix's failures (nix/error-message.ts) among them. */
const DISK_FULL = /the disk is full|\b(ENOSPC|EDQUOT)\b/;

/** Whether a full disk is the cause of a failure, or of an error or one that it was made from. */
export const isDiskFull = (error: unknown): boolean =>
  typeof error === "object" &&
  error !== null &&
  (("message" in error && DISK_FULL.test(String(error.message))) ||
    ("cause" in error && isDiskFull(error.cause)));

/** Names the directory on the full disk, and what to do. */
class DiskFullError extends Error {
  override name = "DiskFullError";
}

/**
 * Runs what writes below `directory`. Where a full disk makes it fail, the error says which
 * directory lies on that disk and what to do; Node's own (`ENOSPC: no space left on device, write`)
 * names none.
 */
export async function namingFullDisk<T>(directory: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!isDiskFull(error) || error instanceof DiskFullError) throw error;
    const { message } = error as Error;
    throw new DiskFullError(
      `the disk of ${directory} is full (${message}): free some space there`,
      {
        cause: error,
      },
    );
  }
}
