/** An image's name, which may go on in the next line behind each slash. */
export function ImageName({ name }: { readonly name: string }) {
  const parts = name.split("/");
  return <>{parts.flatMap((part, at) => (at === 0 ? [part] : ["/", <wbr key={at} />, part]))}</>;
}
