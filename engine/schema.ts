/** One prioritization schema as a client writes it (`PUT /settings/prioritization`). */
export interface SchemaDocument {
  id: string;
  origin: 'created' | 'activation' | 'due';
  mode: 'step' | 'linear';
  points: { offset: string; priority: number }[];
  businessValueWeight?: number;
  segmentWeights?: Record<string, number>;
  /** Id of the business calendar in whose time ages are measured. */
  calendar?: string;
  clockStopsWhileHeld?: boolean;
}
