export const weekdays = ['MO', 'TU', 'WE', 'TH', 'FR', 'SA', 'SU'] as const;

export type Weekday = (typeof weekdays)[number];

/** Opening hours on one day of every week, as the clocks in the calendar's time zone show them; `to` may be `24:00`. */
export interface WeeklyHours {
  day: Weekday;
  /** `HH:MM`. */
  from: string;
  to: string;
}

/** One business calendar as a client writes it (`PUT /settings/calendars`). */
export interface CalendarDocument {
  id: string;
  /** An IANA name such as `Europe/Berlin`. */
  timeZone: string;
  weekly: WeeklyHours[];
  /** Days without opening hours, `YYYY-MM-DD` in the calendar's time zone. */
  holidays?: string[];
}
