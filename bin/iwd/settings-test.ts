import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { parse } from 'yaml';
import { defaultCategories, defaultSchemas } from '../../engine/default-settings.js';
import { isObject } from '../../engine/draft.js';
import { attributesBytesMax } from '../../engine/limits.js';
import { differences, outcomeOf, readCases, type SettingsCase } from '../../engine/settings-case.js';
import { checkImport, type SettingsBundle } from '../../engine/settings-check.js';
import { TenantState } from '../../engine/state.js';

/** What is wrong with a file that somebody wrote: printed without a stack. */
export class FileFault extends Error {}

const defaults = { categories: defaultCategories, prioritization: defaultSchemas, calendars: [] };

/** A YAML or JSON file: JSON is YAML. */
export function readDocument(path: string): unknown {
  try {
    return parse(readFileSync(path, 'utf8'), { maxAliasCount: 0, stringKeys: true });
  } catch (error) {
    throw new FileFault(`${path}: ${(error as Error).message.split('\n')[0]}`);
  }
}

/**
 * Runs the cases of a file against settings, without a server: those of the file that `settings` names, else of the one
 * that the case file itself names, else what a new tenant begins with. Prints a line a case; returns how many failed.
 */
export function testSettings(path: string, settings: string | undefined, print: (line: string) => void): number {
  const file = readDocument(path);
  const named = isObject(file) && typeof file.settings === 'string' ? resolve(dirname(path), file.settings) : undefined;
  const state = stateOf(settings ?? named);
  const read = readCases(file);
  if ('faults' in read) throw new FileFault(`${path}:\n${read.faults.map((fault) => `  ${fault}`).join('\n')}`);
  const failed = read.cases.filter((one) => !passes(state, one, print)).length;
  print(`${read.cases.length - failed} of ${read.cases.length} cases are as expected`);
  return failed;
}

function stateOf(path: string | undefined): TenantState {
  const { categories, prioritization, calendars } = { ...defaults, ...(path !== undefined && readBundle(path)) };
  return new TenantState({
    tenantId: 'test',
    attributesBytesMax,
    documentBytesMax: 0,
    categories,
    schemas: prioritization,
    calendars,
  });
}

/** A settings file, checked as an import checks it. */
function readBundle(path: string): SettingsBundle {
  const checked = checkImport(readDocument(path), defaults);
  if ('bundle' in checked) return checked.bundle;
  const lines = checked.faults.map(({ pointer, detail }) => `  ${pointer || 'the file'}: ${detail}`);
  throw new FileFault(`${path}:\n${lines.join('\n')}`);
}

function passes(state: TenantState, one: SettingsCase, print: (line: string) => void): boolean {
  const outcome = outcomeOf(state, one);
  if ('refused' in outcome) {
    print(`FAIL ${one.name}\n       the item would be refused: ${outcome.refused}`);
    return false;
  }
  const found = differences(one, outcome);
  print(`${found.length === 0 ? 'ok  ' : 'FAIL'} ${one.name}`);
  for (const { field, expected, actual } of found) {
    print(`       ${field}: expected ${JSON.stringify(expected)}, got ${JSON.stringify(actual)}`);
  }
  if (found.length > 0 && outcome.error !== null) print(`       (${outcome.error})`);
  return found.length === 0;
}
