import { type SettingsKind, settingsNames } from '../engine/settings.js';
import { contentProblems, json, type Operation, type OperationAnswer, read } from './operation-form.js';
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
  ];
};

/** Reading and publishing each kind of settings. */
export const settingsOperations: readonly Operation[] = settingsNames.flatMap(settings);
