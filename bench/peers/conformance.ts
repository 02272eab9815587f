import assert from 'node:assert/strict';
import { type OpenPeer, type Peer, queueName } from './peer.js';

/** What the benches rely on: one and many are kept, the best comes first, a job that was taken can be completed once. */
export async function checkPeer(open: OpenPeer, url: string): Promise<void> {
  const peer = await open(url);
  try {
    await peer.add([{ data: { name: 'low' }, priority: 1 }]);
    await peer.add([
      { data: { name: 'high' }, priority: 900 },
      { data: { name: 'middle' }, priority: 50 },
    ]);
    assert.deepEqual(await takeAll(peer, 3), ['high', 'middle', 'low'], queueName);
    assert.equal(await peer.complete('12345'), false);
  } finally {
    await peer.close();
  }
}

async function takeAll(peer: Peer, count: number): Promise<unknown[]> {
  const names: unknown[] = [];
  for (let at = 0; at < count; at++) {
    const job = await peer.take();
    names.push((job?.data as { name: string } | undefined)?.name);
    assert.equal(await peer.complete(job!.id), true);
  }
  return names;
}
