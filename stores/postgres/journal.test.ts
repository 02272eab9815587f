import assert from 'node:assert/strict';
import { test } from 'node:test';
import pg from 'pg';
import { NotSent, UnfitServer } from './connection.js';
import { outcomeOf } from './journal.js';

function databaseError(code: string, severity = 'ERROR'): pg.DatabaseError {
  return Object.assign(new pg.DatabaseError('said no', 7, 'error'), { code, severity });
}

test('what Postgres rolled back for good is refused; what may come again is transient', () => {
  for (const code of ['22001', '22P05', '23505', '23514']) {
    const expected = { kind: 'refused', transient: false, sqlState: code, detail: 'said no' };
    assert.deepEqual(outcomeOf(databaseError(code)), expected);
  }
  for (const code of ['40001', '40P01', '55P03', '57014', '53100', '53200', '53300']) {
    const expected = { kind: 'refused', transient: true, sqlState: code, detail: 'said no' };
    assert.deepEqual(outcomeOf(databaseError(code)), expected);
  }
});

test('a standby means lost', () => {
  assert.deepEqual(outcomeOf(databaseError('25006')), { kind: 'lost' });
  const cause = new UnfitServer('in recovery', true);
  assert.deepEqual(outcomeOf(new NotSent('cannot connect', { cause })), { kind: 'lost' });
});

test('whatever is not clearly uncommitted is unknown', () => {
  for (const code of ['57P01', '57P02', '57P03', '08006', '40003', 'XX000', '58030', '42P01', '']) {
    assert.equal(outcomeOf(databaseError(code)).kind, 'unknown', code);
  }
  for (const code of ['53300', '22001']) assert.equal(outcomeOf(databaseError(code, 'FATAL')).kind, 'unknown');
  for (const error of [new Error('Connection terminated'), new Error('Query read timeout'), 'text', undefined]) {
    assert.equal(outcomeOf(error).kind, 'unknown');
  }
});

test('a batch that found no connection was not sent: refused, to come again', () => {
  const outcome = outcomeOf(new NotSent('cannot connect to Postgres', { cause: new Error('refused') }));
  assert.equal(outcome.kind === 'refused' && outcome.transient && outcome.sqlState, '08001');
});
