/** Reads the body of a request. */

/**
 * The body as text; null when it has more than `max` bytes. No more than that is read, whatever its
 * Content-Length says.
 */
export async function textOf(
  { body }: { readonly body?: ReadableStream<Uint8Array> | null },
  max: number,
): Promise<string | null> {
  const decoder = new TextDecoder();
  let text = "";
  let length = 0;
  for await (const chunk of body ?? []) {
    length += chunk.length;
    if (length > max) return null;
    text += decoder.decode(chunk, { stream: true });
  }
  return text + decoder.decode();
}
