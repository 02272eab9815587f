import { hostname } from 'node:os';

/** Names this process in a lease: `host/pid`. */
export const ownPod = `${hostname()}/${process.pid}`;

/**
 * Whether the process that a lease names is certainly dead: it ran on this host and its number is free, or is ours,
 * because a container's processes get the same numbers at every start. Anything else may live.
 */
export function isGone(pod: string): boolean {
  const [host, pid] = pod.split('/');
  if (host !== hostname() || !/^\d+$/.test(pid ?? '')) return false;
  if (pod === ownPod) return true;
  try {
    process.kill(Number(pid), 0);
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ESRCH';
  }
}
