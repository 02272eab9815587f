import { join, resolve } from 'node:path';
import { pino } from 'pino';
import { startEmbeddedPostgres } from '../../stores/embedded/postgres.js';
import { loadSettings, type Settings } from '../settings.js';

/** The server's settings; throws with everything that is wrong with them, a line each. */
export function serverSettings(env: NodeJS.ProcessEnv = process.env): Settings {
  const settings = loadSettings(env);
  if ('problems' in settings) throw new Error(settings.problems.join('\n'));
  return settings;
}

/**
 * Works on the server's own database: DATABASE_URL, or the embedded Postgres of IWD_DATA_DIR, which is started for the
 * time of the work when no server runs it already.
 */
export async function withServerDatabase<T>(settings: Settings, work: (databaseUrl: string) => Promise<T>): Promise<T> {
  if (settings.databaseUrl !== undefined) return work(settings.databaseUrl);
  const dataDir = join(resolve(settings.dataDir), 'postgres');
  const embedded = await startEmbeddedPostgres({ dataDir, logger: pino({ level: 'warn' }) });
  try {
    return await work(embedded.url);
  } finally {
    // One that ran already belongs to a server.
    if (!embedded.attached) await embedded.stop();
  }
}
