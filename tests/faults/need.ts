import { spawnSync } from 'node:child_process';
import { findRedisServer } from '../../stores/conformance/redis-server.js';
import type { Need } from './scenario.js';
import { toxiproxyMissing } from './toxiproxy.js';
import { faketimeLibrary } from './wall-clock-jumps.js';

/** Why something that a scenario needs is not here; undefined when it is. @param install may fetch what is missing. */
export function missing(need: Need, install: boolean): string | undefined {
  switch (need) {
    case 'redis':
      return findRedisServer() === undefined ? 'no redis-server on the PATH' : undefined;
    case 'toxiproxy':
      return toxiproxyMissing(install);
    case 'faketime':
      return faketimeLibrary() === undefined ? 'no libfaketime: apt-get install faketime' : undefined;
    case 'root':
      return mountMissing();
  }
}

/** A container's root may not be allowed to mount. */
function mountMissing(): string | undefined {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return 'needs root on Linux, to mount a small disk';
  const mount = spawnSync('sh', ['-c', 'd=$(mktemp -d) && mount -t tmpfs tmpfs "$d" && umount "$d" && rmdir "$d"']);
  return mount.status === 0 ? undefined : 'mounting a tmpfs is not allowed here';
}
