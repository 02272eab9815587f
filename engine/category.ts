/** One category as a client writes it (`PUT /settings/categories`). */
export interface CategoryDocument {
  id: string;
  parent: string | null;
  name: string;
  rule?: string;
  schema?: string;
  sla?: string;
  defaults?: { dueAfter?: string };
  /** Paths into the attributes that hold personal data. */
  pii?: string[];
  /** Where else than in `customerId` an item names its person. */
  subjectKeys?: string[];
}
