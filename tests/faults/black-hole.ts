import { connect, createServer, type Server, type Socket } from 'node:net';

/** A proxy before one server that can swallow everything without a word, and counts who tries to connect. */
export class BlackHole {
  attempts = 0;
  isOpen = true;
  readonly #upstreamPort: number;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #clients = new Set<Socket>();

  private constructor(upstreamPort: number) {
    this.#upstreamPort = upstreamPort;
    this.#server = createServer((socket) => this.#accept(socket));
  }

  static async before(upstreamPort: number): Promise<BlackHole> {
    const hole = new BlackHole(upstreamPort);
    await new Promise<void>((resolve) => hole.#server.listen(0, '127.0.0.1', resolve));
    return hole;
  }

  get port(): number {
    return (this.#server.address() as { port: number }).port;
  }

  /** Connections that clients have open. */
  get open(): number {
    return this.#clients.size;
  }

  /** What is connected stays so, and hears nothing any more. */
  swallow(): void {
    this.isOpen = false;
  }

  /** Whoever was swallowed is cut off; new connections work. */
  heal(): void {
    this.isOpen = true;
    for (const socket of this.#sockets) socket.destroy();
  }

  stop(): void {
    this.heal();
    this.#server.close();
  }

  #accept(client: Socket): void {
    this.attempts++;
    this.#keep(client);
    this.#clients.add(client);
    client.on('close', () => this.#clients.delete(client));
    if (!this.isOpen) {
      client.resume();
      return;
    }
    const upstream = connect(this.#upstreamPort, '127.0.0.1');
    this.#keep(upstream);
    this.#pass(client, upstream);
    this.#pass(upstream, client);
  }

  #pass(from: Socket, to: Socket): void {
    from.on('data', (bytes) => {
      if (this.isOpen && to.writable) to.write(bytes);
    });
    from.on('close', () => to.destroy());
  }

  #keep(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on('error', () => {});
    socket.on('close', () => this.#sockets.delete(socket));
  }
}
