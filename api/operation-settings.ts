import { type SettingsKind, settingsNames } from '../engine/settings.js';
import {
  contentProblems,
  json,
  type Operation,
  type OperationAnswer,
  read,
  smallBodyProblems,
} from './operation-form.js';
import type { ShapeName } from './shape.js';

const settingsShapes = {
  categories: 'Categories',
  prioritization: 'Prioritization',
  calendars: 'Calendars',
} as const satisfies Record<SettingsKind, ShapeName>;

const settings = (kind: SettingsKind): Operation[] => {
  const shape = settingsShapes[kind];
  const path = `/settings/${kind}`;
  const answer: OperationAnswer = { description: 'The settings document.', shape, etag: true };
  return [
    read(`get-${kind}`, `iWD.${shape}.canRead`, path, `The ${kind} settings, or an earlier version of them`, answer, [
      'version',
    ]),
    {
      id: `put-${kind}`,
      method: 'PUT',
      path,
      summary: `Replaces the ${kind} settings; the versions before are kept`,
      access: `iWD.${shape}.canUpdate`,
      takesIfMatch: true,
      body: { kind: 'raw', content: { [json]: shape }, required: true },
      answers: { 200: answer },
      problems: [...contentProblems, 'invalid-settings', 'version-mismatch'],
    },
    read(
      `versions-${kind}`,
      `iWD.${shape}.canRead`,
      `${path}/versions`,
      `Who published which version of the ${kind} settings, newest first`,
      { description: 'One page.', shape: 'VersionPage' },
      ['limit', 'cursor'],
    ),
    {
      id: `rollback-${kind}`,
      method: 'POST',
      path: `${path}/rollback`,
      summary: `Publishes an earlier version of the ${kind} settings again, as a new version`,
      access: `iWD.${shape}.canUpdate`,
      takesIfMatch: true,
      body: { kind: 'small', content: { [json]: 'RollbackBody' }, required: true },
      answers: { 200: answer },
      problems: [...smallBodyProblems, 'not-found', 'invalid-settings', 'version-mismatch'],
    },
  ];
};

const yaml = 'application/yaml';

const exportSettings: Operation = {
  id: 'export-settings',
  method: 'GET',
  path: '/settings/export',
  summary: 'All kinds of settings as one file, JSON or YAML; it holds no secrets',
  access: 'iWD.Settings.canRead',
  query: ['format'],
  answers: { 200: { description: 'The file; YAML where it was asked for.', shape: 'SettingsFile' } },
  problems: ['invalid-value', 'unknown-field', 'too-large'],
};

const importSettings: Operation = {
  id: 'import-settings',
  method: 'PUT',
  path: '/settings/import',
  summary: 'Publishes all kinds of settings that the file holds, together or not at all',
  access: 'iWD.Settings.canUpdate',
  query: ['dryRun'],
  body: { kind: 'raw', content: { [json]: 'SettingsFile', [yaml]: 'SettingsFile' }, required: true },
  answers: { 200: { description: 'What was published; with `?dryRun=true` what would be.', shape: 'ImportAnswer' } },
  problems: [...contentProblems, 'invalid-settings'],
};

const whatIf: Operation = {
  id: 'what-if',
  method: 'POST',
  path: '/what-if',
  summary: 'What a draft of settings would change, simulated on a copy of the live queue; nothing is published',
  access: 'iWD.WhatIf.canExecute',
  body: { kind: 'raw', content: { [json]: 'WhatIf' }, required: true },
  answers: { 200: { description: 'Both orders, and what differs.', shape: 'WhatIfAnswer' } },
  problems: [...contentProblems, 'invalid-settings', 'too-many-requests'],
};

/** Reading and publishing each kind of settings. */
export const settingsOperations: readonly Operation[] = [
  ...settingsNames.flatMap(settings),
  exportSettings,
  importSettings,
  whatIf,
];
