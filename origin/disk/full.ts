/** Recognizes a full disk as the cause of an error, and names the directory in the message. */

/** Messages about a full disk: Node's, and those of nix/error-message.ts. */
const DISK_FULL = /the disk is full|\b(ENOSPC|EDQUOT)\b/;

/** Whether a full disk caused a failure or an error, by its message and those of its causes. */
export const isDiskFull = (error: unknown): boolean =>
  typeof error === "object" &&
  error !== null &&
  (("message" in error && DISK_FULL.test(String(error.message))) ||
    ("cause" in error && isDiskFull(error.cause)));

class DiskFullError extends Error {
  override name = "DiskFullError";
}

/**
 * Calls `work`, which writes below `directory`. When a full disk makes it fail, throws an error
 * that names the directory and what to do: Node's (`ENOSPC: no space left on device, write`) does
 * not.
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
