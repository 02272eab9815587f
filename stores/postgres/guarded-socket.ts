import { type LookupAddress, lookup } from 'node:dns';
import { BlockList, isIP, Socket } from 'node:net';

/**
 * Where no database is and a cloud's or a container's secrets are: a provisioning body must not make the server ask
 * there. Loopback and private networks are fine, for that is where databases live.
 */
const forbidden = new BlockList();
for (const [network, prefix] of [
  ['0.0.0.0', 8],
  ['100.100.100.200', 32],
  ['169.254.0.0', 16],
  ['192.0.0.192', 32],
  ['224.0.0.0', 3],
] as const) {
  forbidden.addSubnet(network, prefix, 'ipv4');
  // The same address in NAT64's clothes.
  forbidden.addSubnet(`64:ff9b::${network}`, 96 + prefix, 'ipv6');
}
for (const [network, prefix] of [
  ['fd00:ec2::254', 128],
  ['fe80::', 10],
  ['ff00::', 8],
  // IPv4 addresses as they were once written; the loopback lies in here and is let through.
  ['::', 96],
] as const) {
  forbidden.addSubnet(network, prefix, 'ipv6');
}

/** Whether a connection to this address (not name) is refused whoever asks for it. IPv4 mapped into IPv6 counts as IPv4. */
export function isForbiddenAddress(address: string): boolean {
  const family = isIP(address);
  if (family === 0) return false;
  return address !== '::1' && forbidden.check(address, family === 6 ? 'ipv6' : 'ipv4');
}

/** The host is, or its name leads to, an address that is never connected to. */
export class ForbiddenAddress extends Error {
  override name = 'ForbiddenAddress';
  constructor(host: string) {
    super(`${host} is a link-local, metadata or otherwise special address: no database is asked for there`);
  }
}

type Found = (error: NodeJS.ErrnoException | null, address: string | LookupAddress[], family?: number) => void;

/** Looks at what a name leads to at the moment of the connection: what it led to a moment ago proves nothing. */
function guardedLookup(host: string, options: object, found: Found): void {
  lookup(host, { ...options, all: true }, (error, addresses) => {
    if (error) return found(error, []);
    if (addresses.some(({ address }) => isForbiddenAddress(address))) return found(new ForbiddenAddress(host), []);
    if ((options as { all?: boolean }).all) found(null, addresses);
    else found(null, addresses[0]!.address, addresses[0]!.family);
  });
}

/** A socket for `pg` that goes nowhere forbidden. It connects as `connect(port, host)` or `connect(path)`. */
export class GuardedSocket extends Socket {
  override connect(...args: unknown[]): this {
    const [port, host] = args;
    if (typeof port !== 'number' || typeof host !== 'string') return super.connect(...(args as [string]));
    if (isForbiddenAddress(host)) return this.destroy(new ForbiddenAddress(host));
    return super.connect({ port, host, lookup: guardedLookup as never });
  }
}
