/** Unpacks .xz by the program `xz`, since Node has no decompressor for it. */
import { execa } from "execa";

/** Largest text, bytes: nixpkgs' list of store paths has about 10 MB. */
const MAX_BYTES = 512 * 2 ** 20;

/** The text in .xz data. Throws an Error when xz is missing or fails, or the text is too large. */
export async function unxz(data: Uint8Array, signal?: AbortSignal): Promise<string> {
  const { exitCode, failed, code, stdout, stderr, isMaxBuffer } = await execa(
    "xz",
    ["--decompress", "--stdout"],
    {
      input: data,
      reject: false,
      maxBuffer: MAX_BYTES,
      ...(signal ? { cancelSignal: signal } : {}),
    },
  );
  signal?.throwIfAborted();
  if (code === "ENOENT")
    throw new Error(
      "the program xz is not installed: it unpacks the channel's list of store paths (on " +
        "Debian: apt install xz-utils)",
    );
  if (isMaxBuffer)
    throw new Error(`the list of store paths unpacks to more than ${MAX_BYTES} bytes`);
  if (failed)
    throw new Error(
      `xz cannot unpack the list of store paths (exit code ${exitCode}): ${stderr.trim()}`,
    );
  return stdout;
}
