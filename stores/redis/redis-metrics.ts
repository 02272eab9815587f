import { Cluster, type Redis } from 'ioredis';
import { Counter, Gauge, Histogram, type Registry } from 'prom-client';

/** What the guide says of Redis; without one all stay zero. Of a cluster, each node's connection counts. */
export class RedisMetrics {
  readonly #clients = new Set<Redis | Cluster>();
  readonly #errors: Counter;
  readonly #untilReady: Histogram;

  constructor(registry: Registry) {
    const registers = [registry];
    const connections = (state: string, help: string, statuses: readonly string[]) => {
      const count = () => this.#connections().filter(({ status }) => statuses.includes(status)).length;
      new Gauge({
        name: `iwd_redis_connections_${state}`,
        help,
        registers,
        collect() {
          this.set(count());
        },
      });
    };
    connections('established', 'Connections to Redis that are open', ['connect', 'ready']);
    connections('reconnecting', 'Connections to Redis that are being made, most of them again', [
      'reconnecting',
      'connecting',
    ]);
    connections('ready', 'Connections to Redis that take commands', ['ready']);
    this.#untilReady = new Histogram({
      name: 'iwd_redis_duration_until_ready',
      help: 'Seconds from the beginning of a connection, or from its loss, until it takes commands',
      buckets: [0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10, 60],
      registers,
    });
    this.#errors = new Counter({
      name: 'iwd_redis_errors_total',
      help: 'Failed attempts to connect, and snapshots that could not be written or read',
      registers,
    });
  }

  watch(client: Redis | Cluster): void {
    this.#clients.add(client);
    let since: number | undefined = performance.now();
    client.on('ready', () => {
      if (since !== undefined) this.#untilReady.observe((performance.now() - since) / 1000);
      since = undefined;
    });
    client.on('close', () => {
      since ??= performance.now();
    });
    client.on('error', () => this.failed());
    client.on('end', () => this.#clients.delete(client));
  }

  failed(): void {
    this.#errors.inc();
  }

  #connections(): Redis[] {
    return [...this.#clients].flatMap((client) => (client instanceof Cluster ? client.nodes() : [client]));
  }
}
