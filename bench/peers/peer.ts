/** An item as a peer's queue keeps it: what the client sent, and its place in the order (higher comes first). */
export interface PeerItem {
  data: object;
  priority: number;
}

/** A job that was handed out and waits for its end. */
export interface TakenJob {
  id: string;
  data: unknown;
}

/** A queue of today behind the same front as ours. Each promise resolves when the queue has acknowledged. */
export interface Peer {
  /** One item by the library's call for one, several by its call for many. */
  add(items: readonly PeerItem[]): Promise<void>;
  /** The best job, as far as the library keeps an order; undefined when there is none. */
  take(): Promise<TakenJob | undefined>;
  /** False when no such job was taken. */
  complete(id: string): Promise<boolean>;
  /** Ends its connections. */
  close(): Promise<void>;
}

/** Opens a peer on its store. */
export type OpenPeer = (url: string) => Promise<Peer>;

/** Jobs of one queue, whichever the peer. */
export const queueName = 'item';
/** Connections to Postgres, for the peers on it: on two cores more of them bring nothing. */
export const poolSize = 16;
