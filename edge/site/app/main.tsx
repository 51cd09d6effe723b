/** Which page the address is of. */
import { type ComponentChild, render } from "preact";
import { Build } from "./build/build-page.tsx";
import { Compose } from "./compose/compose-page.tsx";
import { Farm } from "./farm/farm-page.tsx";
import { Inside } from "./image/image-page.tsx";
import { NotFound } from "./not-found.tsx";

function page(path: string): { readonly title: string; readonly content: ComponentChild } {
  if (path.startsWith("/i/")) {
    const name = decoded(path.slice("/i/".length)).replace(/\/+$/, "");
    if (name === "") return { title: "Not found · Firn", content: <NotFound path={path} /> };
    return { title: `${name} · Firn`, content: <Inside name={name} /> };
  }
  if (path.startsWith("/builds/"))
    return { title: "Build · Firn", content: <Build id={path.slice("/builds/".length)} /> };
  if (path === "/farm") return { title: "Farm · Firn", content: <Farm /> };
  if (path !== "/") return { title: "Not found · Firn", content: <NotFound path={path} /> };
  return { title: "Firn", content: <Compose /> };
}

/** An address as it was meant; as it is, where its percent signs mean nothing. */
function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

const { title, content } = page(location.pathname);
document.title = title;
for (const link of document.querySelectorAll<HTMLAnchorElement>("header nav a"))
  if (link.pathname === location.pathname) link.setAttribute("aria-current", "page");
const place = document.querySelector("main");
if (place !== null) {
  place.textContent = "";
  render(content, place);
}
