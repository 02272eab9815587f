/** One category as a client writes it (`PUT /settings/categories`). */
export interface CategoryDocument {
  id: string;
  parent: string | null;
  name: string;
  rule?: string;
  schema?: string;
  sla?: string;
  /** How long after its end an item is deleted; without it, never. */
  retention?: string;
  defaults?: { dueAfter?: string };
  /** Id of the business calendar in whose time its curve, `sla` and `dueAfter` run; else its schema's. */
  calendar?: string;
  clockStopsWhileHeld?: boolean;
  /** Paths into the attributes that hold personal data. */
  pii?: string[];
  /** Where else than in `customerId` an item names its person. */
  subjectKeys?: string[];
}
