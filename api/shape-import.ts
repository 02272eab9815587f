import Type from 'typebox';

/** The shapes of what an import takes; `services/intake` reads them. */
export const importShapes = {
  Csv: Type.String({
    description: 'RFC 4180, UTF-8, commas; the first record names the columns.',
    examples: ['captureId,businessValue,attributes\r\ncrm-4712,120,"{""region"":""north""}"\r\n'],
  }),
  FileRecord: Type.Object(
    {},
    {
      additionalProperties: true,
      description: 'One line: names of fields as an export has them, or what the mapping reads.',
      examples: [{ captureId: 'crm-4712', businessValue: 120, attributes: { region: 'north' } }],
    },
  ),
} as const;
