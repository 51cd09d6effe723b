/**
 * How far an address is from a machine: on itself, in a private network, or on the internet. Pure.
 */
import { BlockList, isIP } from "node:net";

/** From the innermost to the outermost. */
export const SPACES = ["machine", "private", "public"] as const;
export type Space = (typeof SPACES)[number];

/** Loopback, link-local, what is no host's address, and where clouds tell a machine its secrets. */
const MACHINE = listOf([
  "0.0.0.0/8",
  "127.0.0.0/8",
  "169.254.0.0/16",
  "192.0.0.0/24",
  "100.100.100.200/32",
  "168.63.129.16/32",
  "224.0.0.0/3",
  "::/127",
  "fe80::/10",
  "ff00::/8",
  // Tunnels that carry an IPv4 address: Teredo and 6to4.
  "2001::/32",
  "2002::/16",
]);
const PRIVATE = listOf([
  "10.0.0.0/8",
  "172.16.0.0/12",
  "192.168.0.0/16",
  "100.64.0.0/10",
  "198.18.0.0/15",
  "fc00::/7",
  "fec0::/10",
  "64:ff9b:1::/48",
]);

/** `address`: an IPv4 or IPv6 address; anything else counts as this machine. */
export function spaceOf(address: string): Space {
  const plain = withoutIPv6(address);
  const family = isIP(plain) === 6 ? "ipv6" : "ipv4";
  if (isIP(plain) === 0 || MACHINE.check(plain, family)) return "machine";
  return PRIVATE.check(plain, family) ? "private" : "public";
}

/** IPv4 addresses as IPv6 writes them, `::ffff:10.0.0.1`, and as NAT64 does, `64:ff9b::a00:1`. */
const EMBEDDED = /^\[(?:::ffff:|64:ff9b::)(?:([0-9a-f]+):)?([0-9a-f]*)\]$/;

/** The IPv4 address in an IPv6 address; other addresses as they are, without their zone. */
function withoutIPv6(address: string): string {
  const [plain = ""] = address.split("%");
  if (isIP(plain) !== 6) return plain;
  const [, high = "", low = ""] = EMBEDDED.exec(new URL(`http://[${plain}]`).hostname) ?? [];
  if (high === "" && low === "") return plain;
  const bits = [high, low].map((group) => parseInt(group || "0", 16));
  return bits.flatMap((group) => [group >> 8, group & 255]).join(".");
}

function listOf(networks: readonly string[]): BlockList {
  const list = new BlockList();
  for (const network of networks) {
    const [address = "", prefix] = network.split("/");
    list.addSubnet(address, Number(prefix), isIP(address) === 6 ? "ipv6" : "ipv4");
  }
  return list;
}
