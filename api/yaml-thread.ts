import { parse, stringify } from 'yaml';

/** The two conversions, for a thread of `yaml-pool.ts`. A text that is not YAML comes back as `fault`. */
export default function convert(task: { toYaml: string } | { toJson: string }): { text: string } | { fault: string } {
  // Rules and texts stay on the lines on which they were written.
  if ('toYaml' in task) {
    return { text: stringify(JSON.parse(task.toYaml), { lineWidth: 0, aliasDuplicateObjects: false }) };
  }
  try {
    // No aliases: a small file must not unfold into a large one.
    return { text: JSON.stringify(parse(task.toJson, { maxAliasCount: 0, stringKeys: true }) ?? null) };
  } catch (error) {
    return { fault: (error as Error).message.split('\n')[0]!.replace(/:$/, '') };
  }
}
